"""The record of an episode: what was said, seen and decided, down to the token.

Causes are stored and facts derived from them. A record without a `version` is of version 1; writers say the
version from 2 on, so that what has not changed keeps its bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mini_o3.episode.limits import OVER_TURN, Limits, StopReason
from mini_o3.episode.status import Status, status_of
from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import typed
from mini_o3.kit.usage import NO_USAGE, Usage
from mini_o3.protocol import Action, Answer, Fault, Malformed, Zoom, frame_of, source_name
from mini_o3.vision import Rect, Region, locate

EPISODES_FILE = "episodes.jsonl"  # in a folder of episodes, one line each
VERSION = 1  # of the records in it


@dataclass(frozen=True, slots=True)
class Turn:
    """One policy message and what came back.

    Attributes:
        text: exactly what the policy wrote.
        action: what it was read as; Malformed also where the environment could not carry it out.
        observation: number of the observation that came back; None if there was none.
        rect: what that observation covers, in pixels of the upright original.
        shown: (width, height) of the view of it.
        prompt_ids: ids that the environment added to the context before this turn.
        token_ids, log_probs: ids that the policy sampled, and the log-probability of each.
        learn: False for a deliberate mistake of a teacher.
        seconds: how long the turn took.
        usage: tokens that an endpoint counted for it; zeros for policies without one.
    """

    text: str
    action: Action
    observation: int | None = None
    rect: Rect | None = None
    shown: tuple[int, int] | None = None
    prompt_ids: tuple[int, ...] = ()
    token_ids: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()
    learn: bool = True
    seconds: float = 0.0
    usage: Usage = NO_USAGE

    @property
    def thought(self) -> str:
        return self.action.thought

    @property
    def malformed(self) -> Malformed | None:
        """The action, if it failed."""
        return self.action if isinstance(self.action, Malformed) else None


class Placed(NamedTuple):
    """One of several pictures of an episode, and where it lies on their canvas (`vision.album`)."""

    picture: str
    place: Rect


class Located(NamedTuple):
    """A rectangle of one picture of an episode, in pixels of that picture of `size` (width, height)."""

    number: int
    picture: str
    size: tuple[int, int]
    rect: Rect


@dataclass(frozen=True, slots=True)
class Episode:
    """A whole episode; `to_dict` is one line of `episodes.jsonl`.

    Of a question about several pictures, `placed` has them all, `size` and every rectangle are of the canvas
    on which they lie, `picture` is the first, and `first_views` says with how many views it began: one of
    each, or one contact sheet.
    """

    task_id: str
    picture: str
    question: str
    size: tuple[int, int]
    policy: str
    profile: str
    limits: Limits
    seed: int
    shown: tuple[int, int]
    turns: tuple[Turn, ...]
    stop: StopReason
    answer: str | None = None
    error: str | None = None
    expected: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    placed: tuple[Placed, ...] = ()
    first_views: int = 1

    @property
    def pictures(self) -> tuple[str, ...]:
        """Paths of all pictures, in their order."""
        return tuple(one.picture for one in self.placed) or (self.picture,)

    @property
    def first(self) -> tuple[Rect, ...]:
        """What the views cover that it began with: the whole picture, or each of several."""
        if self.first_views > 1:
            return tuple(one.place for one in self.placed)
        return (Rect(0, 0, *self.size),)

    def picture_at(self, rect: Rect) -> tuple[int, Rect] | None:
        """Of several pictures the number (from 0) of the one that a rectangle lies in, and the rectangle in
        its own pixels; None if it lies in several, or there is one picture only."""
        return locate([one.place for one in self.placed], rect)

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from other episodes of a folder: task and seed."""
        return self.task_id, self.seed

    @property
    def num_turns(self) -> int:
        return len(self.turns)

    @property
    def is_over_turn(self) -> bool:
        return self.stop in OVER_TURN

    @property
    def num_zooms(self) -> int:
        return sum(turn.observation is not None for turn in self.turns)

    @property
    def evidence(self) -> Region | None:
        """The region of the original that the answer rests on; None without an answer.

        It is the box that the answer names, else what was seen last before it; `evidence_source` says which.
        """
        if self.stop is not StopReason.ANSWERED:
            return None
        rects = [*self.first, *(turn.rect for turn in self.turns if turn.rect is not None)]
        named = self._named
        if named is not None:
            rect = named.to_rect(rects[named.frame])
        else:
            rect = rects[-1] if self.num_zooms else Rect(0, 0, *self.size)
        return Region.of_rect(rect, self.size)

    @property
    def evidence_in(self) -> Located | None:
        """The picture that the evidence lies in, and where; with several pictures its `number` counts from 1.

        None without evidence, and where it covers several pictures.
        """
        if self.evidence is None:
            return None
        rect = self.evidence.to_rect(Rect(0, 0, *self.size))
        if not self.placed:
            return Located(1, self.picture, self.size, rect)
        found = self.picture_at(rect)
        if found is None:
            return None
        one = self.placed[found[0]]
        return Located(found[0] + 1, one.picture, (one.place.width, one.place.height), found[1])

    @property
    def evidence_source(self) -> str | None:
        """`answer` or `last_view`; None without evidence."""
        if self.stop is not StopReason.ANSWERED:
            return None
        return "last_view" if self._named is None else "answer"

    @property
    def _named(self) -> Region | None:
        """The box that the answer names, if it is of a picture that was shown."""
        last = self.turns[-1].action if self.turns else None
        region = last.region if isinstance(last, Answer) else None
        return region if region is not None and region.frame < self.first_views + self.num_zooms else None

    @property
    def status(self) -> Status:
        """What came of it, for whoever asked."""
        return status_of(self.stop, self.answer)

    @property
    def usage(self) -> Usage:
        """Tokens that an endpoint counted for all turns."""
        return sum((turn.usage for turn in self.turns), NO_USAGE)

    @property
    def token_ids(self) -> tuple[int, ...]:
        """All ids of the context, environment's and policy's, in order."""
        return tuple(i for turn in self.turns for i in (*turn.prompt_ids, *turn.token_ids))

    @property
    def token_mask(self) -> tuple[int, ...]:
        """Parallel to `token_ids`: 1 where the policy wrote the token."""
        return tuple(
            m for turn in self.turns for m in (*(0 for _ in turn.prompt_ids), *(1 for _ in turn.token_ids))
        )

    @property
    def token_log_probs(self) -> tuple[float, ...]:
        """Parallel to `token_ids`: log-probability where the policy wrote the token, 0.0 elsewhere."""
        return tuple(p for turn in self.turns for p in (*(0.0 for _ in turn.prompt_ids), *turn.log_probs))

    def to_dict(self, tokens: bool = True) -> dict[str, Any]:
        """JSON-ready; without `tokens`, token ids and log-probabilities are left out."""
        data: dict[str, Any] = {
            "task_id": self.task_id,
            "picture": self.picture,
            "question": self.question,
            "size": list(self.size),
            "policy": self.policy,
            "profile": self.profile,
            "limits": self.limits.to_dict(),
            "seed": self.seed,
            "shown": list(self.shown),
            "stop": self.stop.value,
            "answer": self.answer,
            "error": self.error,
            "expected": self.expected,
            "meta": self.meta,
            "num_turns": self.num_turns,
            "is_over_turn": self.is_over_turn,
            "evidence": None if self.evidence is None else [round(v, 6) for v in self.evidence.xyxy],
            "turns": [_turn_dict(turn, tokens, self) for turn in self.turns],
        }
        if self.placed:
            data["pictures"] = [{"picture": one.picture, "place": list(one.place)} for one in self.placed]
            data["first_views"] = self.first_views
        return {key: value for key, value in data.items() if value is not None and value != {}}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Episode:
        """Read what `to_dict` wrote; derived fields are computed anew.

        Raises:
            KeyError, TypeError, ValueError: for data that is not an episode.
            UserError: it was written by a later version of this program.
        """
        if typed(data, "version", int, default=1) > VERSION:
            raise UserError(
                f"an episode record of version {data['version']}: this mini-o3 reads up to version"
                f" {VERSION}; update it"
            )
        placed, first_views = (
            typed(data, "pictures", list, default=[]),
            typed(data, "first_views", int, default=1),
        )
        return cls(
            task_id=typed(data, "task_id", str),
            picture=typed(data, "picture", str),
            question=typed(data, "question", str),
            size=_pair(data["size"]),
            policy=typed(data, "policy", str),
            profile=typed(data, "profile", str),
            limits=Limits(**typed(data, "limits", dict)),
            seed=typed(data, "seed", int),
            shown=_pair(data["shown"]),
            turns=tuple(_turn(turn, first_views) for turn in typed(data, "turns", list)),
            stop=StopReason(data["stop"]),
            answer=typed(data, "answer", str, type(None), default=None),
            error=typed(data, "error", str, type(None), default=None),
            expected=typed(data, "expected", str, type(None), default=None),
            meta=typed(data, "meta", dict, default={}),
            placed=tuple(Placed(typed(one, "picture", str), Rect(*one["place"])) for one in placed),
            first_views=first_views,
        )


def _turn_dict(turn: Turn, tokens: bool, episode: Episode) -> dict[str, Any]:
    data: dict[str, Any] = {
        "text": turn.text,
        "action": _action_dict(turn.action, episode.first_views),
        "seconds": round(turn.seconds, 3),
    }
    if turn.thought:
        data["thought"] = turn.thought
    if turn.observation is not None and turn.rect and turn.shown:
        data.update(observation=turn.observation, rect=list(turn.rect), shown=list(turn.shown))
        if (found := episode.picture_at(turn.rect)) is not None:
            data["in"] = {"picture": source_name(found[0], len(episode.placed)), "rect": list(found[1])}
    if tokens and (turn.token_ids or turn.prompt_ids):
        data.update(prompt_ids=list(turn.prompt_ids), token_ids=list(turn.token_ids))
        data["log_probs"] = [round(value, 6) for value in turn.log_probs]
    if not turn.learn:
        data["learn"] = False
    if turn.usage.is_known:
        data["usage"] = turn.usage.to_dict()
    return data


def _turn(data: dict[str, Any], first_views: int) -> Turn:
    return Turn(
        text=typed(data, "text", str),
        action=_action(typed(data, "action", dict), typed(data, "thought", str, default=""), first_views),
        observation=typed(data, "observation", int, type(None), default=None),
        rect=Rect(*data["rect"]) if "rect" in data else None,
        shown=_pair(data["shown"]) if "shown" in data else None,
        prompt_ids=tuple(data.get("prompt_ids", ())),
        token_ids=tuple(data.get("token_ids", ())),
        log_probs=tuple(data.get("log_probs", ())),
        learn=data.get("learn", True),
        seconds=typed(data, "seconds", float, default=0.0),
        usage=Usage(**data.get("usage", {})),
    )


def _action_dict(action: Action, pictures: int) -> dict[str, Any]:
    if isinstance(action, Malformed):
        return {"malformed": action.kind.value, "detail": action.detail}
    if isinstance(action, Answer):
        if action.region is None:
            return {"answer": action.text}
        source = source_name(action.region.frame, pictures)
        return {"answer": action.text, "box": list(action.region.xyxy), "source": source}
    return {"zoom": list(action.region.xyxy), "source": source_name(action.region.frame, pictures)}


def _action(data: dict[str, Any], thought: str, pictures: int) -> Action:
    if "malformed" in data:
        return Malformed(Fault(data["malformed"]), typed(data, "detail", str), thought)
    if "answer" in data:
        region = _region(data, "box", pictures) if "box" in data else None
        return Answer(typed(data, "answer", str), thought, region)
    return Zoom(_region(data, "zoom", pictures), thought)


def _region(data: dict[str, Any], key: str, pictures: int) -> Region:
    x0, y0, x1, y1 = data[key]
    return Region(x0, y0, x1, y1, frame_of(typed(data, "source", str), pictures))


def _pair(values: Any) -> tuple[int, int]:
    first, second = values
    return int(first), int(second)

"""The record of an episode: what was said, seen and decided, down to the token.

Causes are stored and facts derived from them. A record without a `version` is of version 1; writers say the
version from 2 on, so that what has not changed keeps its bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mini_o3.episode.limits import OVER_TURN, Limits, StopReason
from mini_o3.episode.status import Status, status_of
from mini_o3.episode.turn import Turn, pair, read_turn, turn_dict
from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import typed
from mini_o3.kit.usage import NO_USAGE, Usage
from mini_o3.protocol import Answer, source_name
from mini_o3.vision import Rect, Region, locate

EPISODES_FILE = "episodes.jsonl"  # in a folder of episodes, one line each
VERSION = 1  # of the records in it


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

    def _within(self, turn: Turn) -> tuple[str, Rect] | None:
        found = None if turn.rect is None else self.picture_at(turn.rect)
        return None if found is None else (source_name(found[0], len(self.placed)), found[1])

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
            "turns": [turn_dict(turn, tokens, self.first_views, self._within(turn)) for turn in self.turns],
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
            size=pair(data["size"]),
            policy=typed(data, "policy", str),
            profile=typed(data, "profile", str),
            limits=Limits(**typed(data, "limits", dict)),
            seed=typed(data, "seed", int),
            shown=pair(data["shown"]),
            turns=tuple(read_turn(turn, first_views) for turn in typed(data, "turns", list)),
            stop=StopReason(data["stop"]),
            answer=typed(data, "answer", str, type(None), default=None),
            error=typed(data, "error", str, type(None), default=None),
            expected=typed(data, "expected", str, type(None), default=None),
            meta=typed(data, "meta", dict, default={}),
            placed=tuple(Placed(typed(one, "picture", str), Rect(*one["place"])) for one in placed),
            first_views=first_views,
        )

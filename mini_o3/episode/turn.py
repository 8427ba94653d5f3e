"""One turn of a policy, and its JSON form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mini_o3.kit.reading import typed
from mini_o3.kit.usage import NO_USAGE, Usage
from mini_o3.protocol import Action, Answer, Fault, Malformed, Zoom, frame_of, source_name
from mini_o3.vision import Rect, Region


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


def turn_dict(turn: Turn, tokens: bool, first_views: int, within: tuple[str, Rect] | None) -> dict[str, Any]:
    """A turn, JSON-ready.

    Args:
        tokens: with token ids and log-probabilities.
        first_views: how many pictures the episode began with.
        within: of several pictures the name of the one that was looked at, and where in it.
    """
    data: dict[str, Any] = {
        "text": turn.text,
        "action": _action_dict(turn.action, first_views),
        "seconds": round(turn.seconds, 3),
    }
    if turn.thought:
        data["thought"] = turn.thought
    if turn.observation is not None and turn.rect and turn.shown:
        data.update(observation=turn.observation, rect=list(turn.rect), shown=list(turn.shown))
        if within is not None:
            data["in"] = {"picture": within[0], "rect": list(within[1])}
    if tokens and (turn.token_ids or turn.prompt_ids):
        data.update(prompt_ids=list(turn.prompt_ids), token_ids=list(turn.token_ids))
        data["log_probs"] = [round(value, 6) for value in turn.log_probs]
    if not turn.learn:
        data["learn"] = False
    if turn.usage.is_known:
        data["usage"] = turn.usage.to_dict()
    return data


def read_turn(data: dict[str, Any], first_views: int) -> Turn:
    """A turn from its JSON."""
    return Turn(
        text=typed(data, "text", str),
        action=_action(typed(data, "action", dict), typed(data, "thought", str, default=""), first_views),
        observation=typed(data, "observation", int, type(None), default=None),
        rect=Rect(*data["rect"]) if "rect" in data else None,
        shown=pair(data["shown"]) if "shown" in data else None,
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


def pair(values: Any) -> tuple[int, int]:
    first, second = values
    return int(first), int(second)

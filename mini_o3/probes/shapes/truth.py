"""What is known about a probe: every thing in it and exactly where, and what its question looks for.

A task carries this as `SearchTask.truth`, plain JSON. The scripted searcher and the checks read it; policies
never see it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mini_o3.episode.task import SearchTask
from mini_o3.kit.errors import UserError
from mini_o3.vision import Region


@dataclass(frozen=True, slots=True)
class Thing:
    """One object in a picture: what it looks like and exactly where (region of the original picture)."""

    colour: str
    shape: str
    digit: str
    region: Region


@dataclass(frozen=True, slots=True)
class Goal:
    """A question in parts: find the thing with these attributes (None: not said), then tell `ask` of it.

    `ask` is colour, shape or digit of the thing itself, or `beside`: the shape of the thing next to it.
    """

    ask: str
    colour: str | None = None
    shape: str | None = None
    digit: str | None = None

    def fits(self, thing: Thing) -> bool:
        return all(
            wanted is None or wanted == seen
            for wanted, seen in (
                (self.colour, thing.colour),
                (self.shape, thing.shape),
                (self.digit, thing.digit),
            )
        )


@dataclass(frozen=True, slots=True)
class Truth:
    """What is looked for, and all things of a picture.

    `absent` says why the target is not there (one of `absent.KINDS`); it is empty where it is.
    """

    goal: Goal
    things: tuple[Thing, ...]
    absent: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, as `SearchTask.truth` holds it."""
        goal = {key: value for key, value in asdict(self.goal).items() if value is not None}
        things = [[t.colour, t.shape, t.digit, list(t.region.xyxy)] for t in self.things]
        return {"goal": goal, "things": things, **({"absent": self.absent} if self.absent else {})}


def truth_of(task: SearchTask) -> Truth:
    """What is known about a probe.

    Raises:
        UserError: the task is no probe of this kind.
    """
    try:
        goal = Goal(**task.truth["goal"])
        things = tuple(Thing(c, s, d, Region(*box)) for c, s, d, box in task.truth["things"])
    except (KeyError, TypeError, ValueError):
        things = ()
    if not things:
        raise UserError(f"{task.picture}: not a probe; make probes with `mini-o3 probe make shapes`")
    return Truth(goal, things, str(task.truth.get("absent", "")))


def is_probe(task: SearchTask) -> bool:
    """Whether a task says what it looks for."""
    return "goal" in task.truth

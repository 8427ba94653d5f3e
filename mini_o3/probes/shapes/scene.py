"""What stands where: a goal, its target, the candidates that look like it from afar, and bystanders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mini_o3.probes.shapes.levels import Level
from mini_o3.probes.shapes.truth import Goal, Thing, Truth
from mini_o3.probes.shapes.words import COLOURS, DIGITS, SHAPES
from mini_o3.vision import Rect, Region

FAMILIES = ("digit", "colour", "shape", "beside")

_MARGIN = 0.05  # no centre lies closer to the border of the picture
_TRIES = 400


@dataclass(frozen=True, slots=True)
class Scene:
    """Where everything is, before a single pixel is painted. `things[0]` is the target."""

    size: tuple[int, int]
    goal: Goal
    answer: str
    things: tuple[Thing, ...]
    evidence: tuple[Region, ...]
    absent: str = ""

    @property
    def truth(self) -> Truth:
        return Truth(self.goal, self.things, self.absent)


def lay_out(rng: np.random.Generator, level: Level, family: str, size: tuple[int, int]) -> Scene:
    """Draw a scene of `family` at `level` for a picture of `size` pixels.

    Every candidate fits what can be seen of the goal from afar (its colour; for the colour family: anything)
    and none but the target fits all of it, so that the answer is unique and a guess is right one time in the
    number of candidates at best.
    """
    count = int(rng.integers(level.candidates[0], level.candidates[1] + 1))
    looks = _looks(rng, family, count + (2 if family == "colour" else 0))
    goal, answer = _goal(family, looks)
    side = rng.uniform(*level.side)
    board = _Board(rng, size, side)
    things: list[Thing] = []
    evidence: tuple[Region, ...] = ()
    for index, (colour, shape, digit) in enumerate(looks):
        spot = board.free_spot(level.gap)
        if spot is None:
            if index == 0:
                raise AssertionError("an empty board has room for the target")
            break
        thing = Thing(colour, shape, digit, board.put(spot))
        things.append(thing)
        if index == 0:
            evidence = (thing.region,)
        if family == "beside":
            neighbour = Thing(
                other(rng, COLOURS, colour), str(rng.choice(SHAPES)), _digit(rng), board.put_beside(spot)
            )
            things.append(neighbour)
            if index == 0:
                answer = neighbour.shape
                evidence = (thing.region, neighbour.region)
    if family != "colour":
        for _ in range(int(rng.integers(level.others[0], level.others[1] + 1))):
            spot = board.free_spot(0.11)
            if spot is not None:
                colour = other(rng, COLOURS, looks[0][0])
                things.append(Thing(colour, str(rng.choice(SHAPES)), _digit(rng), board.put(spot)))
    return Scene(size, goal, answer, tuple(things), evidence)


Traits = tuple[str, str, str]  # colour, shape, digit


def _looks(rng: np.random.Generator, family: str, count: int) -> list[Traits]:
    """(colour, shape, digit) of the target, then of the other candidates."""
    colour, shape, digit = str(rng.choice(list(COLOURS))), str(rng.choice(SHAPES)), _digit(rng)
    looks = [(colour, shape, digit)]
    colours = [str(c) for c in rng.permutation([c for c in COLOURS if c != colour])]
    for index in range(count - 1):
        if family == "colour":
            looks.append((colours[index % len(colours)], other(rng, SHAPES, shape), _digit(rng)))
        elif family == "shape":
            looks.append((colour, str(rng.choice(SHAPES)), other(rng, DIGITS, digit)))
        else:
            looks.append((colour, other(rng, SHAPES, shape), _digit(rng)))
    return looks


def _goal(family: str, looks: list[Traits]) -> tuple[Goal, str]:
    colour, shape, digit = looks[0]
    if family == "digit":
        return Goal("digit", colour=colour, shape=shape), digit
    if family == "colour":
        return Goal("colour", shape=shape), colour
    if family == "shape":
        return Goal("shape", colour=colour, digit=digit), shape
    if family == "beside":
        return Goal("beside", colour=colour, shape=shape), ""  # known once the neighbour is drawn
    raise ValueError(f"unknown family {family!r}; known: {', '.join(FAMILIES)}")


def _digit(rng: np.random.Generator) -> str:
    return DIGITS[rng.integers(len(DIGITS))]


def other(rng: np.random.Generator, values, taken: str) -> str:  # type: ignore[no-untyped-def]
    rest = [value for value in values if value != taken]
    return rest[rng.integers(len(rest))]


class _Board:
    """Free places. Positions are centres in fractions of the picture; things are squares in pixels."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], side: float) -> None:
        self.rng, self.size = rng, size
        self.pixels = max(round(side * (size[0] * size[1]) ** 0.5), 4)
        self.spots: list[tuple[float, float]] = []

    def free_spot(self, gap: float) -> tuple[float, float] | None:
        """A place at least `gap` (in x or in y) from all things; None when none is found."""
        for _ in range(_TRIES):
            x, y = self.rng.uniform(_MARGIN, 1 - _MARGIN, 2)
            if all(max(abs(x - a), abs(y - b)) >= gap for a, b in self.spots):
                return float(x), float(y)
        return None

    def put(self, spot: tuple[float, float]) -> Region:
        self.spots.append(spot)
        return self._region(spot)

    def put_beside(self, spot: tuple[float, float]) -> Region:
        """Right next to a thing, on a side where there is room."""
        away = [1.15 * self.pixels / extent for extent in self.size]
        ways = [(away[0], 0.0), (-away[0], 0.0), (0.0, away[1]), (0.0, -away[1])]
        inside = [
            (spot[0] + dx, spot[1] + dy)
            for dx, dy in ways
            if _MARGIN <= spot[0] + dx <= 1 - _MARGIN and _MARGIN <= spot[1] + dy <= 1 - _MARGIN
        ]
        return self.put(inside[self.rng.integers(len(inside))])

    def _region(self, spot: tuple[float, float]) -> Region:
        width, height = self.size
        left = min(max(round(spot[0] * width - self.pixels / 2), 0), width - self.pixels)
        top = min(max(round(spot[1] * height - self.pixels / 2), 0), height - self.pixels)
        return Region.of_rect(Rect(left, top, left + self.pixels, top + self.pixels), self.size)

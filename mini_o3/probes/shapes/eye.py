"""What can honestly be seen of a probe in one view, and the words for it.

The teacher thinks in these words and the perception stage teaches them, so that what nano learns to see is
what it later needs to say. Positions are fractions of the view, rounded to the grid of `levels.STEP`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mini_o3.probes.shapes.levels import ONE_DOT, SEE_DIGIT, SEE_DOT, SEE_SHAPE, STEP, VIEW_SIDE
from mini_o3.probes.shapes.truth import Thing
from mini_o3.vision import Rect


@dataclass(frozen=True, slots=True)
class Seen:
    """A thing in a view: centre (x, y) as fractions of the view, `share` its mean side as a share of the
    view's."""

    thing: Thing
    x: float
    y: float
    share: float

    @property
    def pixels(self) -> float:
        return self.share * VIEW_SIDE

    @property
    def shape_shows(self) -> bool:
        return self.pixels >= SEE_SHAPE

    @property
    def digit_shows(self) -> bool:
        return self.pixels >= SEE_DIGIT

    @property
    def spot(self) -> tuple[float, float]:
        """The centre on the grid."""
        return snap(self.x), snap(self.y)


def snap(value: float) -> float:
    return round(round(value / STEP) * STEP, 2)


def look(things: Iterable[Thing], size: tuple[int, int], rect: Rect) -> list[Seen]:
    """What of `things` shows in the view of `rect` (pixels of the original of `size`), left to right.

    A thing counts when its centre and most of it are inside and it is at least a dot wide.
    """
    seen = []
    for thing in things:
        x0, x1 = ((v * size[0] - rect.left) / rect.width for v in (thing.region.x0, thing.region.x1))
        y0, y1 = ((v * size[1] - rect.top) / rect.height for v in (thing.region.y0, thing.region.y1))
        x, y, share = (x0 + x1) / 2, (y0 + y1) / 2, math.sqrt((x1 - x0) * (y1 - y0))
        slack = 0.2 * share
        inside = min(x0, y0) >= -slack and max(x1, y1) <= 1 + slack
        if inside and share * VIEW_SIDE >= SEE_DOT:
            seen.append(Seen(thing, x, y, share))
    return sorted(seen, key=lambda s: (s.spot, s.x))


def of_colour(seen: Sequence[Seen], colour: str | None) -> list[Seen]:
    """Those that look right from afar; every thing if no colour is asked for."""
    return [s for s in seen if colour in (None, s.thing.colour)]


def central(seen: Sequence[Seen], colour: str | None) -> Seen | None:
    """The one of that colour nearest to the middle of the view; None if there is none in its inner part."""
    near = min(of_colour(seen, colour), key=lambda s: max(abs(s.x - 0.5), abs(s.y - 0.5)), default=None)
    return near if near and max(abs(near.x - 0.5), abs(near.y - 0.5)) < 0.4 else None


def aimed_at(seen: Sequence[Seen]) -> Seen | None:
    """What stands right in the middle of the view, whatever its colour."""
    thing = central(seen, None)
    return thing if thing and max(abs(thing.x - 0.5), abs(thing.y - 0.5)) < 0.2 else None


def neighbour(seen: Sequence[Seen], of: Seen) -> Seen | None:
    """The thing that touches `of`, if one shows."""
    others = [s for s in seen if s is not of]
    near = min(others, key=lambda s: math.hypot(s.x - of.x, s.y - of.y), default=None)
    return near if near and math.hypot(near.x - of.x, near.y - of.y) < 1.7 * of.share else None


def apart(seen: Sequence[Seen], colour: str | None) -> list[Seen]:
    """Those that can be told apart: of things within `ONE_DOT` of each other one stays, of the sought colour
    if it can be."""
    kept: list[Seen] = []
    for thing in sorted(seen, key=lambda s: s.thing.colour != colour):
        if all(max(abs(thing.x - other.x), abs(thing.y - other.y)) >= ONE_DOT for other in kept):
            kept.append(thing)
    return [thing for thing in seen if thing in kept]


def point(found: Sequence[Seen], colour: str | None) -> str:
    """Where all that look right are: `red at 0.35/0.60 0.55/0.20.`"""
    name = colour or "things"
    if not found:
        return f"no {name} here."
    return f"{name} at {' '.join(spot_words(s.spot) for s in found)}."


def survey(
    found: Sequence[Seen], goal_colour: str | None, mistaken: Seen | None = None, but: Sequence[Thing] = ()
) -> str:
    """Where everything is and of which colour, then where all that look right are, `but` for some.

    `things at 0.30/0.45 red 0.60/0.10 blue; red at 0.30/0.45`; without a colour to look for, the places
    alone. `mistaken` is taken to look right.
    """
    likely = [
        s for s in found if (s is mistaken or goal_colour in (None, s.thing.colour)) and s.thing not in but
    ]
    if goal_colour is None or not found:
        return point(likely, goal_colour).rstrip(".")
    return f"{listing(found, goal_colour, mistaken)}; {point(likely, goal_colour).rstrip('.')}"


def listing(found: Sequence[Seen], taken_for: str | None = None, mistaken: Seen | None = None) -> str:
    """Where everything is and of which colour: `things at 0.30/0.45 red`; `mistaken` is `taken_for`
    another."""
    named = (f"{spot_words(s.spot)} {taken_for if s is mistaken else s.thing.colour}" for s in found)
    return f"things at {' '.join(named)}"


def spot_words(spot: tuple[float, float]) -> str:
    return f"{spot[0]:.2f}/{spot[1]:.2f}"


def describe(seen: Sequence[Seen], colour: str | None, what_touches: bool = False) -> str:
    """What the thing in the middle is, as far as its size lets it be told, and where, if a closer look may be
    wanted."""
    thing = central(seen, colour)
    if thing is None:
        return f"no {colour or 'thing'} here."
    name = thing.thing
    if not thing.shape_shows:
        return f"{name.colour} at {spot_words(thing.spot)} too small."
    words = f"{name.colour} {name.shape}"
    other = neighbour(seen, thing) if what_touches else None
    if thing.digit_shows:
        words += f" {name.digit}"
    if other or not thing.digit_shows:
        words += f" at {spot_words(thing.spot)}"
    return f"{words}{beside(other)}."


def beside(other: Seen | None) -> str:
    """What touches a thing whose place has just been said: first where, so that it is read, and not the thing
    once more."""
    return f" beside {spot_words(other.spot)} {other.thing.colour} {other.thing.shape}" if other else ""

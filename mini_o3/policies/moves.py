"""A scripted search of a probe, move by move, by the rules of one who does not know where anything is.

It says what can be seen in the views it was shown, tries candidates from left to right and never by which is
right, and answers only when the evidence is legible in the last view. Nothing has to be remembered from one
quarter to the next: each has a part of its own, and only what lies there is tried. Every thought restates the
goal, says what the last look showed
and then what to do next: with the goal's words right before what is to be compared with them, a small model
learns to compare.
Deliberate mistakes carry `learn=False`: an imitator learns the repair, not the mistake.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np

from mini_o3.episode import SearchTask
from mini_o3.kit.errors import UserError
from mini_o3.probes.shapes import sight
from mini_o3.probes.shapes.levels import (
    FILL,
    FILL_BESIDE,
    FIRST_BOX,
    LEAST_BOX,
    QUARTER,
    closer_box,
    first_box,
)
from mini_o3.probes.shapes.questions import restate
from mini_o3.protocol import Answer, Zoom
from mini_o3.vision import Rect, Region

PATTERNS = ("trial_and_error", "depth_first", "self_correction", "second_look")
_BACK = 0.2  # by so much wider is the look after one that cut off what stands beside the target
_TOO_NEAR = (
    0.8  # share of targets with something beside them that `self_correction` first looks at too closely
)
_OVERLOOKS = 0.3  # share of the searches by quarters that need a second pass, of those that can have one
_QUARTERS = ((0.3, 0.3), (0.7, 0.3), (0.3, 0.7), (0.7, 0.7))  # centres
_AGAIN = (
    (0.25, 0.25),
    (0.75, 0.25),
    (0.25, 0.75),
    (0.75, 0.75),
)  # and in a second pass, of quarters that share nothing
_SEAM = 0.02  # share of the picture
_EDGE = 0.15  # of a quarter: what lies nearer than this to a side that it shares is another quarter's
_WIDER = 0.6  # side of the second look after a miss, around the same place


class Move(NamedTuple):
    action: Zoom | Answer
    learn: bool = True


Moves = Generator[Move, None, None]


class Search:
    """The moves of one episode. `rects` mirrors the session's list: what each frame covers of the
    original."""

    def __init__(
        self, task: SearchTask, size: tuple[int, int], pattern: str, rng: np.random.Generator
    ) -> None:
        if task.goal is None or not task.things:
            raise UserError(
                f"{task.picture}: not a probe; the teacher only knows probes (mini-o3 probe make)"
            )
        self.task, self.goal, self.size, self.pattern, self.rng = task, task.goal, size, pattern, rng
        self.goal_words = restate(task.goal)
        self.rects = [Rect(0, 0, *size)]
        self.found = False
        self.verdict = ""  # what the last look showed
        self.mistaken = False  # the last view showed the target, and `verdict` says nothing of it
        self.last = (0, (0.5, 0.5), 1.0)  # frame, centre and side of the last look

    def moves(self) -> Moves:
        """All moves up to the answer; ends without one if the target cannot be seen from anywhere it
        looked."""
        overlooks = self.pattern in ("depth_first", "second_look") and self.rng.random() < _OVERLOOKS
        overlooks = overlooks and self.in_one_quarter()
        if self.pattern == "depth_first":
            yield from self.descend(forget=overlooks)
        else:
            yield from self.try_candidates(0, forget=self.pattern == "second_look")
            if not self.found:
                self.verdict = f"{self.verdict}; not seen"
                yield from self.descend(forget=overlooks)
        if not self.found and overlooks:
            self.verdict = f"{self.verdict}; not seen"
            yield from self.descend(again=True)

    def try_candidates(
        self,
        frame: int,
        forget: bool = False,
        quarter: tuple[float, float] | None = None,
        again: bool = False,
    ) -> Moves:
        """Look at everything in `frame` that could be it, from left to right; if it is a `quarter`, in the
        part of its own.

        `forget`: the target is overlooked. `again`: in a second pass, see `first_side`.
        """
        shown = sight.apart(
            [s for s in self.see(frame) if not (forget and self.goal.fits(s.thing))], self.goal.colour
        )
        lacking = forget and any(self.goal.fits(s.thing) for s in self.see(frame))
        elsewhere = [s.thing for s in shown if quarter and not own(s.spot, quarter)]
        listed = [s for s in sight.of_colour(shown, self.goal.colour) if s.thing not in elsewhere]
        decoy = self.decoy(shown) if self.pattern == "self_correction" and listed else None
        if decoy is not None:
            listed = [s for s in shown if s in listed or s is decoy]
        spots = sight.survey(shown, self.goal.colour, decoy, but=elsewhere)
        for index, candidate in enumerate(listed):
            spot = candidate.spot
            plan = (
                [spots, "look at"]
                if index == 0
                else [f"back to observation {frame}" if frame else "", "next at"]
            )
            erring = self.pattern == "self_correction" and candidate is not decoy
            miss = self.miss(frame, candidate) if erring and self.rng.random() < 0.35 else None
            if miss is not None:
                yield self.zoom(
                    frame, miss, FIRST_BOX, *plan[:-1], f"{plan[-1]} {sight.spot_words(miss)}", learn=False
                )
                self.verdict = self.reading(self.see())
                yield self.zoom(frame, miss, _WIDER, "missed", "wider")
            else:
                learn = not ((lacking or decoy is not None) and index == 0)  # the list is wrong
                side = self.first_side(candidate, again)
                yield self.zoom(
                    frame, spot, side, *plan[:-1], f"{plan[-1]} {sight.spot_words(spot)}", learn=learn
                )
            yield from self.inspect()
            if self.found:
                return
        self.mistaken = lacking and not listed
        if not listed:
            self.verdict = sight.point(sight.of_colour(shown, self.goal.colour), self.goal.colour).rstrip(".")

    def descend(self, forget: bool = False, again: bool = False) -> Moves:
        """Quarter by quarter: go in, try what shows there, come back. Each has a number, so that none is lost
        or had twice.

        `again`: smaller quarters, whatever lies in them, so that nothing looks as it did in the first pass.
        """
        for index, quarter in enumerate(_AGAIN if again else _QUARTERS):
            plan = f"{'next' if index else 'look at'} quarter {index + 1}{' again' if again else ''}"
            back = "back" if index else ""
            yield self.zoom(0, quarter, 0.5 if again else QUARTER, back, plan, learn=not self.mistaken)
            yield from self.try_candidates(len(self.rects) - 1, forget, None if again else quarter, again)
            if self.found:
                return

    def in_one_quarter(self) -> bool:
        """Whether a second pass can find the target: it is not on a seam of its quarters, nor right beside
        one."""
        targets = [thing.region for thing in self.task.things if self.goal.fits(thing)]
        spans = [span for region in targets for span in ((region.x0, region.x1), (region.y0, region.y1))]
        return bool(spans) and not any(low < 0.5 + _SEAM and high > 0.5 - _SEAM for low, high in spans)

    def first_side(self, candidate: sight.Seen, again: bool) -> float:
        """Side of the first look at a candidate; in a second pass larger dots get another, which cuts off
        nothing beside."""
        side = first_box(candidate.share)
        if not again or side == LEAST_BOX:
            return side
        return side + 0.1 if self.goal.ask == "beside" else LEAST_BOX

    def inspect(self) -> Moves:
        """Look ever closer at what is in the middle until it is told or ruled out; answer if it is the
        target."""
        beside = self.goal.ask == "beside"
        widened = False
        while True:
            frame, seen = len(self.rects) - 1, self.see()
            thing = sight.central(seen, self.goal.colour)
            self.verdict = self.reading(seen)
            if thing is None or self.ruled_out(thing):
                return
            if not self.legible(thing):
                side = closer_box(thing.share, FILL_BESIDE if beside else FILL)
                yield self.zoom(frame, thing.spot, side, "closer")
                continue
            answer = self.answer(seen, thing)
            near = self.too_near(frame, thing) if beside and answer is not None and not widened else None
            if near is not None:
                yield self.zoom(frame, thing.spot, near, "closer", learn=False)
                continue
            if answer is not None:
                self.found = True
                yield Move(Answer(answer, self.thought(f"answer {answer}")))
                return
            if widened:
                return
            widened = True  # what stands beside it is cut off: the same place again, in a larger box
            source, spot, side = self.last
            yield self.zoom(source, spot, side + _BACK, "cut off", "back")

    def reading(self, seen: list[sight.Seen]) -> str:
        """What the view shows of the candidate in its middle, as far as the goal needs it, and whether it is
        ruled out."""
        goal, thing = self.goal, sight.central(seen, self.goal.colour)
        other = self.aimed_at(seen)
        if thing is None and other is not None:
            return f"{other.thing.colour}{f' {other.thing.shape}' if other.shape_shows else ''} not it"
        if thing is None or not thing.shape_shows:
            return sight.describe(seen, goal.colour).rstrip(".")
        words = f"{thing.thing.colour} {thing.thing.shape}"
        if self.needs_digit and thing.digit_shows and not (self.ruled_out(thing) and goal.digit is None):
            words += f" {thing.thing.digit}"
        if self.ruled_out(thing):
            return f"{words} not it"
        if self.legible(thing) and goal.ask != "beside":
            return words
        other = sight.neighbour(seen, thing) if goal.ask == "beside" and self.legible(thing) else None
        return f"{words} at {sight.spot_words(thing.spot)}{sight.beside(other)}"

    def aimed_at(self, seen: list[sight.Seen]) -> sight.Seen | None:
        """What stands right in the middle, whatever its colour."""
        thing = sight.central(seen, None)
        return thing if thing and max(abs(thing.x - 0.5), abs(thing.y - 0.5)) < 0.2 else None

    def ruled_out(self, seen: sight.Seen) -> bool:
        goal, thing = self.goal, seen.thing
        wrong_shape = seen.shape_shows and goal.shape not in (None, thing.shape)
        return wrong_shape or (seen.digit_shows and goal.digit not in (None, thing.digit))

    @property
    def needs_digit(self) -> bool:
        return self.goal.digit is not None or self.goal.ask == "digit"

    def legible(self, seen: sight.Seen) -> bool:
        return seen.digit_shows if self.needs_digit else seen.shape_shows

    def answer(self, seen: list[sight.Seen], thing: sight.Seen) -> str | None:
        if self.goal.ask != "beside":
            return str(getattr(thing.thing, self.goal.ask))
        other = sight.neighbour(seen, thing)
        return other.thing.shape if other else None

    def see(self, frame: int = -1) -> list[sight.Seen]:
        return sight.look(self.task.things, self.size, self.rects[frame])

    def zoom(
        self, frame: int, spot: tuple[float, float], side: float, *plan: str, learn: bool = True
    ) -> Move:
        """The move of zooming into a square around `spot` of `frame`, as `plan` says."""
        thought = self.thought(*plan)
        box = Region.around(*spot, side, side, frame)
        x0, y0, x1, y1 = (round(value, 2) for value in box.xyxy)
        region = Region(x0, y0, x1, y1, frame)
        self.rects.append(region.to_rect(self.rects[frame]))
        self.verdict, self.last = "", (frame, spot, side)
        return Move(Zoom(region, thought), learn)

    def miss(self, frame: int, candidate: sight.Seen) -> tuple[float, float] | None:
        """A place near a candidate where nothing of its colour shows until one looks wider; None if there is
        none."""
        x, y = candidate.spot
        off = FIRST_BOX / 2 + 0.05
        places = []
        for place in ((x - off, y), (x + off, y), (x, y - off), (x, y + off)):
            place = sight.snap(place[0]), sight.snap(place[1])
            if min(place) < 0 or max(place) > 1:
                continue
            box = Region.around(*place, FIRST_BOX, FIRST_BOX, frame).to_rect(self.rects[frame])
            wider = Region.around(*place, _WIDER, _WIDER, frame).to_rect(self.rects[frame])
            shown = sight.look(self.task.things, self.size, box)
            nothing = not sight.of_colour(shown, self.goal.colour) and self.aimed_at(shown) is None
            then = sight.central(sight.look(self.task.things, self.size, wider), self.goal.colour)
            if nothing and then and then.thing is candidate.thing:
                places.append(place)
        return places[self.rng.integers(len(places))] if places else None

    def too_near(self, frame: int, thing: sight.Seen) -> float | None:
        """Side of a look that cuts off what stands beside the target, though a wider one shows it; None most
        of the time."""
        if (
            self.pattern != "self_correction"
            or not self.goal.fits(thing.thing)
            or self.rng.random() > _TOO_NEAR
        ):
            return None
        for side in (0.4, 0.3, 0.2):
            shows = []
            for wide in (side, side + _BACK):
                box = Region.around(*thing.spot, wide, wide, frame).to_rect(self.rects[frame])
                shown = sight.look(self.task.things, self.size, box)
                central = sight.central(shown, self.goal.colour)
                whole = central is not None and central.thing is thing.thing and central.shape_shows
                shows.append((whole, bool(whole and central and sight.neighbour(shown, central))))
            if shows == [(True, False), (True, True)]:
                return side
        return None

    def decoy(self, shown: Sequence[sight.Seen]) -> sight.Seen | None:
        """A thing of another colour, taken for a candidate by mistake; None if there is none, and some of the
        time."""
        others = [s for s in shown if self.goal.colour not in (None, s.thing.colour)]
        return others[self.rng.integers(len(others))] if others and self.rng.random() < 0.7 else None

    def thought(self, *plan: str) -> str:
        """The goal, what the last look showed, what to do next: always in this order."""
        return "; ".join(part for part in (f"Find {self.goal_words}", self.verdict, *plan) if part)


def own(spot: tuple[float, float], quarter: tuple[float, float]) -> bool:
    """Whether a spot of the quarter with that centre is its own to try, and not one that the next quarter
    shows as well."""
    return all(
        value >= _EDGE if centre > 0.5 else value <= 1 - _EDGE
        for value, centre in zip(spot, quarter, strict=True)
    )

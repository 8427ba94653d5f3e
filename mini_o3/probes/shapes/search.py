"""A scripted search of a probe, move by move, by the rules of one who does not know where anything is.

It says what can be seen in the views it was shown, tries candidates from left to right and never by which is
right, and answers only when the evidence is legible in the last view. Nothing has to be remembered from one
quarter to the next: each has a part of its own, and only what lies there is tried. Every thought restates the
goal, says what the last look showed and then what to do next: with the goal's words right before what is to
be compared with them, a small model learns to compare.

A search follows one of four patterns:

- `trial_and_error`: list the candidates that show in the overview, look at one after the other;
- `depth_first`: descend into a quarter, try what shows there, come back to the original, and so on;
- `self_correction`: some looks miss their aim, cut off what stands beside it, or go to a thing of another
  colour; it notices, says so and looks wider or goes on;
- `second_look`: the first list of candidates lacks the right one; it runs out, and goes through the quarters.

Now and then a pass through the quarters overlooks the target as well, and a second one follows. It says that
the target is not there only after it has been through all quarters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mini_o3.episode import SearchTask
from mini_o3.episode.status import NOT_THERE
from mini_o3.probes.searcher import Move
from mini_o3.probes.shapes import eye
from mini_o3.probes.shapes.levels import (
    FILL,
    FILL_BESIDE,
    FIRST_BOX,
    LEAST_BOX,
    QUARTER,
    closer_box,
    first_box,
)
from mini_o3.probes.shapes.mistakes import BACK, WIDER, Mistakes
from mini_o3.probes.shapes.questions import restate
from mini_o3.probes.shapes.truth import truth_of
from mini_o3.protocol import Answer, Zoom
from mini_o3.vision import Rect, Region

PATTERNS = ("trial_and_error", "depth_first", "self_correction", "second_look")
_OVERLOOKS = 0.3  # share of the searches by quarters that need a second pass, of those that can have one
_QUARTERS = ((0.3, 0.3), (0.7, 0.3), (0.3, 0.7), (0.7, 0.7))  # centres
# Those of a second pass, of quarters that share nothing.
_AGAIN = ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75))
_SEAM = 0.02  # share of the picture
_EDGE = 0.15  # of a quarter: what lies nearer than this to a side that it shares is another quarter's


class ShapesSearcher:
    """The moves of one episode. `rects` mirrors the session's list: what each frame covers of the
    original."""

    def __init__(
        self,
        task: SearchTask,
        size: tuple[int, int],
        pattern: str,
        rng: np.random.Generator,
        first: Sequence[Rect] = (),
    ) -> None:
        """`first` are the pictures that the search begins with, if they are several on a canvas of `size`."""
        truth = truth_of(task)
        self.goal, self.things, self.absent = truth.goal, truth.things, bool(truth.absent)
        self.size, self.pattern, self.rng = size, pattern, rng
        self.goal_words = restate(truth.goal)
        self.mistakes = Mistakes(truth, size, rng)
        self.rects = list(first) or [Rect(0, 0, *size)]
        self.pictures = len(self.rects)
        self.found = False
        self.verdict = ""  # what the last look showed
        self.mistaken = False  # the last view showed the target, and `verdict` says nothing of it
        self.last = (0, (0.5, 0.5), 1.0)  # frame, centre and side of the last look

    def moves(self) -> Iterator[Move]:
        """All moves up to the answer; ends without one if the target is there and cannot be seen from
        anywhere it looked."""
        if self.pictures > 1:
            yield from self.through_pictures()
            return
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
        if not self.found and self.absent:
            self.verdict = f"{self.verdict}; not seen"
            yield Move(Answer(NOT_THERE, self.thought(f"answer {NOT_THERE}")))

    def through_pictures(self) -> Iterator[Move]:
        """Picture by picture: first what shows in the first views, unless the pattern goes deep at once, then
        the quarters of each."""
        looks: list[Callable[[int], Iterator[Move]]]
        looks = [self.descend] if self.pattern == "depth_first" else [self.try_candidates, self.descend]
        for look in looks:
            for frame in range(self.pictures):
                yield from look(frame)
                if self.found:
                    return
                self.verdict = f"{self.verdict}; not seen"
        if self.absent:
            yield Move(Answer(NOT_THERE, self.thought(f"answer {NOT_THERE}")))

    def named(self, frame: int) -> str:
        """What thoughts call a frame."""
        if self.pictures > 1 and frame < self.pictures:
            return f"image {frame + 1}"
        return f"observation {frame - self.pictures + 1}"

    def try_candidates(
        self,
        frame: int,
        forget: bool = False,
        quarter: tuple[float, float] | None = None,
        again: bool = False,
    ) -> Iterator[Move]:
        """Look at everything in `frame` that could be it, from left to right; if it is a `quarter`, in the
        part of its own.

        `forget`: the target is overlooked. `again`: in a second pass, see `first_side`.
        """
        shown = eye.apart(
            [s for s in self.see(frame) if not (forget and self.goal.fits(s.thing))], self.goal.colour
        )
        lacking = forget and any(self.goal.fits(s.thing) for s in self.see(frame))
        elsewhere = [s.thing for s in shown if quarter and not own(s.spot, quarter)]
        listed = [s for s in eye.of_colour(shown, self.goal.colour) if s.thing not in elsewhere]
        decoy = self.mistakes.decoy(shown) if self.pattern == "self_correction" and listed else None
        if decoy is not None:
            listed = [s for s in shown if s in listed or s is decoy]
        spots = eye.survey(shown, self.goal.colour, decoy, but=elsewhere)
        for index, candidate in enumerate(listed):
            spot = candidate.spot
            back = f"back to {self.named(frame)}" if frame or self.pictures > 1 else ""
            plan = [spots, "look at"] if index == 0 else [back, "next at"]
            erring = self.pattern == "self_correction" and candidate is not decoy
            miss = (
                self.mistakes.miss(self.rects[frame], candidate)
                if erring and self.rng.random() < 0.35
                else None
            )
            if miss is not None:
                yield self.zoom(
                    frame, miss, FIRST_BOX, *plan[:-1], f"{plan[-1]} {eye.spot_words(miss)}", learn=False
                )
                self.verdict = self.reading(self.see())
                yield self.zoom(frame, miss, WIDER, "missed", "wider")
            else:
                learn = not ((lacking or decoy is not None) and index == 0)  # the list is wrong
                side = self.first_side(candidate, again)
                yield self.zoom(
                    frame, spot, side, *plan[:-1], f"{plan[-1]} {eye.spot_words(spot)}", learn=learn
                )
            yield from self.inspect()
            if self.found:
                return
        self.mistaken = lacking and not listed
        if not listed:
            self.verdict = eye.point(eye.of_colour(shown, self.goal.colour), self.goal.colour).rstrip(".")

    def descend(self, frame: int = 0, forget: bool = False, again: bool = False) -> Iterator[Move]:
        """Quarter by quarter: go in, try what shows there, come back. Each has a number, so that none is lost
        or had twice.

        `again`: smaller quarters, whatever lies in them, so that nothing looks as it did in the first pass.
        """
        for index, quarter in enumerate(_AGAIN if again else _QUARTERS):
            plan = f"{'next' if index else 'look at'} quarter {index + 1}{' again' if again else ''}"
            back = "back" if index else ""
            yield self.zoom(frame, quarter, 0.5 if again else QUARTER, back, plan, learn=not self.mistaken)
            yield from self.try_candidates(len(self.rects) - 1, forget, None if again else quarter, again)
            if self.found:
                return

    def in_one_quarter(self) -> bool:
        """Whether a second pass can find the target: it is not on a seam of its quarters, nor right beside
        one."""
        targets = [thing.region for thing in self.things if self.goal.fits(thing)]
        spans = [span for region in targets for span in ((region.x0, region.x1), (region.y0, region.y1))]
        return bool(spans) and not any(low < 0.5 + _SEAM and high > 0.5 - _SEAM for low, high in spans)

    def first_side(self, candidate: eye.Seen, again: bool) -> float:
        """Side of the first look at a candidate; in a second pass larger dots get another, which cuts off
        nothing beside."""
        side = first_box(candidate.share)
        if not again or side == LEAST_BOX:
            return side
        return side + 0.1 if self.goal.ask == "beside" else LEAST_BOX

    def inspect(self) -> Iterator[Move]:
        """Look ever closer at what is in the middle until it is told or ruled out; answer if it is the
        target."""
        beside = self.goal.ask == "beside"
        widened = False
        while True:
            frame, seen = len(self.rects) - 1, self.see()
            thing = eye.central(seen, self.goal.colour)
            self.verdict = self.reading(seen)
            if thing is None or self.ruled_out(thing):
                return
            if not self.legible(thing):
                side = closer_box(thing.share, FILL_BESIDE if beside else FILL)
                yield self.zoom(frame, thing.spot, side, "closer")
                continue
            answer = self.answer(seen, thing)
            erring = self.pattern == "self_correction" and beside and answer is not None and not widened
            near = (
                self.mistakes.too_near(self.rects[frame], thing)
                if erring and self.goal.fits(thing.thing)
                else None
            )
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
            yield self.zoom(source, spot, side + BACK, "cut off", "back")

    def reading(self, seen: list[eye.Seen]) -> str:
        """What the view shows of the candidate in its middle, as far as the goal needs it, and whether it is
        ruled out."""
        goal, thing = self.goal, eye.central(seen, self.goal.colour)
        other = eye.aimed_at(seen)
        if thing is None and other is not None:
            return f"{other.thing.colour}{f' {other.thing.shape}' if other.shape_shows else ''} not it"
        if thing is None or not thing.shape_shows:
            return eye.describe(seen, goal.colour).rstrip(".")
        words = f"{thing.thing.colour} {thing.thing.shape}"
        if self.needs_digit and thing.digit_shows and not (self.ruled_out(thing) and goal.digit is None):
            words += f" {thing.thing.digit}"
        if self.ruled_out(thing):
            return f"{words} not it"
        if self.legible(thing) and goal.ask != "beside":
            return words
        other = eye.neighbour(seen, thing) if goal.ask == "beside" and self.legible(thing) else None
        return f"{words} at {eye.spot_words(thing.spot)}{eye.beside(other)}"

    def ruled_out(self, seen: eye.Seen) -> bool:
        goal, thing = self.goal, seen.thing
        wrong_shape = seen.shape_shows and goal.shape not in (None, thing.shape)
        return wrong_shape or (seen.digit_shows and goal.digit not in (None, thing.digit))

    @property
    def needs_digit(self) -> bool:
        return self.goal.digit is not None or self.goal.ask == "digit"

    def legible(self, seen: eye.Seen) -> bool:
        return seen.digit_shows if self.needs_digit else seen.shape_shows

    def answer(self, seen: list[eye.Seen], thing: eye.Seen) -> str | None:
        if self.goal.ask != "beside":
            return str(getattr(thing.thing, self.goal.ask))
        other = eye.neighbour(seen, thing)
        return other.thing.shape if other else None

    def see(self, frame: int = -1) -> list[eye.Seen]:
        return eye.look(self.things, self.size, self.rects[frame])

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

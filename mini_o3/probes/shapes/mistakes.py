"""The deliberate mistakes of the searcher: a look that misses, one too near, a thing of another colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mini_o3.probes.shapes import eye
from mini_o3.probes.shapes.levels import FIRST_BOX
from mini_o3.probes.shapes.truth import Truth
from mini_o3.vision import Rect, Region

BACK = 0.2  # by so much wider is the look after one that cut off what stands beside the target
WIDER = 0.6  # side of the second look after a miss, around the same place
_TOO_NEAR = 0.8  # share of targets with something beside them that are first looked at too closely
_DECOYS = 0.7  # share of lists with a thing of another colour in them, of those that can have one


class Mistakes:
    """Mistakes in one picture of `size` pixels, drawn from `rng`; they come from what shows in its views."""

    def __init__(self, truth: Truth, size: tuple[int, int], rng: np.random.Generator) -> None:
        self.goal, self.things, self.size, self.rng = truth.goal, truth.things, size, rng

    def miss(self, rect: Rect, candidate: eye.Seen) -> tuple[float, float] | None:
        """A place in the view of `rect` near a candidate, where nothing of its colour shows until one looks
        wider; None if there is none."""
        x, y = candidate.spot
        off = FIRST_BOX / 2 + 0.05
        places = []
        for place in ((x - off, y), (x + off, y), (x, y - off), (x, y + off)):
            place = eye.snap(place[0]), eye.snap(place[1])
            if min(place) < 0 or max(place) > 1:
                continue
            shown = self._look(rect, place, FIRST_BOX)
            nothing = not eye.of_colour(shown, self.goal.colour) and eye.aimed_at(shown) is None
            then = eye.central(self._look(rect, place, WIDER), self.goal.colour)
            if nothing and then and then.thing is candidate.thing:
                places.append(place)
        return places[self.rng.integers(len(places))] if places else None

    def too_near(self, rect: Rect, target: eye.Seen) -> float | None:
        """Side of a look that cuts off what stands beside the target, though a wider one shows it; None most
        of the time."""
        if self.rng.random() > _TOO_NEAR:
            return None
        for side in (0.4, 0.3, 0.2):
            shows = []
            for wide in (side, side + BACK):
                shown = self._look(rect, target.spot, wide)
                central = eye.central(shown, self.goal.colour)
                whole = central is not None and central.thing is target.thing and central.shape_shows
                shows.append((whole, bool(whole and central and eye.neighbour(shown, central))))
            if shows == [(True, False), (True, True)]:
                return side
        return None

    def decoy(self, shown: Sequence[eye.Seen]) -> eye.Seen | None:
        """A thing of another colour, taken for a candidate; None if there is none, and some of the time."""
        others = [s for s in shown if self.goal.colour not in (None, s.thing.colour)]
        return others[self.rng.integers(len(others))] if others and self.rng.random() < _DECOYS else None

    def _look(self, rect: Rect, spot: tuple[float, float], side: float) -> list[eye.Seen]:
        return eye.look(self.things, self.size, Region.around(*spot, side, side).to_rect(rect))

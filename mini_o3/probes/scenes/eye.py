"""An ideal eye: what of a scene shows in a view and what can be read in it, from sizes alone.

It never tires and never errs; what it cannot read, nobody can. Boxes are pixels of the upright original.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mini_o3.probes.scenes.levels import SEE_DOT, view_scale
from mini_o3.probes.scenes.truth import Part
from mini_o3.vision import PixelBudget, Rect


class Eye:
    """One scene seen through views of at most `budget`."""

    def __init__(self, parts: Sequence[Part], budget: PixelBudget) -> None:
        self.budget = budget
        self.boxes = np.array([part.rect for part in parts], np.float64).reshape(-1, 4)
        self.needs = np.array([part.needs for part in parts])
        self.sides = np.sqrt((self.boxes[:, 2] - self.boxes[:, 0]) * (self.boxes[:, 3] - self.boxes[:, 1]))

    def shows(self, rect: Rect) -> np.ndarray:
        """Which parts are wholly inside the view of `rect` and more than specks there: (N,) bool."""
        return self._inside(rect) & (self.sides * view_scale(rect, self.budget) >= SEE_DOT)

    def reads(self, rect: Rect) -> np.ndarray:
        """Which parts can be read in the view of `rect`: (N,) bool."""
        return self._inside(rect) & (self.needs <= view_scale(rect, self.budget))

    def _inside(self, rect: Rect) -> np.ndarray:
        left, top, right, bottom = self.boxes.T
        return (left >= rect.left) & (top >= rect.top) & (right <= rect.right) & (bottom <= rect.bottom)


def least_zooms(eye: Eye, size: tuple[int, int], hops: Sequence[Sequence[int]]) -> int:
    """Zooms for one who knows where the parts of all `hops` are: none, one for all of them, or one for each
    hop."""
    whole = Rect(0, 0, *size)
    everything = [part for hop in hops for part in hop]
    if eye.reads(whole)[everything].all():
        return 0
    if eye.reads(around(eye, everything, size)).take(everything).all():
        return 1
    return sum(not eye.reads(whole)[list(hop)].all() for hop in hops)


def around(eye: Eye, parts: Sequence[int], size: tuple[int, int], margin: float = 4.0) -> Rect:
    """The smallest box around parts, with a margin in pixels, inside the picture."""
    boxes = eye.boxes[list(parts)]
    left, top = boxes[:, :2].min(0) - margin
    right, bottom = boxes[:, 2:].max(0) + margin
    return Rect(max(int(left), 0), max(int(top), 0), min(int(right), size[0]), min(int(bottom), size[1]))

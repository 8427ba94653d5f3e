"""The one form of a picture with its boxes; readers of other formats give this."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mini_o3.kit.errors import UserError

Array = np.ndarray


@dataclass(frozen=True)
class GroundingSample:
    """A picture and what is in it.

    Attributes:
        id: of the picture, unique in its set.
        path: the file.
        size: width and height in pixels.
        boxes: (N, 4) xyxy in pixels.
        labels: (N,) indices into the names of the set.
        crowd: (N,) whether a box holds many things: it is neither taught nor counted as missed.
        hidden: (N,) share of a thing that others cover, 0..1; 0 where nobody knows.
    """

    id: int
    path: Path
    size: tuple[int, int]
    boxes: Array
    labels: Array
    crowd: Array
    hidden: Array


@dataclass(frozen=True)
class GroundingSet:
    """Pictures with boxes of some categories, and what its reader left out and why."""

    names: list[str]
    samples: list[GroundingSample]
    notes: list[str] = field(default_factory=list)

    def split(self, share: float, seed: int = 42) -> tuple[GroundingSet, GroundingSet]:
        """Two parts that share no picture; the id of a picture and the seed decide in which it is."""
        chosen = [_draw(sample.id, seed) < share for sample in self.samples]
        one, other = (
            [s for s, c in zip(self.samples, chosen, strict=True) if c is wanted] for wanted in (True, False)
        )
        return GroundingSet(self.names, one, self.notes), GroundingSet(self.names, other)


def _draw(number: int, seed: int) -> float:
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:8], "big") / 2**64


def check_box(box: object, size: tuple[int, int], where: str) -> tuple[float, float, float, float]:
    """A box xyxy in pixels that lies in its picture; one that sticks out by up to a pixel is cut.

    Raises:
        UserError: it has no area, reaches outside, or is no four finite numbers. `where` begins the message.
    """
    if not (isinstance(box, (list, tuple)) and len(box) == 4) or not all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and np.isfinite(v) for v in box
    ):
        raise UserError(f"{where}: the box {box!r} is not four finite numbers; mend or remove it")
    x0, y0, x1, y1 = (float(v) for v in box)
    if x1 <= x0 or y1 <= y0:
        raise UserError(f"{where}: the box has no area; remove it")
    width, height = size
    if x0 < -1 or y0 < -1 or x1 > width + 1 or y1 > height + 1:
        raise UserError(
            f"{where}: the box {x0:g}, {y0:g}, {x1:g}, {y1:g} reaches outside its {width} x {height} picture;"
            " mend or remove it"
        )
    cut = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
    if cut[2] <= cut[0] or cut[3] <= cut[1]:
        raise UserError(f"{where}: the box lies outside its {width} x {height} picture; remove it")
    return cut

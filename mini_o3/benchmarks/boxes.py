"""Boxes of benchmarks, in pixels or as fractions, become regions of the upright original."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from mini_o3.benchmarks.options import literal
from mini_o3.benchmarks.pictures import Header
from mini_o3.benchmarks.rows import BadRow
from mini_o3.vision import Region

Box = tuple[float, float, float, float]
_SLACK = 0.01  # share of a side by which a box may reach over the edge: annotators round


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes of one picture as x0, y0, x1, y1, y pointing down.

    Attributes:
        shares: they are fractions of the sides; else pixels.
        frame: (width, height) of the picture they were drawn in, if the data set says; pictures with an EXIF
            quarter turn may have been annotated as stored.
        clip: what reaches outside is cut off; else only a hair of it is.
    """

    values: tuple[Box, ...] = ()
    shares: bool = False
    frame: tuple[int, int] | None = None
    clip: bool = False

    def regions(self, header: Header) -> tuple[Region, ...]:
        """The boxes as regions of the upright picture.

        Raises:
            BadRow: a box is empty, not finite or outside, or the boxes are of a picture of another size.
        """
        width, height = self.frame or header.size
        turn = 1
        if self.frame and self.frame != header.size:
            if self.frame != header.stored:
                raise BadRow(
                    f"its boxes are of a picture of {width} x {height}, its picture has {_size(header.size)}"
                )
            turn = header.turn
        scale = (1.0, 1.0) if self.shares else (float(width), float(height))
        return tuple(Region(*_turned(self._checked(box, scale), turn), frame=0) for box in self.values)

    def _checked(self, box: Box, scale: tuple[float, float]) -> Box:
        if not all(math.isfinite(value) for value in box):
            raise BadRow(f"box {_text(box)} is not finite")
        x0, y0, x1, y1 = box[0] / scale[0], box[1] / scale[1], box[2] / scale[0], box[3] / scale[1]
        if not (x0 < x1 and y0 < y1):
            raise BadRow(f"box {_text(box)} is empty")
        inside = (
            min(max(x0, 0.0), 1.0),
            min(max(y0, 0.0), 1.0),
            min(max(x1, 0.0), 1.0),
            min(max(y1, 0.0), 1.0),
        )
        over = max(abs(a - b) for a, b in zip(inside, (x0, y0, x1, y1), strict=True))
        if not (inside[0] < inside[2] and inside[1] < inside[3]) or (over > _SLACK and not self.clip):
            raise BadRow(f"box {_text(box)} reaches outside the picture")
        return inside


NO_BOXES = Boxes()


def xywh(values: Any) -> tuple[Box, ...]:
    """Boxes written as left, top, width, height.

    Raises:
        BadRow: they are not four numbers each.
    """
    return tuple((x, y, x + width, y + height) for x, y, width, height in xyxy(values))


def xyxy(values: Any) -> tuple[Box, ...]:
    """Boxes written as left, top, right, bottom: one, a list of them, or either of these in a string.

    Raises:
        BadRow: they are not four numbers each.
    """
    if isinstance(values, str):
        values = literal(values)
    if values is None:
        return ()
    if (
        isinstance(values, (list, tuple))
        and len(values) == 4
        and not any(isinstance(v, (list, tuple)) for v in values)
    ):
        values = [values]
    if not isinstance(values, (list, tuple)):
        raise BadRow(f"its boxes are {type(values).__name__}, not a list")
    return tuple(_numbers(box) for box in values)


def _numbers(box: Any) -> Box:
    try:
        x0, y0, x1, y1 = (float(value) for value in box)
    except (TypeError, ValueError, OverflowError):
        raise BadRow(f"a box is {str(box)[:60]!r}, not four numbers") from None
    return x0, y0, x1, y1


def _turned(box: Box, turn: int) -> Box:
    """A box of the stored picture in the upright one; `turn` is the EXIF orientation, 1 for none."""
    corners = [_point(turn, box[0], box[1]), _point(turn, box[2], box[3])]
    (xa, ya), (xb, yb) = corners
    return min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb)


def _point(turn: int, x: float, y: float) -> tuple[float, float]:
    return {
        2: (1 - x, y),
        3: (1 - x, 1 - y),
        4: (x, 1 - y),
        5: (y, x),
        6: (1 - y, x),
        7: (1 - y, 1 - x),
        8: (y, 1 - x),
    }.get(turn, (x, y))


def _text(box: Box) -> str:
    return "[" + ", ".join(f"{value:g}" for value in box) + "]"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"

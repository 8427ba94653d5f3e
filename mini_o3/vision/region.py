"""Boxes. Inside the program a box is normalised, half-open xyxy; at the edges it becomes whole pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple


class Rect(NamedTuple):
    """A box in whole pixels of the upright original: left and top are inside it, right and bottom outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Region:
    """A box as fractions of its frame: 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1, y pointing down.

    `frame` is what the fractions are of: 0 is the original picture, i >= 1 is observation i of the episode.

    Raises:
        ValueError: for a box that is empty, reaches outside its frame or holds a number that is not finite.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    frame: int = 0

    def __post_init__(self) -> None:
        # Written so that NaN fails too: every comparison with NaN is false.
        if not (0.0 <= self.x0 < self.x1 <= 1.0 and 0.0 <= self.y0 < self.y1 <= 1.0):
            raise ValueError(f"expected 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1, got {self.xyxy}")
        if self.frame < 0:
            raise ValueError(f"expected a frame of 0 or more, got {self.frame}")

    @classmethod
    def of_rect(cls, rect: Rect, size: tuple[int, int]) -> Region:
        """The region of the original picture of `size` (width, height) that covers exactly `rect`."""
        width, height = size
        return cls(rect.left / width, rect.top / height, rect.right / width, rect.bottom / height)

    @classmethod
    def around(cls, cx: float, cy: float, width: float, height: float, frame: int = 0) -> Region:
        """A box of `width` x `height` centred at (cx, cy), moved if it would reach outside its frame."""
        width, height = min(width, 1.0), min(height, 1.0)
        x0 = min(max(cx - width / 2, 0.0), 1.0 - width)
        y0 = min(max(cy - height / 2, 0.0), 1.0 - height)
        return cls(x0, y0, min(x0 + width, 1.0), min(y0 + height, 1.0), frame)

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        return (self.x0, self.y0, self.x1, self.y1)

    @property
    def centre(self) -> tuple[float, float]:
        return ((self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2)

    @property
    def area(self) -> float:
        """Share of the frame that is covered, 0..1."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    def to_rect(self, frame_rect: Rect) -> Rect:
        """Whole pixels of the original covered by this region, given the original pixels its frame covers.

        Every pixel that the region touches is included, so the result is never empty and never leaves
        `frame_rect`, and the region 0,0,1,1 is the whole frame. (The released code truncates and clips to
        width - 1, which loses the last row and column; `reference`: Mini-o3 `function_tools.py`.)
        """
        width, height = frame_rect.width, frame_rect.height
        left = min(_floor(self.x0 * width), width - 1)
        top = min(_floor(self.y0 * height), height - 1)
        right = max(min(_ceil(self.x1 * width), width), left + 1)
        bottom = max(min(_ceil(self.y1 * height), height), top + 1)
        return Rect(
            frame_rect.left + left, frame_rect.top + top, frame_rect.left + right, frame_rect.top + bottom
        )

    def overlap(self, other: Region) -> float:
        """Share of `other` that lies inside this region, 0..1; both must be in the same frame."""
        if self.frame != other.frame:
            raise ValueError(f"regions of different frames: {self.frame} and {other.frame}")
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return (max(width, 0.0) / (other.x1 - other.x0)) * (max(height, 0.0) / (other.y1 - other.y0))


# A rounding error must not add or drop a pixel: 0.1 * 3 * 10 is 3.0000000000000004.
_HAIR = 1e-6


def _floor(value: float) -> int:
    return math.floor(value + _HAIR)


def _ceil(value: float) -> int:
    return math.ceil(value - _HAIR)

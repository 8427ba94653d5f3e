"""What has been read so far: every line once, where it stands in the original, and on which colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mini_o3.policies.reader.ocr import Box, Line
from mini_o3.policies.reader.question import COLOURS
from mini_o3.vision import Rect

CLEAR = 0.8  # score from which on a line counts as read
_EDGE, _EDGE_LETTERS = 3.0, 0.35  # of a view: pixels, and heights of a line, within which it may be cut off
_SAME = 0.5  # share of the smaller of two boxes that they have in common if they are one line
_SHARE = 0.12  # of what surrounds a line, from which on a colour counts


@dataclass(frozen=True, slots=True)
class Reading:
    """One line of text.

    Attributes:
        box: in pixels of the upright original.
        letters: height of the line in pixels of the view it was read in.
        cut: whether the view may have cut it off.
        paper: colour that it stands on.
        around: colours of what surrounds it, the most frequent first.
    """

    text: str
    score: float
    box: Box
    letters: float
    cut: bool = False
    paper: str = ""
    around: tuple[str, ...] = ()

    @property
    def clear(self) -> bool:
        return self.score >= CLEAR and not self.cut

    @property
    def height(self) -> float:
        """Height of a letter, about: of the line, or of its shorter side if it is written downwards."""
        return min(self.box[3] - self.box[1], self.box[2] - self.box[0])

    @property
    def centre(self) -> tuple[float, float]:
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


class Seen:
    """The lines of all views; of a line that several views show the best reading is kept."""

    def __init__(self, size: tuple[int, int]) -> None:
        """`size` is (width, height) of the upright original in pixels."""
        self.size = size
        self.readings: list[Reading] = []

    def add(self, view: Image.Image, rect: Rect, lines: Sequence[Line]) -> list[Reading]:
        """Take in the lines of a view of `rect`; returns them as readings."""
        pixels = np.asarray(view.convert("RGB"))
        scale_x, scale_y = rect.width / view.width, rect.height / view.height
        new = []
        for line in lines:
            x0, y0, x1, y1 = line.box
            box = (
                rect.left + x0 * scale_x,
                rect.top + y0 * scale_y,
                rect.left + x1 * scale_x,
                rect.top + y1 * scale_y,
            )
            paper, around = _colours(pixels, line.box)
            letters = min(y1 - y0, x1 - x0)
            new.append(
                Reading(
                    line.text, line.score, box, letters, self._is_cut(view, rect, line.box), paper, around
                )
            )
        for reading in new:
            self._merge(reading)
        return new

    def _is_cut(self, view: Image.Image, rect: Rect, box: Box) -> bool:
        width, height = self.size
        edge = max(_EDGE, _EDGE_LETTERS * min(box[3] - box[1], box[2] - box[0]))
        return (
            (box[0] < edge and rect.left > 0)
            or (box[1] < _EDGE and rect.top > 0)
            or (box[2] > view.width - edge and rect.right < width)
            or (box[3] > view.height - _EDGE and rect.bottom < height)
        )

    def _merge(self, reading: Reading) -> None:
        same = [index for index, known in enumerate(self.readings) if _is_same(known.box, reading.box)]
        if any(_worth(self.readings[index]) > _worth(reading) for index in same):
            return
        for index in reversed(same):
            del self.readings[index]
        self.readings.append(reading)


def _worth(reading: Reading) -> tuple[bool, float, float]:
    """By which of two readings of one line the better is chosen: whole, sure, large."""
    return (not reading.cut, round(reading.score, 1), reading.letters)


def _is_same(one: Box, other: Box) -> bool:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return False
    return width * height > _SAME * min(_area(one), _area(other))


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _colours(pixels: np.ndarray, box: Box) -> tuple[str, tuple[str, ...]]:
    """The colour that a line stands on, and those around it; `box` in pixels of the view."""
    x0, y0, x1, y1 = (round(value) for value in box)
    height = max(min(y1 - y0, x1 - x0), 4)
    inside = _part(pixels, x0, y0, x1, y1, 0)
    if not len(inside):
        return "", ()
    names = names_of(inside)
    paper = COLOURS[int(np.bincount(names, minlength=len(COLOURS)).argmax())]
    ring = names_of(_part(pixels, x0, y0, x1, y1, round(height * 2.2)))
    counts = np.bincount(ring, minlength=len(COLOURS)) - np.bincount(names, minlength=len(COLOURS))
    counts = np.maximum(counts, 0)
    order = np.argsort(-counts, kind="stable")
    return paper, tuple(COLOURS[i] for i in order if counts[i] >= _SHARE * max(counts.sum(), 1))


def _part(pixels: np.ndarray, x0: int, y0: int, x1: int, y1: int, margin: int) -> np.ndarray:
    """Pixels of a box with a margin, (N, 3)."""
    part = pixels[max(y0 - margin, 0) : y1 + margin, max(x0 - margin, 0) : x1 + margin]
    return part.reshape(-1, 3)


def names_of(pixels: np.ndarray) -> np.ndarray:
    """Index in `COLOURS` of the name of each colour, (N,) of (N, 3) RGB bytes."""
    rgb = pixels.astype(np.float32) / 255
    high, low = rgb.max(1), rgb.min(1)
    spread = high - low
    strength = spread / np.maximum(high, 1e-6)
    red, green, blue = rgb.T
    safe = np.maximum(spread, 1e-6)
    hue = np.where(
        high == red,
        ((green - blue) / safe) % 6,
        np.where(high == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    hue = hue * 60
    index = {name: position for position, name in enumerate(COLOURS)}
    chosen = np.full(len(rgb), index["red"])
    for name, start, end in (
        ("orange", 15, 42),
        ("yellow", 42, 68),
        ("green", 68, 160),
        ("turquoise", 160, 192),
        ("blue", 192, 258),
        ("purple", 258, 305),
        ("pink", 305, 345),
    ):
        chosen[(hue >= start) & (hue < end)] = index[name]
    chosen[(hue >= 15) & (hue < 42) & (high < 0.62)] = index["brown"]
    chosen[((hue >= 345) | (hue < 15)) & (strength < 0.5) & (high > 0.75)] = index["pink"]
    chosen[((hue >= 345) | (hue < 15)) & (strength < 0.55) & (high < 0.45)] = index["brown"]
    pale = strength < 0.16
    chosen[pale & (high >= 0.78)] = index["white"]
    chosen[pale & (high < 0.78)] = index["grey"]
    chosen[(high < 0.25) | (pale & (high < 0.3))] = index["black"]
    return chosen

"""One picture, however large: its size, and views of its parts. How it is decoded does not show."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

from PIL import Image

from mini_o3.vision.budget import FILTER, PixelBudget, mark, show
from mini_o3.vision.draw import shrink
from mini_o3.vision.picture import conversion_of
from mini_o3.vision.region import Rect


class Picture(ABC):
    """Upright 8-bit sRGB of some size. Rectangles are in pixels of its full resolution.

    Attributes:
        size: (width, height) in pixels.
        note: what was done to its colours, in words; empty if nothing worth a note.
    """

    size: tuple[int, int]
    note: str = ""

    @property
    def whole(self) -> Rect:
        return Rect(0, 0, *self.size)

    def view(self, rect: Rect, budget: PixelBudget) -> Image.Image:
        """What is shown of `rect`: native pixels, resized once to what `budget` allows. Nobody draws on it.

        Raises:
            UserError: the file is damaged there.
        """
        return mark(self.part(rect, budget.fit(rect.width, rect.height)), budget)

    def thumbnail(self, longest: int, rect: Rect | None = None) -> Image.Image:
        """`rect` (None: all of it) for a page: its longer side has at most `longest` pixels."""
        rect = rect or self.whole
        scale = min(longest / max(rect.width, rect.height), 1.0)
        return self.part(rect, (max(round(rect.width * scale), 1), max(round(rect.height * scale), 1)))

    @abstractmethod
    def part(self, rect: Rect, size: tuple[int, int]) -> Image.Image:
        """`rect` as RGB of `size` (width, height) pixels.

        Raises:
            UserError: the file is damaged there.
        """


class InMemory(Picture):
    """A picture that is decoded already."""

    def __init__(self, image: Image.Image, note: str = "") -> None:
        self.image, self.size, self.note = image, image.size, note

    def view(self, rect: Rect, budget: PixelBudget) -> Image.Image:
        return show(self.image, rect, budget)

    def thumbnail(self, longest: int, rect: Rect | None = None) -> Image.Image:
        return shrink(self.image if rect is None else self.image.crop(rect), longest)

    def part(self, rect: Rect, size: tuple[int, int]) -> Image.Image:
        crop = self.image.crop(rect)
        return crop if crop.size == size else crop.resize(size, FILTER, reducing_gap=3.0)


def held(picture: Picture | Image.Image) -> Picture:
    """A picture that a program holds already, upright and in sRGB if it is Pillow's."""
    return picture if isinstance(picture, Picture) else InMemory(picture, conversion_of(picture))


class Tiled(Picture):
    """A picture that lies on disk as tiles, at full resolution and at smaller ones.

    Attributes:
        levels: (width, height) of every resolution, the full one first.
        ENOUGH: pixels of a resolution per pixel of a view, across and down, from which it is taken.
    """

    ENOUGH: ClassVar[float] = 1.5

    def __init__(self, levels: list[tuple[int, int]]) -> None:
        self.levels, self.size = levels, levels[0]

    def part(self, rect: Rect, size: tuple[int, int]) -> Image.Image:
        """From the smallest resolution that has more pixels than are shown; from the full one exactly as from
        a picture in memory."""
        level = self._level(rect, size)
        across, down = (one / full for one, full in zip(self.levels[level], self.size, strict=True))
        box = rect.left * across, rect.top * down, rect.right * across, rect.bottom * down
        width, height = self.levels[level]
        left, top = min(math.floor(box[0]), width - 1), min(math.floor(box[1]), height - 1)
        outer = Rect(
            left,
            top,
            max(min(math.ceil(box[2]), width), left + 1),
            max(min(math.ceil(box[3]), height), top + 1),
        )
        part = self.read(level, outer)
        if level == 0 and part.size == size:
            return part
        inner = None
        if level:
            inner = (
                box[0] - left,
                box[1] - top,
                min(box[2] - left, outer.width),
                min(box[3] - top, outer.height),
            )
        return part.resize(size, FILTER, box=inner, reducing_gap=3.0)

    def _level(self, rect: Rect, size: tuple[int, int]) -> int:
        enough = 0
        for number, (width, height) in enumerate(self.levels):
            across, down = width / self.size[0], height / self.size[1]
            if min(rect.width * across / size[0], rect.height * down / size[1]) >= self.ENOUGH:
                enough = number
        return enough

    @abstractmethod
    def read(self, level: int, rect: Rect) -> Image.Image:
        """Exactly these pixels of one resolution as RGB.

        Raises:
            UserError: they are not there, or damaged.
        """

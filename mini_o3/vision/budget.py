"""How large a view is: the one place that decides sizes, and the one resampling filter."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from mini_o3.kit.errors import SettingError
from mini_o3.vision.region import Rect
from mini_o3.vision.released import released_size, released_view

_MARK_STEP = 14  # pixels from one mark to the next: one patch of Qwen2.5-VL
FILTER = Image.Resampling.BICUBIC


@dataclass(frozen=True, slots=True)
class PixelBudget:
    """Limits on a view, in pixels, and the multiple its sides must have.

    Defaults are the paper's: at most 2,000,000 and at least 40,000 pixels, sides in multiples of 28 (patch 14
    x merge 2 of Qwen2.5-VL). A picture inside the limits keeps its native size up to rounding; crops are
    never enlarged beyond what `min_pixels` asks for.

    Attributes:
        square: every view is a square of `max_pixels`, whatever the shape of the crop. Only nano uses it: a
            fixed grid of image tokens is easier to learn for a model of a few million parameters.
        marks: every patch gets a tiny mark in its corner whose colour tells where it is (red from left to
            right, green from top to bottom). Rotary vision towers see positions only relative to each other,
            and nano would need hours to learn where in a view something is. Only the view is marked, not the
            stored observation.
        released: sizes and resampling are those of the released Mini-o3 code (`vision.released`), for the
            weights that were trained with them.
    """

    max_pixels: int = 2_000_000
    min_pixels: int = 40_000
    multiple: int = 28
    square: bool = False
    marks: bool = False
    released: bool = False

    def __post_init__(self) -> None:
        if self.multiple < 1:
            raise ValueError(f"multiple must be 1 or more, got {self.multiple}")
        if self.max_pixels < self.multiple**2:
            raise ValueError(
                f"max_pixels must be at least {self.multiple**2} (one image token), got {self.max_pixels}"
            )
        if not 0 <= self.min_pixels <= self.max_pixels:
            raise ValueError(f"min_pixels must lie between 0 and max_pixels, got {self.min_pixels}")

    def limited(self, max_pixels: int) -> PixelBudget:
        """The same budget with no view larger than `max_pixels`; square views have exactly that size.

        Raises:
            SettingError: no view can be so small.
        """
        try:
            smallest = max_pixels if self.square else min(self.min_pixels, max_pixels)
            return replace(self, max_pixels=max_pixels, min_pixels=smallest)
        except ValueError as error:
            raise SettingError("max_pixels", str(error), max_pixels) from None

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """The (width, height) at which a picture or crop of `width` x `height` pixels is shown."""
        if self.square:
            side = max(math.isqrt(self.max_pixels) // self.multiple, 1) * self.multiple
            return side, side
        if self.released:
            return released_size(width, height, self.max_pixels, self.min_pixels, self.multiple)
        area, scale = width * height, 1.0
        if area > self.max_pixels:
            scale = math.sqrt(self.max_pixels / area)
        elif area < self.min_pixels:
            scale = math.sqrt(self.min_pixels / area)
        return self._round(width * scale, height * scale)

    def _round(self, width: float, height: float) -> tuple[int, int]:
        columns = max(round(width / self.multiple), 1)
        rows = max(round(height / self.multiple), 1)
        most = self.max_pixels // self.multiple**2
        while columns * rows > most:  # rounding up both sides can overshoot by one row or column
            if (columns / rows > width / height and columns > 1) or rows == 1:
                columns -= 1
            else:
                rows -= 1
        return columns * self.multiple, rows * self.multiple

    def tokens(self, width: int, height: int) -> int:
        """Image tokens of a view of `width` x `height` (already fitted) pixels."""
        return (width // self.multiple) * (height // self.multiple)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `released` only where it holds, since older records do not know it."""
        return {key: value for key, value in asdict(self).items() if key != "released" or value}


def show(picture: Image.Image, rect: Rect, budget: PixelBudget) -> Image.Image:
    """The view of `rect` of the upright original `picture`: native pixels, resized once to what `budget`
    allows.

    The view of a whole small picture is that picture itself: nobody draws on a view.
    """
    is_whole = tuple(rect) == (0, 0, *picture.size)
    view = picture if is_whole else picture.crop(rect)
    if budget.released:
        return released_view(view, is_whole, budget.max_pixels, budget.min_pixels, budget.multiple)
    size = budget.fit(rect.width, rect.height)
    if size != view.size:
        # reducing_gap averages whole blocks of pixels first: 5 times faster on 16 megapixels, and at 3.0 no
        # difference can be seen.
        view = view.resize(size, FILTER, reducing_gap=3.0)
    return mark(view.copy() if budget.marks and view is picture else view, budget)


def mark(view: Image.Image, budget: PixelBudget) -> Image.Image:
    """Draw on a view what the budget wants to stand on it, and return it."""
    if budget.marks:
        marks, where = _marks(view.size)
        view.paste(marks, mask=where)
    return view


@lru_cache(maxsize=8)
def _marks(size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """Colours of all marks, and the mask of their places: the first 2 x 2 pixels of every 14 x 14."""
    width, height = size
    across = np.linspace(0, 255, width // _MARK_STEP).round().repeat(_MARK_STEP)
    down = np.linspace(0, 255, height // _MARK_STEP).round().repeat(_MARK_STEP)
    colours = np.stack(
        [
            np.broadcast_to(across, (height, width)),
            np.broadcast_to(down[:, None], (height, width)),
            np.full((height, width), 128),
        ],
        axis=-1,
    ).astype(np.uint8)
    inside = (np.arange(height)[:, None] % _MARK_STEP < 2) & (np.arange(width) % _MARK_STEP < 2)
    return Image.fromarray(colours), Image.fromarray((inside * 255).astype(np.uint8))

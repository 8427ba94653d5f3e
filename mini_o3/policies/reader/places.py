"""Where to look next: windows over what looks as if something stood there and has not been read."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from mini_o3.policies.reader.ocr import Box
from mini_o3.vision import PixelBudget, Rect

_CELLS = 96  # along the longer side of the picture
_PLAIN, _BUSY = 2.0, 14.0  # mean contrast of a cell in grey levels: nothing there, surely something there
_SPOT = 1.5  # what a place that looks like text adds to its cells
_ASPECTS = (1.0, 1.5, 0.67, 2.2)  # width over height of windows, the better liked first
_SLACK = 0.93  # views are rounded to whole image tokens
_RIM = 0.03  # share of a window at its edges whose text may be cut off
_LEFT = 0.01  # share of all there was at first that is no longer worth a look


class Places:
    """A map of the picture, in cells, of how much there may be to read where nothing was read closely."""

    def __init__(self, size: tuple[int, int], budget: PixelBudget) -> None:
        self.size, self.budget = size, budget
        cell = max(size) / _CELLS
        self.shape = max(math.ceil(size[1] / cell), 1), max(math.ceil(size[0] / cell), 1)
        self.mass = np.zeros(self.shape)
        self.total = 0.0

    def begin(self, view: Image.Image, spots: Sequence[Box], sides: Sequence[str] = ()) -> None:
        """Fill the map from the view of the whole picture; `spots` look like text, pixels of the original."""
        rows, columns = self.shape
        grey = np.asarray(view.convert("L").resize((columns * 8, rows * 8), Image.Resampling.BOX), np.float64)
        steps = np.zeros_like(grey)
        steps[:, 1:] += np.abs(np.diff(grey, axis=1))
        steps[1:] += np.abs(np.diff(grey, axis=0))
        contrast = steps.reshape(rows, 8, columns, 8).mean((1, 3))
        self.mass = np.clip((contrast - _PLAIN) / (_BUSY - _PLAIN), 0, 1)
        for spot in spots:
            self._cells(spot)[...] += _SPOT
        for side, part in (
            ("top", np.s_[: rows // 3]),
            ("bottom", np.s_[-rows // 3 :]),
            ("left", np.s_[:, : columns // 2]),
            ("right", np.s_[:, -columns // 2 :]),
        ):
            if side in sides:
                self.mass[part] *= 2
        self.total = float(self.mass.sum())

    def only(self, spots: Sequence[Box]) -> None:
        """Forget everything but these places."""
        self.mass[...] = 0
        for spot in spots:
            self._cells(spot)[...] = 1
        self.total = float(self.mass.sum())

    @property
    def share(self) -> float:
        """Share of the picture where something may be."""
        return float((self.mass > 0).mean())

    def next(self, scale: float) -> Rect | None:
        """The window over most of what is left, shown at `scale` view pixels per pixel of the original; None
        if hardly anything is left."""
        best: tuple[float, Rect] | None = None
        sums = np.pad(self.mass.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        rows, columns = self.shape
        for aspect in _ASPECTS:
            area = self.budget.max_pixels * _SLACK / scale**2
            width = min(math.sqrt(area * aspect), self.size[0])
            height = min(area / width, self.size[1])
            across = max(min(int(width / self.size[0] * columns), columns), 1)
            down = max(min(int(height / self.size[1] * rows), rows), 1)
            held = (
                sums[down:, across:] - sums[:-down, across:] - sums[down:, :-across] + sums[:-down, :-across]
            )
            row, column = np.unravel_index(int(held.argmax()), held.shape)
            if best is None or held[row, column] > best[0] * 1.02:
                left = min(column / columns * self.size[0], self.size[0] - width)
                top = min(row / rows * self.size[1], self.size[1] - height)
                best = (
                    float(held[row, column]),
                    Rect(int(left), int(top), math.ceil(left + width), math.ceil(top + height)),
                )
        if best is None or best[0] <= max(_LEFT * self.total, 1e-9):
            return None
        rect = best[1]
        return Rect(rect.left, rect.top, min(rect.right, self.size[0]), min(rect.bottom, self.size[1]))

    def read(self, rect: Rect) -> None:
        """Nothing is left to read in `rect`, but for its rim."""
        x, y = rect.width * _RIM, rect.height * _RIM
        left = rect.left + x if rect.left > 0 else 0
        top = rect.top + y if rect.top > 0 else 0
        right = rect.right - x if rect.right < self.size[0] else self.size[0]
        bottom = rect.bottom - y if rect.bottom < self.size[1] else self.size[1]
        rows, columns = self.shape
        self.mass[
            round(top / self.size[1] * rows) : round(bottom / self.size[1] * rows),
            round(left / self.size[0] * columns) : round(right / self.size[0] * columns),
        ] = 0

    def _cells(self, box: Box) -> np.ndarray:
        rows, columns = self.shape
        x0, x1 = (int(value / self.size[0] * columns) for value in (box[0], box[2]))
        y0, y1 = (int(value / self.size[1] * rows) for value in (box[1], box[3]))
        return self.mass[max(y0, 0) : max(y1, y0) + 1, max(x0, 0) : max(x1, x0) + 1]

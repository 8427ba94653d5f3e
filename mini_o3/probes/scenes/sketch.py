"""A scene on paper: strokes are noted down while its parts and marks are laid out, and painted only if it is
wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from mini_o3.probes.scenes.draw import Canvas, Colour, text_width
from mini_o3.probes.scenes.levels import LEAST_ICON, LEAST_LETTER, LEVELS, SEE_ICON, SEE_TEXT
from mini_o3.probes.scenes.truth import Mark, Part, Scene
from mini_o3.vision import Rect

PAINTS: dict[str, Colour] = {  # of large things; named in questions
    "red": (196, 44, 44),
    "blue": (44, 84, 190),
    "green": (48, 140, 72),
    "yellow": (232, 200, 60),
    "orange": (228, 126, 36),
    "purple": (126, 66, 166),
    "pink": (236, 146, 186),
    "white": (236, 236, 230),
    "brown": (128, 86, 56),
    "grey": (136, 140, 146),
}
INKS: dict[str, Colour] = {  # of writing on white
    "red": (205, 20, 28),
    "blue": (22, 60, 200),
    "green": (0, 122, 50),
    "black": (16, 16, 18),
    "purple": (132, 30, 160),
    "orange": (232, 110, 0),
}
BLACK: Colour = (18, 18, 22)
WHITE: Colour = (248, 248, 244)
Stroke = tuple[str, tuple[Any, ...], dict[str, Any]]
_OVER = 3  # sprites are drawn this many times larger, then reduced


class Sketch:
    """A scene in the making. `unit` is the height of its capital letters in pixels; everything is measured in
    it."""

    def __init__(
        self, scene: Scene, unit: float, rng: np.random.Generator, photos: tuple[Path, ...] = ()
    ) -> None:
        self.scene, self.unit, self.rng = scene, max(unit, LEAST_LETTER), rng
        self.photos = photos
        self.width, self.height = scene.size
        self.rules = LEVELS[scene.level]
        self.strokes: list[Stroke] = []
        self.finished: list[int] = []  # how many strokes there were when each part was finished

    def __call__(self, verb: str, *args: Any, **more: Any) -> None:
        """Note down a stroke: a method of `Canvas` and what it is given."""
        self.strokes.append((verb, args, more))

    def fill(self, box: Sequence[float], fill: Colour, radius: float = 0.0, **more: Any) -> None:
        """A rectangle, its right and bottom outside as everywhere in this program."""
        left, top, right, bottom = (round(value) for value in box)
        if right > left and bottom > top:
            verb = "glass" if len(fill) == 4 else "draw"
            self(
                verb,
                "rounded_rectangle",
                (left, top, right - 1, bottom - 1),
                radius=radius,
                fill=fill,
                **more,
            )

    def one(self, values: Sequence[str]) -> str:
        """One of `values`, drawn."""
        return values[int(self.rng.integers(len(values)))]

    def some(self, values: Sequence[str], count: int) -> list[str]:
        """`count` of `values` in random order; more than there are: all, again and again."""
        out: list[str] = []
        while len(out) < count:
            out += [str(value) for value in self.rng.permutation(list(values))]
        return out[:count]

    def wanted(self, groups: int) -> int:
        """How many marks to draw so that each of `groups` groups that look alike is about as large as the
        level wants."""
        low, high = self.rules.candidates
        return groups * int(self.rng.integers(low + (high - low) // 4, high - (high - low) // 4 + 1))

    def key(self) -> int:
        """A number that names a random texture."""
        return int(self.rng.integers(1 << 30))

    def jitter(self, colour: Colour, by: float = 12.0) -> Colour:
        """A colour a little lighter or darker."""
        return shade(colour, 1 + float(self.rng.uniform(-by, by)) / 255)

    def plate(
        self,
        what: str,
        x: float,
        y: float,
        lines: Sequence[str],
        facts: dict[str, str],
        *,
        paper: Colour = WHITE,
        ink: Colour = BLACK,
        rim: Colour | None = BLACK,
        face: str = "sans",
        icon: str | None = None,
        tint: Colour | None = None,
        pad: float = 0.8,
        least: float = 0.0,
        radius: float = 0.0,
        big: float = 1.0,
    ) -> int:
        """A plate centred at x, y with lines of writing, an emblem above them or both; returns its index
        among the parts.

        `least` is its least width and `pad` its margin, both in units; `big` enlarges its writing; `tint` is
        the colour of an emblem whose colour matters.
        """
        capital = self.unit * big
        emblem = round(max(1.7 * capital, LEAST_ICON)) if icon else 0
        widths = [text_width(line, face, capital) for line in lines]
        width = round(max([*widths, emblem, least * self.unit - 2 * pad * self.unit]) + 2 * pad * self.unit)
        tall = emblem + 1.6 * capital * len(lines) - (0.0 if emblem else 0.6 * capital)
        height = round(tall + 2 * pad * self.unit)
        left, top = round(x - width / 2), round(y - height / 2)
        rect = Rect(left, top, left + width, top + height)
        self.fill(rect, paper, radius=radius * self.unit, outline=rim, width=max(round(self.unit / 9), 1))
        centre, row = left + width / 2, top + pad * self.unit
        if icon:
            self("icon", icon, centre, row + emblem / 2, emblem, tint or ink, tint is not None)
            row += emblem + 0.6 * capital
        for line in lines:
            self("write", centre, row + capital / 2, line, face, capital, ink)
            row += 1.6 * capital
        needs = max(SEE_TEXT / capital if lines else 0.0, SEE_ICON / emblem if icon else 0.0)
        return self.part(what, rect, needs, facts)

    def part(self, what: str, rect: Rect, needs: float, facts: dict[str, str]) -> int:
        self.scene.parts.append(Part(what, rect, needs, facts))
        self.finished.append(len(self.strokes))
        return len(self.scene.parts) - 1

    def mark(self, kind: str, parts: Sequence[int], **afar: str) -> None:
        self.scene.marks.append(Mark(kind, afar, tuple(parts)))

    def sprite(
        self, drawer: Callable[..., Image.Image], args: tuple[Any, ...], left: float, top: float
    ) -> None:
        """A picture with transparency, made (or taken from the last made) when the scene is painted."""
        self("sprite", (drawer, args), round(left), round(top))

    def is_sound(self) -> bool:
        """Whether all parts lie inside the picture and none covers another."""
        boxes = np.array([part.rect for part in self.scene.parts]).reshape(-1, 4)
        if len(boxes) and (
            boxes[:, :2].min() < 0 or boxes[:, 2].max() > self.width or boxes[:, 3].max() > self.height
        ):
            return False
        left, top, right, bottom = boxes.T
        meet = (
            (left[:, None] < right)
            & (left < right[:, None])
            & (top[:, None] < bottom)
            & (top < bottom[:, None])
        )
        return int(meet.sum()) == len(boxes)

    def paint(self, emoji: Path | None = None) -> Image.Image:
        """The picture."""
        canvas = Canvas(self.scene.size, emoji)
        for stroke in self.strokes:
            carry_out(canvas, stroke)
        return canvas.image


def carry_out(canvas: Canvas, stroke: Stroke) -> None:
    verb, args, more = stroke
    if verb == "sprite":
        (drawer, given), left, top = args
        canvas.sprite(drawer(*given), left, top)
    else:
        getattr(canvas, verb)(*args, **more)


def shade(colour: Colour, by: float) -> Colour:
    """A colour times `by`."""
    return tuple(min(max(round(value * by), 0), 255) for value in colour)


def smooth(width: int, height: int, drawer: Callable[[ImageDraw.ImageDraw, float], None]) -> Image.Image:
    """RGBA of that size without jagged edges: `drawer` draws it `_OVER` times larger and is told how much
    larger."""
    large = Image.new("RGBA", (width * _OVER, height * _OVER))
    drawer(ImageDraw.Draw(large), float(_OVER))
    return large.reduce(_OVER)


sprites = lru_cache(maxsize=64)

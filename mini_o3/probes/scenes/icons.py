"""Emblems: silhouettes drawn here, or the emoji of the same name where Noto Color Emoji is wanted and
found."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from mini_o3.probes.shapes.draw import outline

Points = tuple[tuple[float, float], ...]
_OVER = 4  # drawn this many times larger, then reduced
_EMOJI_SIZE = 109  # the one size that the bitmap font has
EMOJI_FONTS = (
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf",
    "/usr/local/share/fonts/NotoColorEmoji.ttf",
    "~/.local/share/fonts/NotoColorEmoji.ttf",
    "~/.fonts/NotoColorEmoji.ttf",
)

EMOJI = {
    "star": "\u2b50",
    "heart": "\u2764",
    "moon": "\U0001f319",
    "sun": "\u2600",
    "fish": "\U0001f41f",
    "tree": "\U0001f332",
    "house": "\U0001f3e0",
    "umbrella": "\u2602",
    "key": "\U0001f511",
    "anchor": "\u2693",
    "bell": "\U0001f514",
    "cup": "\u2615",
    "lightning bolt": "\u26a1",
    "flower": "\U0001f338",
    "boat": "\u26f5",
    "crown": "\U0001f451",
    "mushroom": "\U0001f344",
    "cat": "\U0001f431",
    "arrow": "\u27a1",
    "diamond": "\U0001f536",
    "triangle": "\U0001f53a",
    "cross": "\u274c",
}
ICONS = tuple(EMOJI)

# Shapes in the square -1..1, y down: filled with the colour, or (from "cut" on) taken out again.
_Shape = tuple[str, Points]


def find_emoji_font() -> Path | None:
    """Noto Color Emoji in one of its usual places; None if it is not installed."""
    return next((path for name in EMOJI_FONTS if (path := Path(name).expanduser()).is_file()), None)


@lru_cache(maxsize=256)
def icon_mask(name: str, height: int) -> Image.Image:
    """The silhouette as a mask (mode L) of `height` x `height` pixels.

    Raises:
        KeyError: there is no such emblem.
    """
    side = height * _OVER
    mask = Image.new("L", (side, side))
    draw = ImageDraw.Draw(mask)
    for kind, points in _shapes(name):
        scaled = [((x + 1) * side / 2, (y + 1) * side / 2) for x, y in points]
        fill = 0 if kind.startswith("cut") else 255
        if kind.endswith("oval"):
            draw.ellipse((*scaled[0], *scaled[1]), fill=fill)
        else:
            draw.polygon(scaled, fill=fill)
    return mask.reduce(_OVER)


@lru_cache(maxsize=256)
def emoji_picture(name: str, height: int, font: str) -> Image.Image:
    """The emoji as RGBA of `height` x `height` pixels, with transparent margins cut off."""
    large = Image.new("RGBA", (_EMOJI_SIZE * 2, _EMOJI_SIZE * 2))
    drawer = ImageDraw.Draw(large)
    drawer.text((20, 20), EMOJI[name], font=ImageFont.truetype(font, _EMOJI_SIZE), embedded_color=True)
    part = large.crop(large.getbbox())
    side = max(part.size)
    square = Image.new("RGBA", (side, side))
    square.paste(part, ((side - part.width) // 2, (side - part.height) // 2))
    return square.resize((height, height), Image.Resampling.BICUBIC, reducing_gap=3.0)


def _oval(cx: float, cy: float, rx: float, ry: float | None = None, cut: bool = False) -> _Shape:
    ry = rx if ry is None else ry
    return "cut oval" if cut else "oval", ((cx - rx, cy - ry), (cx + rx, cy + ry))


def _poly(*points: tuple[float, float], cut: bool = False) -> _Shape:
    return "cut poly" if cut else "poly", points


def _box(x0: float, y0: float, x1: float, y1: float, cut: bool = False) -> _Shape:
    return _poly((x0, y0), (x1, y0), (x1, y1), (x0, y1), cut=cut)


def _shapes(name: str) -> list[_Shape]:
    if name in ("star", "heart", "arrow", "diamond", "triangle", "cross"):
        return [_poly(*outline(name))]
    return _DRAWN[name]


def _turned(count: int, radius: float, size: float) -> list[_Shape]:
    angles = [2 * math.pi * i / count for i in range(count)]
    return [_oval(radius * math.sin(a), -radius * math.cos(a), size) for a in angles]


def _rays() -> list[_Shape]:
    rays = []
    for i in range(8):
        a = i * math.pi / 4
        tip, left, right = (math.cos(a), math.sin(a)), a - 0.2, a + 0.2
        base = [(0.62 * math.cos(b), 0.62 * math.sin(b)) for b in (left, right)]
        rays.append(_poly(tip, *base))
    return rays


_DRAWN: dict[str, list[_Shape]] = {
    "lamp": [_oval(0, 0, 0.95)],
    "moon": [_oval(-0.05, 0, 0.95), _oval(0.4, -0.15, 0.8, cut=True)],
    "sun": [*_rays(), _oval(0, 0, 0.5)],
    "fish": [
        _oval(-0.2, 0, 0.78, 0.5),
        _poly((0.3, 0), (1, -0.55), (0.8, 0), (1, 0.55)),
        _oval(-0.58, -0.1, 0.12, cut=True),
    ],
    "tree": [
        _poly((0, -1), (0.5, -0.3), (-0.5, -0.3)),
        _poly((0, -0.6), (0.7, 0.15), (-0.7, 0.15)),
        _poly((0, -0.15), (0.85, 0.65), (-0.85, 0.65)),
        _box(-0.18, 0.6, 0.18, 1),
    ],
    "house": [
        _poly((0, -0.95), (1, 0), (-1, 0)),
        _box(-0.75, -0.05, 0.75, 0.95),
        _box(-0.22, 0.3, 0.22, 0.95, cut=True),
    ],
    "umbrella": [
        _oval(0, 0.05, 0.98),
        _box(-1, 0.05, 1, 1.1, cut=True),
        _box(-0.09, 0, 0.09, 0.85),
        _oval(0.17, 0.78, 0.26, 0.22),
        _oval(0.17, 0.7, 0.1, 0.12, cut=True),
        _box(0.1, 0.4, 0.5, 0.72, cut=True),
    ],
    "key": [
        _oval(-0.52, 0, 0.46),
        _oval(-0.52, 0, 0.2, cut=True),
        _box(-0.1, -0.13, 0.98, 0.13),
        _box(0.4, 0, 0.58, 0.5),
        _box(0.78, 0, 0.98, 0.5),
    ],
    "anchor": [
        _oval(0, 0.1, 0.92, 0.88),
        _oval(0, -0.1, 0.72, 0.78, cut=True),
        _box(-1, -1, 1, 0.15, cut=True),
        _box(-0.13, -0.6, 0.13, 0.9),
        _box(-0.55, -0.42, 0.55, -0.18),
        _oval(0, -0.75, 0.25),
        _oval(0, -0.75, 0.1, cut=True),
    ],
    "bell": [
        _oval(0, -0.3, 0.58, 0.62),
        _poly((-0.58, -0.3), (0.58, -0.3), (0.9, 0.6), (-0.9, 0.6)),
        _oval(0, 0.72, 0.26),
    ],
    "cup": [
        _oval(0.62, -0.05, 0.38),
        _oval(0.62, -0.05, 0.17, cut=True),
        _poly((-0.95, -0.55), (0.6, -0.55), (0.45, 0.6), (-0.8, 0.6)),
        _box(-1, 0.72, 0.75, 0.92),
    ],
    "lightning bolt": [
        _poly((0.2, -1), (-0.65, 0.15), (-0.08, 0.15), (-0.3, 1), (0.65, -0.25), (0.08, -0.25), (0.55, -1))
    ],
    "flower": [*_turned(5, 0.58, 0.4), _oval(0, 0, 0.26, cut=True)],
    "boat": [
        _poly((-1, 0.45), (1, 0.45), (0.6, 0.95), (-0.6, 0.95)),
        _poly((0.05, -1), (0.85, 0.3), (0.05, 0.3)),
        _poly((-0.1, -0.7), (-0.1, 0.3), (-0.75, 0.3)),
    ],
    "crown": [
        _poly((-0.9, 0.75), (-1, -0.55), (-0.45, 0.05), (0, -0.85), (0.45, 0.05), (1, -0.55), (0.9, 0.75))
    ],
    "mushroom": [_oval(0, -0.05, 0.98, 0.85), _box(-1, 0.1, 1, 1, cut=True), _box(-0.28, 0.05, 0.28, 0.92)],
    "cat": [
        _oval(0, 0.15, 0.85, 0.75),
        _poly((-0.85, -0.95), (-0.15, -0.45), (-0.8, 0.1)),
        _poly((0.85, -0.95), (0.15, -0.45), (0.8, 0.1)),
        _oval(-0.32, 0.05, 0.14, cut=True),
        _oval(0.32, 0.05, 0.14, cut=True),
        _poly((-0.14, 0.38), (0.14, 0.38), (0, 0.55), cut=True),
    ],
}

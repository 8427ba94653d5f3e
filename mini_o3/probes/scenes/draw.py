"""Pixels of a scene: what a sketch has noted down is carried out here, in one picture and without a second
copy of it."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps

from mini_o3.kit.extras import require
from mini_o3.kit.rng import stream
from mini_o3.probes.scenes.icons import emoji_picture, icon_mask
from mini_o3.vision import FILTER, open_picture

Colour = tuple[int, ...]
CAPITAL = 0.729  # height of a capital letter of the DejaVu fonts, share of the font's size
PHOTO_PIXELS = 50_000_000  # the largest photograph that is read: memory is for several pictures at once
_BAND = 128  # rows that are worked on at a time
_TILE = 512  # side of the noise that is laid all over a picture
_FONTS = {"sans": "DejaVuSans-Bold.ttf", "serif": "DejaVuSerif-Bold.ttf", "mono": "DejaVuSansMono-Bold.ttf"}


def font_files() -> list[Path]:
    """The DejaVu fonts that come with matplotlib (which is not imported for them): the same letters on every
    machine."""
    require("plots", "painting scenes, with the fonts of matplotlib,")
    spec = find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    return [Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / name for name in _FONTS.values()]


@lru_cache(maxsize=128)
def font(name: str, capital: float) -> ImageFont.FreeTypeFont:
    """A font whose capital letters are `capital` pixels high."""
    path = font_files()[list(_FONTS).index(name)]
    return ImageFont.truetype(str(path), capital / CAPITAL, layout_engine=ImageFont.Layout.BASIC)


def text_width(text: str, name: str, capital: float) -> float:
    return font(name, capital).getlength(text)


class Canvas:
    """A picture being painted. `emoji` is the emoji font's path; None: emblems are silhouettes."""

    def __init__(self, size: tuple[int, int], emoji: Path | None) -> None:
        self.image = Image.new("RGB", size)
        self.solid, self.clear = ImageDraw.Draw(self.image), ImageDraw.Draw(self.image, "RGBA")
        self.emoji = str(emoji) if emoji else None

    def draw(self, verb: str, *args: Any, **more: Any) -> None:
        getattr(self.solid, verb)(*args, **more)

    def glass(self, verb: str, *args: Any, **more: Any) -> None:
        """As `draw`, in a translucent colour."""
        getattr(self.clear, verb)(*args, **more)

    def write(self, x: float, y: float, text: str, name: str, capital: float, ink: Colour) -> None:
        """`text` centred at x, its capital letters standing on y + capital / 2."""
        left = x - text_width(text, name, capital) / 2
        self.solid.text((left, y + capital / 2), text, font=font(name, capital), fill=ink, anchor="ls")

    def icon(self, name: str, x: float, y: float, height: int, ink: Colour, tinted: bool) -> None:
        """An emblem centred at x, y. `tinted`: its colour matters, so it stays a silhouette."""
        corner = round(x - height / 2), round(y - height / 2)
        if self.emoji and not tinted:
            picture = emoji_picture(name, height, self.emoji)
            self.image.paste(picture, corner, picture)
        else:
            mask = icon_mask(name, height)
            self.image.paste(ink, (*corner, corner[0] + height, corner[1] + height), mask)

    def sprite(self, picture: Image.Image, left: int, top: int) -> None:
        self.image.paste(picture, (left, top), picture)

    def cloud(
        self, box: tuple[int, int, int, int], first: Colour, second: Colour, key: int, octaves: int = 4
    ) -> None:
        """Smooth noise between two colours."""
        field = _noise(stream("cloud", key), octaves)
        low, high = np.array(first, np.float32), np.array(second, np.float32)
        small = Image.fromarray((low + (high - low) * field[..., None]).clip(0, 255).astype(np.uint8))
        self._stretch(small, box)

    def slope(self, box: tuple[int, int, int, int], top: Colour, bottom: Colour) -> None:
        """Evenly from one colour at the top to another at the bottom."""
        part = np.linspace(0, 1, 64)[:, None, None] * (np.array(bottom) - np.array(top)) + np.array(top)
        self._stretch(Image.fromarray(part.repeat(4, 1).astype(np.uint8)), box)

    def photo(self, path: str, share: float, place: tuple[float, float], mirror: bool) -> None:
        """A part of a photograph over the whole picture: `share` of the largest that has its shape, at
        `place` (0..1)."""
        picture = open_picture(path, PHOTO_PIXELS)
        aspect = self.image.width / self.image.height
        width = share * min(picture.width, picture.height * aspect)
        left, top = place[0] * (picture.width - width), place[1] * (picture.height - width / aspect)
        window = (left, top, left + width, top + width / aspect)
        self._stretch(picture, (0, 0, *self.image.size), window, mirror)

    def light(self, key: int, depth: float) -> None:
        """Uneven light: everything is darkened by 0 to `depth`, smoothly."""
        field = (255 * (1 - depth * _noise(stream("light", key), 2))).astype(np.uint8)
        small = Image.fromarray(field).convert("RGB")
        width, height = self.image.size
        for top in range(0, height, _BAND):
            bottom = min(top + _BAND, height)
            part = (0, top / height * small.height, small.width, bottom / height * small.height)
            shade = small.resize((width, bottom - top), Image.Resampling.BILINEAR, box=part)
            band = self.image.crop((0, top, width, bottom))
            self.image.paste(ImageChops.multiply(band, shade), (0, top))

    def grain(self, key: int, strength: float) -> None:
        """Noise of a sensor, `strength` grey values of standard deviation."""
        rng = stream("grain", key)
        noise = rng.normal(128, strength, (_TILE, _TILE, 1)) + rng.normal(0, strength / 3, (_TILE, _TILE, 3))
        tile = Image.fromarray(noise.clip(0, 255).astype(np.uint8))
        width, height = self.image.size
        for top in range(0, height, _TILE):
            for left in range(0, width, _TILE):
                box = (left, top, min(left + _TILE, width), min(top + _TILE, height))
                part = tile.crop((0, 0, box[2] - left, box[3] - top))
                self.image.paste(ImageChops.add(self.image.crop(box), part, scale=1.0, offset=-128), box)

    def _stretch(
        self,
        small: Image.Image,
        box: tuple[int, int, int, int],
        window: tuple[float, float, float, float] | None = None,
        mirror: bool = False,
    ) -> None:
        """Enlarge `window` of a picture to fill `box`, band by band."""
        x0, y0, x1, y1 = window or (0.0, 0.0, float(small.width), float(small.height))
        left, top, right, bottom = box
        for low in range(top, bottom, _BAND):
            high = min(low + _BAND, bottom)
            part = (
                x0,
                y0 + (low - top) / (bottom - top) * (y1 - y0),
                x1,
                y0 + (high - top) / (bottom - top) * (y1 - y0),
            )
            band = small.resize((right - left, high - low), FILTER, box=part, reducing_gap=2.0)
            self.image.paste(ImageOps.mirror(band) if mirror else band, (left, low))


def _noise(rng: np.random.Generator, octaves: int) -> np.ndarray:
    """Smooth noise (256, 256) in 0..1."""
    total = np.zeros((256, 256), np.float32)
    for octave in range(octaves):
        cells = 3 * 2**octave
        grid = Image.fromarray(rng.random((cells, cells), dtype=np.float32))
        total += np.asarray(grid.resize((256, 256), Image.Resampling.BICUBIC)) * 0.55**octave
    low, high = total.min(), total.max()
    return (total - low) / max(high - low, 1e-6)

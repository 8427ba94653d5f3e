"""A picture of any size as tiles of a Deep Zoom pyramid."""

from __future__ import annotations

import io
import math
import threading

from PIL import Image

from mini_o3.vision import InMemory, Picture, Rect

TILE = 256  # side of a tile in pixels, without overlap


class Pyramid:
    """Level `depth` is the original; each level below has half the side, level 0 is one pixel.

    Of a picture in memory the halved copies are made when they are first looked at; others have their own.
    """

    def __init__(self, original: Picture) -> None:
        self.original = original
        self.depth = math.ceil(math.log2(max(original.size)))
        self._levels = {self.depth: original.image} if isinstance(original, InMemory) else {}
        self._lock = threading.Lock()

    def tile(self, level: int, column: int, row: int) -> bytes:
        """A tile as JPEG.

        Raises:
            KeyError: there is no such tile.
            UserError: the file is damaged there.
        """
        if not 0 <= level <= self.depth:
            raise KeyError(level)
        scale = 2 ** (self.depth - level)
        width, height = (math.ceil(side / scale) for side in self.original.size)
        left, top = column * TILE, row * TILE
        if not (0 <= left < width and 0 <= top < height):
            raise KeyError((column, row))
        right, bottom = min(left + TILE, width), min(top + TILE, height)
        if self._levels:
            with self._lock:
                picture = self._level(level)
            return jpeg(picture.crop((left, top, right, bottom)))
        most = self.original.size
        rect = Rect(left * scale, top * scale, min(right * scale, most[0]), min(bottom * scale, most[1]))
        return jpeg(self.original.part(rect, (right - left, bottom - top)))

    def crop(self, rect: Rect, longest: int) -> bytes:
        """A rectangle of the original as JPEG, its longest side at most `longest` pixels."""
        return jpeg(self.original.thumbnail(longest, rect))

    @property
    def pixels(self) -> int:
        """How many pixels of it are in memory."""
        return self.original.size[0] * self.original.size[1] if self._levels else 0

    def _level(self, level: int) -> Image.Image:
        nearest = min(known for known in self._levels if known >= level)
        while nearest > level:
            above = self._levels[nearest]
            nearest -= 1
            size = (math.ceil(above.width / 2), math.ceil(above.height / 2))
            self._levels[nearest] = above.resize(size, Image.Resampling.BOX)
        return self._levels[level]


def jpeg(picture: Image.Image, quality: int = 85) -> bytes:
    """The bytes of a JPEG file."""
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=quality)
    return file.getvalue()

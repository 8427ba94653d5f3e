"""Deep Zoom pictures: a `.dzi` file and its folder of tiles, read tile by tile with Pillow alone.

The format is Microsoft's: `NAME.dzi` is XML, the tiles are `NAME_files/LEVEL/COLUMN_ROW.FORMAT`. The last
level is the full resolution, each one before has half as many pixels across and down, and level 0 has one.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image

from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import open_file
from mini_o3.vision.base import Tiled
from mini_o3.vision.picture import MIN_SIDE, check_size, decode_tile
from mini_o3.vision.region import Rect

SUFFIX = ".dzi"
_MOST_TEXT = 1 << 16  # bytes of the XML
_MOST_TILE = 4096  # pixels of a tile's side
_MOST_SIDE = 1 << 30
_KEPT = 48  # decoded tiles; of 256 pixels they take 12 MB


class DeepZoom(Tiled):
    """The picture of a `.dzi` file. Nothing but its tiles is read, and only regular files."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Read the description; tiles are read when they are looked at.

        Raises:
            UserError: it is no such file, or what it says cannot be.
        """
        self.path = Path(path)
        size, self.tile, self.overlap, self.format = _described(self.path)
        check_size(self.path, size, _MOST_SIDE**2)
        self.folder = self.path.with_name(f"{self.path.stem}_files")
        if not self.folder.is_dir():
            raise UserError(
                f"{self.folder}: the folder of the tiles is missing; keep it beside {self.path.name}"
            )
        self.last = max(size[0] - 1, size[1] - 1).bit_length()
        super().__init__([(-(-size[0] >> n), -(-size[1] >> n)) for n in range(self.last + 1)])
        self._tile = lru_cache(maxsize=_KEPT)(self._open_tile)

    def read(self, level: int, rect: Rect) -> Image.Image:
        out = Image.new("RGB", (rect.width, rect.height))
        for row in range(rect.top // self.tile, (rect.bottom - 1) // self.tile + 1):
            for column in range(rect.left // self.tile, (rect.right - 1) // self.tile + 1):
                left = column * self.tile - (self.overlap if column else 0)
                top = row * self.tile - (self.overlap if row else 0)
                out.paste(self._tile(level, column, row), (left - rect.left, top - rect.top))
        return out

    def _open_tile(self, level: int, column: int, row: int) -> Image.Image:
        folder = self.folder / str(self.last - level)
        if not folder.is_dir():
            raise UserError(f"{folder}: this level of the picture is missing; get a fresh copy")
        path = folder / f"{column}_{row}.{self.format}"
        if not path.exists():
            raise UserError(f"{path}: this tile of the picture is missing; get a fresh copy")
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise UserError(f"{path}: this tile is a link out of the folder; put the file itself there")
        tile = decode_tile(path, _MOST_TILE**2)
        wanted = self._tile_size(level, column, row)
        if tile.size != wanted:
            sides = f"{tile.width} x {tile.height}, not {wanted[0]} x {wanted[1]}"
            raise UserError(f"{path}: this tile of the picture is {sides} pixels; get a fresh copy")
        return tile

    def _tile_size(self, level: int, column: int, row: int) -> tuple[int, int]:
        sides = []
        for number, side in ((column, self.levels[level][0]), (row, self.levels[level][1])):
            start = number * self.tile - (self.overlap if number else 0)
            sides.append(min((number + 1) * self.tile + self.overlap, side) - start)
        return sides[0], sides[1]


def _described(path: Path) -> tuple[tuple[int, int], int, int, str]:
    """((width, height), side of a tile, overlap, format of the tiles)."""
    with open_file(path) as file:
        text = file.read(_MOST_TEXT + 1)
    if len(text) > _MOST_TEXT or b"<!" in text.replace(b"<!--", b""):
        raise UserError(
            f"{path}: not the description of a Deep Zoom picture; make it anew, for instance with"
            " `vips dzsave`"
        )
    try:
        image = ElementTree.fromstring(text)
        size = next(part for part in image if part.tag.rpartition("}")[2] == "Size")
        tile, overlap = int(image.attrib["TileSize"]), int(image.attrib.get("Overlap", 0))
        width, height, form = int(size.attrib["Width"]), int(size.attrib["Height"]), image.attrib["Format"]
    except (ElementTree.ParseError, StopIteration, KeyError, ValueError):
        raise UserError(
            f"{path}: not the description of a Deep Zoom picture (Image with TileSize, Overlap and Format, in"
            " it Size with Width and Height)"
        ) from None
    fits = MIN_SIDE < tile + 2 * overlap <= _MOST_TILE and 0 <= overlap <= tile // 2
    if not (fits and 0 < width <= _MOST_SIDE and 0 < height <= _MOST_SIDE and re.fullmatch(r"\w{1,8}", form)):
        raise UserError(
            f"{path}: says {width} x {height} pixels in tiles of {tile} with an overlap of {overlap}, as"
            f" {form[:20]!r}; such a picture cannot be read"
        )
    return (width, height), tile, overlap, form

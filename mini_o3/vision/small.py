"""Small copies of pictures straight from their files, and whether two pictures are the same one."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from mini_o3.vision import others
from mini_o3.vision.picture import DECODE_BUDGET, check_size, image_file, one_line_of, read_picture, upright

_SIDE = 16  # of the grid of a hash; it has a bit for each cell
_NEAR = 26  # bits of 256 in which the hashes of copies may differ
COMPARED = 2048  # longest side at which two pictures are compared
_BLOCK = 8  # side of the blocks in which they are compared
_MOST = 16  # levels of 255 by which no block of a copy differs
_SHAPES = 0.02  # by which the ratios of sides of copies differ at most, relatively


def read_small(
    name: Path, file: BinaryIO, number: int | None = None, side: int = 8 * _SIDE
) -> tuple[Image.Image, tuple[int, int]]:
    """A picture in few pixels, but not fewer than `side` a side, upright RGB or grey, and (width, height) of
    the whole.

    A large JPEG is decoded at an eighth of its size at the least, which takes a quarter of the time. Its
    colours are not converted.

    Raises:
        UserError: as `vision.picture.read_picture`.
    """
    with one_line_of(name):
        head = file.read(others.HEAD)
        file.seek(0)
        if head[:2] == b"\xff\xd8":
            with image_file(name, file) as opened:
                check_size(name, opened.size, DECODE_BUDGET)
                width, height = opened.size
                opened.draft("RGB", (side, side))
                opened.load()
                small = upright(opened)
                turned = (small.width < small.height) != (opened.width < opened.height)
                return small, (height, width) if turned else (width, height)
    picture = read_picture(name, file, number)
    return picture, picture.size


def difference_hash(picture: Image.Image) -> bytes:
    """32 bytes that copies of a picture share but for a few bits: where it gets brighter to the right (dHash,
    N. Krawetz 2013), on a grid of 16 x 16."""
    grid = picture.convert("L").resize((_SIDE + 1, _SIDE), Image.Resampling.BOX)
    levels = np.asarray(grid, dtype=np.int16)
    return np.packbits(levels[:, 1:] > levels[:, :-1]).tobytes()


def near_hashes(one: bytes, others_N32: np.ndarray) -> np.ndarray:
    """Which rows of an array of hashes (bytes) differ from one in few bits: their numbers, nearest first."""
    distances = np.bitwise_count(others_N32 ^ np.frombuffer(one, np.uint8)).sum(axis=1, dtype=np.int32)
    order = np.argsort(distances, kind="stable")
    return order[distances[order] <= _NEAR]


def are_same(one: Image.Image, other: Image.Image) -> bool:
    """Whether two RGB pictures show the same in every place, whatever their size and compression.

    They are compared in blocks of 8 x 8 pixels at the size of the smaller one, so that a thing that is only
    in one of them tells them apart, however alike the rest is.
    """
    ratio = (one.width / one.height) / (other.width / other.height)
    if not 1 - _SHAPES < ratio < 1 + _SHAPES:
        return False
    smaller = min(one, other, key=lambda picture: picture.width)
    scale = min(COMPARED / max(smaller.size), 1.0)
    width, height = (max(round(side * scale / _BLOCK), 1) for side in smaller.size)
    first, second = (
        np.asarray(picture.resize((width, height), Image.Resampling.BOX), dtype=np.int16)
        for picture in (one, other)
    )
    return int(np.abs(first - second).max()) <= _MOST

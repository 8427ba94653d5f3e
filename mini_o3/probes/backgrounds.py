"""What probes are hidden in: procedural scenes in muted colours, or a photograph."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageOps

from mini_o3.kit.rng import stream
from mini_o3.vision import FILTER, open_picture

_COARSE = 4  # procedural scenes are painted at a quarter of the size, enlarged, then given full-size grain


def paint(rng: np.random.Generator, size: tuple[int, int], photos: tuple[Path, ...] = ()) -> Image.Image:
    """A background of `size` (width, height) pixels: from `photos` if there are any, else procedural."""
    return photo(rng, size, photos) if photos else procedural(rng, size)


def procedural(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """A scene of `size` (width, height) pixels: clouds, planks, tiles, shelves or a street of blocks."""
    small = (max(size[0] // _COARSE, 8), max(size[1] // _COARSE, 8))
    painters = (_clouds, _planks, _tiles, _shelves, _blocks)
    image = painters[rng.integers(len(painters))](rng, small)
    return _grain(image.resize(size, Image.Resampling.BILINEAR), rng)


def photo(rng: np.random.Generator, size: tuple[int, int], files: tuple[Path, ...]) -> Image.Image:
    """A random part of a random photograph of `files`, at least half its sides, mirrored half the time."""
    source = _photograph(str(files[rng.integers(len(files))]))
    share = rng.uniform(0.5, 1.0)
    aspect = size[0] / size[1]
    width = share * min(source.width, source.height * aspect)
    height = width / aspect
    left, top = rng.uniform(0, source.width - width), rng.uniform(0, source.height - height)
    part = source.resize(size, FILTER, box=(left, top, left + width, top + height), reducing_gap=2.0)
    return _grain(ImageOps.mirror(part) if rng.random() < 0.5 else part, rng)


@lru_cache(maxsize=16)
def _photograph(path: str) -> Image.Image:
    return open_picture(path)


def _muted(rng: np.random.Generator, spread: float = 11.0) -> np.ndarray:
    """One muted colour (3,): grey of any brightness with a weak cast."""
    return np.clip(rng.uniform(40, 215) + rng.normal(0, spread, 3), 0, 255)


def _noise(rng: np.random.Generator, size: tuple[int, int], octaves: int = 4) -> np.ndarray:
    """Smooth noise (height, width) in 0..1: a sum of enlarged random grids."""
    width, height = size
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cells = 3 * 2**octave
        grid = Image.fromarray(rng.random((cells, cells), dtype=np.float32))
        total += np.asarray(grid.resize(size, Image.Resampling.BICUBIC)) * 0.55**octave
    low, high = total.min(), total.max()
    return (total - low) / max(high - low, 1e-6)


def _mix(field: np.ndarray, first: np.ndarray, second: np.ndarray) -> Image.Image:
    pixels = first + (second - first) * field[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _clouds(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    return _mix(_noise(rng, size, octaves=int(rng.integers(2, 6))), _muted(rng), _muted(rng))


def _planks(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    image = _mix(_noise(rng, size), base := _muted(rng), base * rng.uniform(0.7, 0.95))
    draw, x = ImageDraw.Draw(image), 0.0
    while x < size[0]:
        width = size[0] * rng.uniform(0.04, 0.14)
        shade = tuple(int(v) for v in np.clip(base * rng.uniform(0.75, 1.2), 0, 255))
        draw.rectangle((x, 0, x + width * 0.35, size[1]), fill=shade)
        draw.line((x, 0, x, size[1]), fill=tuple(int(v * 0.5) for v in base), width=1)
        x += width
    return image.rotate(90, expand=True).resize(size) if rng.random() < 0.5 else image


def _tiles(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    first, second = _muted(rng), _muted(rng)
    count = int(rng.integers(5, 22))
    board = (
        rng.random((count, count)) < 0.5 if rng.random() < 0.5 else np.indices((count, count)).sum(0) % 2 == 0
    )
    colours = np.where(board[..., None], first, second) + rng.normal(0, 8, (count, count, 1))
    tiles = Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    return Image.blend(tiles, _clouds(rng, size), 0.25)


def _shelves(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    image = _mix(_noise(rng, size, 2), wall := _muted(rng), wall * 0.9)
    draw = ImageDraw.Draw(image)
    rows = int(rng.integers(4, 9))
    for row in range(rows):
        bottom, x = (row + 1) * size[1] / rows, 0.0
        while x < size[0]:
            width, height = size[0] * rng.uniform(0.01, 0.05), size[1] / rows * rng.uniform(0.4, 0.85)
            if rng.random() < 0.8:
                fill = tuple(int(v) for v in _muted(rng))
                draw.rectangle((x, bottom - height, x + width, bottom), fill=fill)
            x += width * 1.15
        draw.rectangle(
            (0, bottom - size[1] * 0.012, size[0], bottom), fill=tuple(int(v * 0.45) for v in wall)
        )
    return image


def _blocks(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """A street front: houses of different heights with lit and dark windows under a sky."""
    image = _mix(np.linspace(0, 1, size[1])[:, None].repeat(size[0], 1), _muted(rng), _muted(rng))
    draw, x = ImageDraw.Draw(image), 0.0
    while x < size[0]:
        width, top = size[0] * rng.uniform(0.08, 0.2), size[1] * rng.uniform(0.05, 0.5)
        wall = _muted(rng)
        draw.rectangle((x, top, x + width, size[1]), fill=tuple(int(v) for v in wall))
        step = max(size[0] * rng.uniform(0.018, 0.035), 3)
        for wx in np.arange(x + step * 0.5, x + width - step * 0.6, step):
            for wy in np.arange(top + step * 0.5, size[1] - step, step * 1.4):
                lit = np.clip(wall * rng.uniform(0.4, 1.6), 0, 255)
                draw.rectangle((wx, wy, wx + step * 0.5, wy + step * 0.8), fill=tuple(int(v) for v in lit))
        x += width
    return image


def _grain(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Full-size sensor noise, so that a crop of the picture is not a smooth enlargement. Changes `image`."""
    strength = int(rng.integers(2, 12))
    tile = _grain_tile(int(rng.integers(4)))
    tile = tile.point([min(max(128 + (v - 128) * strength // 64, 0), 255) for v in range(256)] * 3)
    full = Image.new("RGB", image.size)
    for left in range(0, image.width, tile.width):
        for top in range(0, image.height, tile.height):
            full.paste(tile, (left, top))
    return ImageChops.add(image, full, scale=1.0, offset=-128)


@lru_cache(maxsize=4)
def _grain_tile(index: int) -> Image.Image:
    values = stream("grain", index).normal(128, 64, (384, 384, 3))
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))

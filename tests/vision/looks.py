"""What tests of large pictures share: a scene, ways to write it, and how near it must look."""

import numpy as np
from PIL import Image

from mini_o3.kit.rng import stream
from mini_o3.vision import InMemory, PixelBudget, Rect

BUDGET = PixelBudget(max_pixels=200_000, min_pixels=0, multiple=1)
DZI = """<?xml version="1.0" encoding="UTF-8"?>
<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="{form}" Overlap="{overlap}"
  TileSize="{tile}">
  <Size Height="{height}" Width="{width}"/></Image>"""


def scene(width, height, seed=0, noise=6):
    """Smooth colours with sharp edges and some noise, as photographs have them."""
    rng = stream("test scene", seed)
    across, down = np.linspace(0, 6, width), np.linspace(0, 4, height)[:, None]
    values = np.stack([np.sin(across + k) * np.cos(down * (k + 1)) for k in range(3)], axis=-1) * 90 + 128
    for _ in range(40):
        x, y = int(rng.integers(width - 40)), int(rng.integers(height - 30))
        values[y : y + 30, x : x + 40] = rng.integers(0, 256, 3)
    values += rng.normal(0, noise, values.shape)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def deep_zoom(folder, image, tile=128, overlap=2, form="png"):
    """Write a Deep Zoom picture and return the path of its description."""
    path = folder / "deep.dzi"
    path.write_text(DZI.format(form=form, overlap=overlap, tile=tile, width=image.width, height=image.height))
    level, copy = max(image.width - 1, image.height - 1).bit_length(), image
    while level >= 0:
        place = folder / "deep_files" / str(level)
        place.mkdir(parents=True)
        for row in range(-(-copy.height // tile)):
            for column in range(-(-copy.width // tile)):
                box = (
                    max(column * tile - overlap, 0),
                    max(row * tile - overlap, 0),
                    min((column + 1) * tile + overlap, copy.width),
                    min((row + 1) * tile + overlap, copy.height),
                )
                copy.crop(box).save(place / f"{column}_{row}.{form}")
        level -= 1
        copy = copy.resize((-(-copy.width // 2), -(-copy.height // 2)), Image.Resampling.BOX)
    return path


def difference(one, other):
    return np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int))


def close_to_memory(tiled, image, exact=True):
    """Views of parts equal those from memory, to a level or two where they come from smaller copies."""
    memory = InMemory(image)
    assert tiled.size == image.size
    width, height = image.size
    for rect in (
        Rect(0, 0, 100, 80),
        Rect(width // 5, height // 4, width // 2, height // 2 + 9),
        Rect(width - 60, height - 59, width, height),
        Rect(0, 0, width // 2, height),
        Rect(0, 0, width, height),
    ):
        found, wanted = tiled.view(rect, BUDGET), memory.view(rect, BUDGET)
        assert found.size == wanted.size
        apart = difference(found, wanted)
        small = rect.width * rect.height <= 200_000
        assert apart.mean() <= 1, rect
        if exact and small:
            assert apart.max() <= 2, rect

"""libvips as this program uses it: strict, without its own cache, and in the pixels that Pillow has."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from mini_o3.kit.errors import UserError
from mini_o3.kit.extras import require
from mini_o3.vision.colour import to_srgb

STRICT = "error"  # what libvips shall refuse; by itself it greys what is cut off or damaged


@cache
def vips() -> Any:
    """libvips, once: it keeps no results, and leaves loaders alone that are not made for files of others.

    Raises:
        UserError: the extra is not installed, or its library cannot be loaded.
    """
    require("large", "reading it")
    try:
        import pyvips
    except OSError as error:
        raise UserError(f"libvips cannot be loaded ({error}); install mini-o3[large] anew") from None
    logging.getLogger("pyvips").setLevel(logging.ERROR)  # what it warns of comes back as an error
    pyvips.cache_set_max(0)
    pyvips.block_untrusted_set(True)
    return pyvips


@contextmanager
def one_line(path: Path) -> Iterator[None]:
    """Whatever libvips raises becomes one line that names the file."""
    failure = vips().Error
    try:
        yield
    except failure as error:
        reason = next(
            (line.strip() for line in str(error.detail).splitlines() if line.strip()), error.message
        )
        if "not in a known format" in reason:
            raise UserError(
                f"{path}: pictures of this kind are not read at such a size; save it as TIFF or PNG"
            ) from None
        raise UserError(
            f"{path}: the picture is damaged or cut off ({reason[:200]}); get a fresh copy"
        ) from None


def plain(image: Any) -> Any:
    """8 bits of grey, RGB or CMYK, without transparency."""
    if image.format == "ushort":
        image = (image / 257).rint().cast("uchar").copy(interpretation="b-w" if image.bands < 3 else "srgb")
    elif image.format != "uchar":
        top = image.max()
        full = 1.0 if image.format in ("float", "double") and top <= 1 else 255.0 if top <= 255 else 65535.0
        image = (
            (image * (255.0 / max(full, top)))
            .rint()
            .cast("uchar")
            .copy(interpretation="b-w" if image.bands < 3 else "srgb")
        )
    if image.hasalpha():
        image = image.flatten(background=[255] * (image.bands - 1))
    if image.bands > 3 and image.interpretation != "cmyk":
        image = image.extract_band(0, n=3)
    return image.extract_band(0) if image.bands == 2 else image


def pillow(image: Any) -> Image.Image:
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[image.bands]
    return Image.frombuffer(mode, (image.width, image.height), image.write_to_memory(), "raw", mode, 0, 1)


def profile_of(image: Any) -> bytes | None:
    return bytes(image.get("icc-profile-data")) if image.get_typeof("icc-profile-data") else None


def note_of(image: Any, profile: bytes | None) -> str:
    """What `to_srgb` does to the colours of such a picture."""
    grey = image.bands - bool(image.hasalpha()) < 3
    mode = "CMYK" if image.interpretation == "cmyk" else "L" if grey else "RGB"
    return to_srgb(Image.new(mode, (2, 2)), profile)[1]

"""Opening a picture that somebody else made: always upright 8-bit RGB, or one clear line saying why not."""

from __future__ import annotations

import os
import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from mini_o3.kit.errors import UserError

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "AVIF")
DECODE_BUDGET = 150_000_000  # pixels; 450 MB as RGB
MIN_SIDE = 28  # one image token of Qwen2.5-VL
MAX_ASPECT = 200  # Qwen2.5-VL's resize and the Mini-o3 box rule refuse more

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_picture(path: str | os.PathLike[str], decode_budget: int = DECODE_BUDGET) -> Image.Image:
    """Read a picture as upright RGB.

    EXIF orientation is applied, so every box in this program is in the frame a person sees. 16-bit values are
    scaled (Pillow's own conversion clips them to white), transparency is laid on white, CMYK and palettes
    become RGB, and of an animation the first frame is taken. The size is read from the header and checked
    before anything is decoded.

    Raises:
        UserError: the file is missing, is not a picture, is damaged, is too small, too thin, or has more than
            `decode_budget` pixels.
    """
    path = Path(path)
    _check_file(path)
    try:
        # From a file object: Pillow maps plain files into memory, and then some TIFFs come out unturned.
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")  # bombs: our own budget decides; odd EXIF: nobody can act on it
            with Image.open(file, formats=FORMATS) as opened:
                _check_size(path, opened.size, decode_budget)
                opened.seek(0)
                opened.load()
                return _to_rgb(_upright(opened))
    except UnidentifiedImageError:
        raise UserError(
            f"{path}: not a picture that can be read; give a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} file"
        ) from None
    except Image.DecompressionBombError:
        raise UserError(
            f"{path}: more than the {decode_budget:,} pixels that are decoded; scale it down first"
        ) from None
    except UserError:
        raise
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        MemoryError,
        RuntimeError,
        struct.error,
    ) as error:  # damage
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: the picture is damaged or cut off ({reason}); get a fresh copy") from None


def _upright(opened: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says. Only that tag is read: one odd tag elsewhere must not spoil the
    picture."""
    if opened.format == "TIFF":
        return opened  # Pillow has turned it while loading
    try:
        turn = _TURNS.get(opened.getexif().get(_ORIENTATION, 1))
    except Exception:  # whatever a damaged EXIF block makes Pillow raise
        return opened
    return opened if turn is None else opened.transpose(turn)


def _check_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise UserError(f"{path}: is a directory; give one picture file")
        if not path.exists():
            raise UserError(f"{path}: no such file; check the path")
        if path.stat().st_size == 0:
            raise UserError(f"{path}: the file is empty; get a fresh copy")
        with path.open("rb"):
            pass
    except PermissionError:
        raise UserError(f"{path}: may not be read; change its permissions (chmod u+r)") from None
    except OSError as error:  # a name too long, a broken mount
        raise UserError(f"{path}: cannot be opened ({error.strerror or error})") from None


def _check_size(path: Path, size: tuple[int, int], decode_budget: int) -> None:
    width, height = size
    if width * height > decode_budget:
        raise UserError(
            f"{path}: {width} x {height} is {width * height:,} pixels, more than the {decode_budget:,} that"
            " are decoded; scale it down first"
        )
    if max(width, height) >= MAX_ASPECT * min(width, height):
        raise UserError(
            f"{path}: {width} x {height} is too thin; the sides may differ by less than {MAX_ASPECT} times"
        )
    if min(width, height) < MIN_SIDE:
        raise UserError(
            f"{path}: {width} x {height} is too small; both sides need at least {MIN_SIDE} pixels"
        )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image.copy() if image.readonly else image
    if image.mode.startswith("I") or image.mode == "F":
        return _from_wide(image)
    if image.has_transparency_data or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _from_wide(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float greys: scaled to 8 bits by the range the values claim, never clipped."""
    values = np.asarray(image).astype(np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    top = values.max(initial=0.0)
    full = (
        1.0
        if image.mode == "F" and top <= 1.0
        else 255.0
        if top <= 255.0 and not image.mode.startswith("I;16")
        else 65535.0
    )
    scaled = np.clip(values / max(full, top) * 255.0, 0.0, 255.0)
    return Image.fromarray(np.round(scaled).astype(np.uint8)).convert("RGB")

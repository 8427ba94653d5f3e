"""Opening a picture that somebody else made: always upright 8-bit sRGB, or one clear line saying why not."""

from __future__ import annotations

import ctypes
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

import PIL
from PIL import Image, UnidentifiedImageError

from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import open_file
from mini_o3.vision import others
from mini_o3.vision.colour import to_srgb
from mini_o3.vision.frames import choose_frame, split_clip, split_frame

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "AVIF")
DECODE_BUDGET = 150_000_000  # pixels; 600 MB as RGB
MEMORY_BUDGET = 900_000_000  # bytes that decoding a picture and converting it may take
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


class TooLarge(UserError):
    """A picture that is not decoded at once: it has too many pixels, or would take too much memory."""


#: What is in `Image.info` of an opened picture if its colours were converted.
CONVERSION = "conversion"
# Bytes that Pillow takes for a pixel of a mode; all others take 1 or 2.
_BYTES = {"RGB": 4, "RGBA": 4, "RGBX": 4, "CMYK": 4, "YCbCr": 4, "LAB": 4, "I": 4, "F": 4, "LA": 4, "PA": 4}
_RGB_BYTES = 4
_BUFFERED = ("WEBP", "AVIF", "HEIF")  # whole pictures lie in two more buffers while these are decoded


def open_picture(path: str | os.PathLike[str], decode_budget: int = DECODE_BUDGET) -> Image.Image:
    """Read a picture as upright sRGB; of a file with several frames or pages the one that `#2` names.

    Of a video it is the sheet of its frames, or of those that `@10-20` names (`film.open_film`).

    EXIF orientation is applied, so every box in this program is in the frame a person sees. Colours are
    converted as `colour.to_srgb` says; `conversion_of` tells whether they were. Size and memory are checked
    before anything is decoded.

    Raises:
        UserError: the file is missing, is not a picture, is damaged, is too small, too thin, or has more than
            `decode_budget` pixels; or it holds several frames and none is named.
    """
    if (clip := split_clip(path)) is not None:
        from mini_o3.vision.film import open_film

        return open_film(*clip)
    file_path, number = split_frame(path)
    with open_file(file_path) as file:
        return read_picture(file_path, file, number, decode_budget)


def read_picture(
    name: Path, file: BinaryIO, number: int | None = None, decode_budget: int = DECODE_BUDGET
) -> Image.Image:
    """The same from a file that is open, such as a member of an archive; messages call it `name`.

    Raises:
        UserError: as `open_picture`.
    """
    with one_line_of(name, decode_budget):
        _silence_libtiff()
        head = file.read(others.HEAD)
        if not head:
            raise UserError(f"{name}: the file is empty; get a fresh copy")
        file.seek(0)
        if others.is_pdf(head):
            page = others.page_of(name, file, number, decode_budget)
            check_size(name, page.size, decode_budget)
            return page
        try:
            return _decode(name, file, number, decode_budget)
        except ValueError as error:
            if "MAX_TEXT" not in str(error):
                raise
        short, profile = others.without_text(file)
        return _decode(name, short, number, decode_budget, profile)


def decode_tile(path: Path, most: int) -> Image.Image:
    """A tile of a picture as RGB, of whatever shape.

    Raises:
        UserError: it is not a picture, is damaged, or has more than `most` pixels.
    """
    with open_file(path) as file, one_line_of(path, most), image_file(path, file) as opened:
        if opened.size[0] * opened.size[1] > most:
            raise Image.DecompressionBombError
        opened.load()
        profile = opened.info.get("icc_profile")
        return to_srgb(opened, profile if isinstance(profile, bytes) else None)[0]


def conversion_of(picture: Image.Image) -> str:
    """What was done to the colours of an opened picture, in words; empty if nothing worth a note."""
    return str(picture.info.get(CONVERSION, ""))


@contextmanager
def image_file(path: Path, file: BinaryIO) -> Iterator[Image.Image]:
    """A picture file as Pillow opens it: its header is read, nothing is decoded."""
    head = file.read(others.HEAD)
    file.seek(0)
    formats: tuple[str, ...] = FORMATS
    if others.is_heic(head):
        others.allow_heic(path)
        formats = (*FORMATS, "HEIF")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # bombs: our own budget decides; odd EXIF: nobody can act on it
        with Image.open(file, formats=formats) as opened:
            yield opened


def _decode(
    path: Path, file: BinaryIO, number: int | None, decode_budget: int, profile: bytes | None = None
) -> Image.Image:
    # From a file object: Pillow maps plain files into memory, and then some TIFFs come out unturned.
    with image_file(path, file) as opened:
        check_size(path, opened.size, decode_budget)
        choose_frame(path, opened, number)
        check_size(path, opened.size, decode_budget)
        _check_memory(path, opened)
        opened.load()
        profile = profile or opened.info.get("icc_profile")
        picture, note = to_srgb(upright(opened), profile if isinstance(profile, bytes) else None)
    picture.info = {CONVERSION: note} if note else {}
    return picture


@contextmanager
def one_line_of(path: Path, decode_budget: int = DECODE_BUDGET) -> Iterator[None]:
    """Whatever a decoder raises becomes one line that names the file."""
    try:
        yield
    except UnidentifiedImageError:
        raise UserError(
            f"{path}: not a picture that can be read; give a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} file"
        ) from None
    except Image.DecompressionBombError:
        raise TooLarge(
            f"{path}: more than the {decode_budget:,} pixels that are decoded; scale it down first"
        ) from None
    except UserError:
        raise
    except Exception as error:  # damage: decoders raise whatever they stumble over
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: the picture is damaged or cut off ({reason}); get a fresh copy") from None


@cache
def _silence_libtiff() -> None:
    """Take away libtiff's own handlers, which print; what it finds comes back to Pillow all the same."""
    for library in Path(PIL.__file__).parent.parent.glob("[pP]illow.libs/libtiff*"):
        try:
            loaded = ctypes.CDLL(str(library))
            loaded.TIFFSetErrorHandler(None)
            loaded.TIFFSetWarningHandler(None)
        except (OSError, AttributeError):  # another build of it: its lines are a blemish, no fault
            continue


def upright(opened: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says. Only that tag is read: one odd tag elsewhere must not spoil the
    picture."""
    if opened.format == "TIFF":
        return opened  # Pillow has turned it while loading
    turn = _TURNS.get(orientation(opened))
    return opened if turn is None else opened.transpose(turn)


def orientation(opened: Image.Image) -> int:
    """The EXIF orientation of a picture, 1 to 8; 1 (upright) where there is none that can be read."""
    try:
        turn = int(opened.getexif().get(_ORIENTATION, 1))
    except Exception:  # whatever a damaged EXIF block makes Pillow raise
        return 1
    return turn if 1 <= turn <= 8 else 1


def _check_memory(path: Path, opened: Image.Image) -> None:
    """Raises: UserError: decoding and converting it would take more than `MEMORY_BUDGET`."""
    pixels, each = opened.size[0] * opened.size[1], _BYTES.get(opened.mode, 2 if ";" in opened.mode else 1)
    # Pillow decodes a PNG to tell how it is turned.
    is_turned = opened.format not in ("TIFF", "PNG") and orientation(opened) != 1
    is_plain = opened.mode == "RGB" and "transparency" not in opened.info and not is_turned
    needed = pixels * (each + (0 if is_plain else _RGB_BYTES) + (8 if opened.format in _BUFFERED else 0))
    if needed > MEMORY_BUDGET:
        raise TooLarge(
            f"{path}: {opened.size[0]} x {opened.size[1]} ({opened.format}, {opened.mode}) takes"
            f" {needed // 10**6:,} MB to decode, more than the {MEMORY_BUDGET // 10**6:,} MB that are taken;"
            " scale it down first or save it as RGB"
        )


def check_size(path: Path | str, size: tuple[int, int], decode_budget: int) -> None:
    width, height = size
    if width * height > decode_budget:
        raise TooLarge(
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

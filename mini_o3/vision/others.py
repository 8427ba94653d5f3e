"""Files that Pillow does not read: HEIC photos and pages of PDFs, by extras; PNGs with large texts."""

from __future__ import annotations

import io
import math
import threading
import zlib
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from mini_o3.kit.extras import require
from mini_o3.vision.frames import check_frame

HEAD = 64  # bytes that tell what a file is
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
_PNG = b"\x89PNG\r\n\x1a\n"
_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_MOST_PROFILE = 32 << 20  # bytes of a colour profile
_DOTS = 200  # per inch, at which a page is drawn
_one_at_a_time = threading.Lock()  # pdfium is not made for threads


def is_heic(head: bytes) -> bool:
    """Whether a file begins as a HEIC photo does."""
    kinds = head[16:HEAD] if head[8:12] in (b"mif1", b"msf1") else b""
    return head[4:8] == b"ftyp" and (head[8:12] in _HEIC or any(kind in kinds for kind in _HEIC))


def is_pdf(head: bytes) -> bool:
    return head.lstrip().startswith(b"%PDF")


def allow_heic(path: Path) -> None:
    """Let Pillow open HEIC files.

    Raises:
        UserError: the extra that reads them is not installed.
    """
    require("heic", f"{path}: a HEIC photo")
    import pillow_heif

    pillow_heif.register_heif_opener()


def page_of(path: Path, file: BinaryIO, number: int | None, most_pixels: int) -> Image.Image:
    """A page of a PDF as RGB, at 200 dots per inch or as `most_pixels` allow.

    Raises:
        UserError: the extra is not installed, or it has several pages and no number says which one.
    """
    require("pdf", f"{path}: a PDF")
    import pypdfium2

    with _one_at_a_time, pypdfium2.PdfDocument(file) as document:
        check_frame(path, len(document), number, "pages")
        page = document[(number or 1) - 1]
        width, height = page.get_size()
        scale = min(_DOTS / 72, math.sqrt(most_pixels / max(width * height, 1.0)))
        return Image.Image.convert(page.render(scale=scale).to_pil(), "RGB")


def count_pages(file: BinaryIO) -> int:
    """Of a PDF; the extra has to be installed."""
    import pypdfium2

    with _one_at_a_time, pypdfium2.PdfDocument(file) as document:
        return len(document)


def without_text(file: BinaryIO) -> tuple[BinaryIO, bytes | None]:
    """A PNG without its texts and colour profile, which may be larger than Pillow takes, and the profile.

    Another kind of file comes back as it is.
    """
    file.seek(0)
    if file.read(len(_PNG)) != _PNG:
        file.seek(0)
        return file, None
    kept, profile = io.BytesIO(), None
    kept.write(_PNG)
    while len(head := file.read(8)) == 8:
        size, name = int.from_bytes(head[:4], "big"), head[4:]
        content = file.read(size + 4)
        if name == b"iCCP":
            packed = content[:-4].partition(b"\0")[2][1:]
            profile = zlib.decompressobj().decompress(packed, _MOST_PROFILE)
        elif name not in _TEXT:
            kept.write(head + content)
    kept.seek(0)
    return kept, profile

"""How many pictures a file holds: pages of a PDF or TIFF, frames of an animation."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from mini_o3.kit.extras import require
from mini_o3.vision import others
from mini_o3.vision.frames import frame_count
from mini_o3.vision.picture import image_file, one_line_of

#: Endings of files that may hold several pictures; of others nobody has to look.
SUFFIXES = frozenset((".pdf", ".tif", ".tiff", ".gif", ".webp", ".png", ".avif"))


def count_pictures(name: Path, file: BinaryIO) -> int:
    """The number of pictures in an open file; they are `name#1`, `name#2` and so on.

    Raises:
        UserError: it is no picture, or the extra that reads PDFs is missing.
    """
    head = file.read(others.HEAD)
    file.seek(0)
    with one_line_of(name):
        if others.is_pdf(head):
            require("pdf", f"{name}: a PDF")
            return others.count_pages(file)
        with image_file(name, file) as opened:
            return frame_count(opened)

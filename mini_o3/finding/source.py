"""One picture that is searched: a file, a member of an archive, a page or a frame."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from mini_o3.finding.archives import Archive
from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import open_file
from mini_o3.vision.base import Picture, held
from mini_o3.vision.deepzoom import SUFFIX as DEEP_ZOOM
from mini_o3.vision.load import load_picture
from mini_o3.vision.picture import TooLarge, read_picture
from mini_o3.vision.small import read_small


@dataclass(frozen=True, slots=True)
class Source:
    """One picture to be searched.

    Attributes:
        name: what it is called in messages and results: its path, and in an archive `photos.zip!/name`.
        path: the file that is read: the picture, or the archive it is in.
        stamp: bytes and time of change (ns) when it was listed; another stamp is another picture.
        frame: number of the page or frame in its file, from 1; None for the only one.
        archive, place: where in the archive it is.
        time: seconds from the beginning of its clip, of a frame of a video.
    """

    name: str
    path: Path
    stamp: tuple[int, int]
    frame: int | None = None
    archive: Archive | None = None
    place: Any = None
    time: float | None = None

    def file(self) -> BinaryIO:
        """The bytes of its file.

        Raises:
            UserError: it can no longer be read.
        """
        if self.archive is None:
            return open_file(self.path)
        try:
            return self.archive.open(self.place)
        except UserError as error:
            raise UserError(f"{self.name}: {error}") from None

    def picture(self) -> Picture:
        """The upright picture.

        Raises:
            UserError: as `vision.load_picture`; a member of an archive has to fit into memory.
        """
        if self.archive is None:
            return load_picture(self.path if self.frame is None else f"{self.path}#{self.frame}")
        with self.file() as file:
            return held(read_picture(Path(self.name), file, self.frame))

    @property
    def is_deep_zoom(self) -> bool:
        """Whether its file only says how large it is, and its pixels are in a folder of tiles."""
        return suffix_of(self.name) == DEEP_ZOOM

    def small(self, file: BinaryIO, side: int = 128) -> tuple[Image.Image, tuple[int, int]]:
        """It in few pixels, from its opened file, and the size of the whole (`vision.small.read_small`)."""
        try:
            if not self.is_deep_zoom:
                return read_small(Path(self.name), file, self.frame, side)
        except TooLarge:
            if self.archive is not None:
                raise
        picture = self.picture()
        return picture.thumbnail(side), picture.size


def suffix_of(name: str) -> str:
    """The ending of a file name, in small letters and with its dot."""
    return os.path.splitext(name)[1].lower()

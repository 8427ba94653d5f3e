"""The pictures of a server: uploaded ones, checked before they are decoded and kept by content, and those of
its folders."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from mini_o3.kit.errors import UserError
from mini_o3.kit.files import make_folder, write_bytes
from mini_o3.serve.pyramid import Pyramid
from mini_o3.vision import Picture, load_picture, open_picture

_KEPT = 10_000_000_000  # bytes of uploaded files
_ALIVE = 200_000_000  # pixels of decoded pictures that are kept at the same time


class Pictures:
    """The pictures of a server, by the hash of their bytes; the last used ones stay decoded."""

    def __init__(self, folder: Path, most_pixels: int) -> None:
        self.folder, self.most_pixels = folder, most_pixels
        self._lent: dict[str, Path] = {}  # pictures of folders that are shown, and not copied
        self._decoded: OrderedDict[str, Pyramid] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, data: bytes) -> str:
        """Keep a picture and return its id.

        Raises:
            UserError: it is not a picture that can be searched.
        """
        digest = hashlib.sha256(data).hexdigest()[:32]
        path = self.path(digest)
        if not path.exists():
            make_folder(self.folder)
            if sum(file.stat().st_size for file in self.folder.iterdir()) + len(data) > _KEPT:
                raise UserError(
                    f"the server keeps at most {_KEPT:,} bytes of pictures; ask its owner for room"
                )
            part = self.folder / f"{digest}.{uuid4().hex}.part"
            part.write_bytes(data)
            try:
                open_picture(part, self.most_pixels)
            except UserError as error:
                raise UserError(str(error).replace(str(part), "the picture")) from None
            finally:
                part.unlink()
            write_bytes(path, data)
        return digest

    def lend(self, path: Path) -> str:
        """An id for a picture that stays where it is."""
        digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]
        self._lent[digest] = path
        return digest

    def path(self, digest: str) -> Path:
        """Where a picture lies.

        Raises:
            KeyError: this cannot be the id of a picture.
        """
        if len(digest) != 32 or not all(letter in "0123456789abcdef" for letter in digest):
            raise KeyError(digest)
        return self._lent.get(digest, self.folder / digest)

    def file(self, digest: str) -> tuple[Path, Callable[[], Picture]]:
        """The file of a picture, and how to get the picture in it (which raises UserError if it is damaged).

        Raises:
            KeyError: there is no such picture.
        """
        path = self.path(digest)
        if not path.is_file():
            raise KeyError(digest)

        def opened() -> Picture:
            try:
                return self.pyramid(digest).original
            except KeyError:
                raise UserError(f"{path.name}: cannot be opened as a picture") from None

        return path, opened

    def pyramid(self, digest: str) -> Pyramid:
        """The picture, decoded.

        Raises:
            KeyError: there is no such picture.
        """
        path = self.path(digest)
        return self.opened(digest, path)

    def opened(self, name: str, path: Path) -> Pyramid:
        """The picture of a file, decoded once for all who look at it; `name` tells it from others.

        Raises:
            KeyError: it is not there, or cannot be opened any more.
        """
        with self._lock:
            if name in self._decoded:
                self._decoded.move_to_end(name)
                return self._decoded[name]
            try:
                pyramid = Pyramid(load_picture(path))
            except UserError:
                raise KeyError(name) from None
            self._decoded[name] = pyramid
            while len(self._decoded) > 1 and self._pixels() > _ALIVE:
                self._decoded.popitem(last=False)
            return pyramid

    def _pixels(self) -> int:
        return sum(one.pixels for one in self._decoded.values())

"""Which picture a foreign record is about: the one the user names, one in the record, or one in the user's
folder."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from pathlib import Path

from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.files import write_bytes

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif")


class Pictures:
    """Finds pictures. What is embedded in a log is written to `scratch`, named by its content, so equal ones
    are one file."""

    def __init__(self, scratch: Path, picture: Path | None = None, folder: Path | None = None) -> None:
        """`picture`: the one all records are about; `folder`: where to look for others by name.

        Raises:
            UserError: there is no such file or folder.
        """
        if picture is not None and not picture.is_file():
            raise SettingError("picture", "no such file", picture)
        if folder is not None and not folder.is_dir():
            raise SettingError("pictures", "no such folder", folder)
        self.scratch, self.picture, self.folder = scratch, picture, folder
        self._by_stem: dict[str, Path] = {}
        self._by_name: dict[str, Path] = {}
        for path in sorted(folder.rglob("*")) if folder else ():
            if path.suffix.lower() in _SUFFIXES:
                self._by_stem.setdefault(path.stem, path)
                self._by_name.setdefault(path.name, path)

    def find(self, where: str, named: Sequence[str], beside: Path, *names: str) -> Path:
        """The picture of one record.

        Args:
            where: file and line, for messages.
            named: what the record calls its picture: a data URL, or a path taken from `beside`; the first one
                there counts.
            names: names by which it may lie in the user's folder, without a suffix.

        Raises:
            UserError: it is not known.
        """
        if self.picture is not None:
            return self.picture
        for name in named:
            if name.startswith("data:"):
                return self._unpacked(where, name)
            path = beside / name.removeprefix("file://")
            if path.is_file():
                return path
            if Path(name).name in self._by_name:
                return self._by_name[Path(name).name]
        for name in names:
            if name in self._by_stem:
                return self._by_stem[name]
        told = f"its picture {short(named[0])} is not there" if named else "it does not tell its picture"
        raise UserError(
            f"{where}: {told}; give the file as `picture`, or a folder with a file of that name as `pictures`"
        )

    def _unpacked(self, where: str, url: str) -> Path:
        head, comma, body = url.partition(",")
        try:
            if not comma or not head.endswith(";base64"):
                raise ValueError("not in base64")
            data = base64.b64decode(body, validate=True)
        except (ValueError, binascii.Error) as error:
            raise UserError(f"{where}: the picture in its data URL cannot be read ({error})") from None
        path = self.scratch / f"{hashlib.sha256(data).hexdigest()[:20]}.img"
        if not path.exists():
            write_bytes(path, data)
        return path


def short(name: str) -> str:
    """A reference as it fits into a line."""
    return name if len(name) <= 80 else f"{name[:77]}..."

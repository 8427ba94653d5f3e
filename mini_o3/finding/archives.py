"""Pictures inside zip and tar archives. Nothing is unpacked to the names that an archive gives."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, cast

from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import open_file

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MEMBER_BYTES = 512_000_000  # of one member, unpacked
# An archive may unpack to so many times its size and so many bytes more; pictures hardly shrink in archives.
_TIMES, _MORE = 100, 100_000_000
_CHUNK = 1 << 20
_DAMAGE = (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, zlib.error, lzma.LZMAError)
_ODD = (tarfile.TarError, EOFError, ValueError, OverflowError, IndexError, UnicodeError)


class Member(NamedTuple):
    """A regular file in an archive: its name there, its place for `Archive.open`, and its size unpacked."""

    name: str
    place: Any
    size: int


class Archive(Protocol):
    """An open archive. `open` may be called from several threads.

    Attributes:
        damage: what was wrong with it, if it could not be listed to its end; else None.
    """

    damage: str | None

    def members(self) -> Iterator[Member]: ...

    def open(self, place: Any) -> BinaryIO: ...

    def close(self) -> None: ...


def is_archive(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def allowance(path: Path) -> int:
    """Bytes to which an archive may unpack."""
    return _TIMES * path.stat().st_size + _MORE


def open_archive(path: Path, name: str, scratch: Path | None = None) -> Archive:
    """Open an archive by the ending of its `name`, under which it is known in messages.

    A compressed tar is unpacked into a file without a name in `scratch`, which goes away with this program.

    Raises:
        UserError: it is no such archive, or unpacks to more than its `allowance`.
    """
    return _Zip(path, name) if name.lower().endswith(".zip") else _Tar(path, name, scratch)


class _Zip:
    def __init__(self, path: Path, name: str) -> None:
        self.damage: str | None = None
        try:
            self.file = zipfile.ZipFile(open_file(path))
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{name}: not a readable zip archive ({error}); get a fresh copy") from None

    def members(self) -> Iterator[Member]:
        for info in self.file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if not info.is_dir() and kind in (0, stat.S_IFREG):
                yield Member(info.filename, info, info.file_size)

    def open(self, place: Any) -> BinaryIO:
        try:
            with self.file.open(place) as member:
                return io.BytesIO(member.read(MEMBER_BYTES))
        except _DAMAGE as error:
            raise UserError(f"cannot be unpacked ({error}); get a fresh copy of the archive") from None
        except RuntimeError:
            raise UserError("is encrypted; unpack it yourself and give the folder") from None

    def close(self) -> None:
        self.file.close()


class _Tar:
    def __init__(self, path: Path, name: str, scratch: Path | None) -> None:
        self.damage: str | None = None
        self.file = open_file(path)
        opener = _opener(name.lower())
        if opener is not None:
            with self.file as packed:
                self.file = _unpacked(name, opener(packed), allowance(path), scratch)
        self.number = self.file.fileno()

    def members(self) -> Iterator[Member]:
        try:
            with tarfile.open(fileobj=self.file, mode="r:") as tar:
                for info in tar:
                    if info.isreg() and not info.issparse():
                        yield Member(info.name, (info.offset_data, info.size), info.size)
        except _ODD as error:
            self.damage = f"is damaged or no tar archive ({' '.join(str(error).split()) or 'cut off'})"

    def open(self, place: Any) -> BinaryIO:
        offset, size = place
        content = os.pread(self.number, min(size, MEMBER_BYTES), offset)
        if len(content) < size:
            raise UserError("is cut off with its archive; get a fresh copy of that")
        return io.BytesIO(content)

    def close(self) -> None:
        self.file.close()


def _opener(name: str) -> Any:
    if name.endswith("gz"):
        return lambda file: gzip.GzipFile(fileobj=file)
    if name.endswith("bz2"):
        return bz2.BZ2File
    return lzma.LZMAFile if name.endswith("xz") else None


def _unpacked(name: str, packed: Any, room: int, scratch: Path | None) -> BinaryIO:
    plain = cast(BinaryIO, tempfile.TemporaryFile(dir=scratch))  # noqa: SIM115, closed with the archive
    try:
        while chunk := packed.read1(_CHUNK):
            room -= len(chunk)
            if room < 0:
                raise UserError(f"{name}: unpacks to more than {_TIMES} times its size; it is not searched")
            plain.write(chunk)
    except _DAMAGE as error:
        if getattr(error, "errno", None):  # the disk, not the archive
            plain.close()
            raise
        # What came before is read; the tar says that it ends too early.
    except UserError:
        plain.close()
        raise
    plain.flush()
    plain.seek(0)
    return plain

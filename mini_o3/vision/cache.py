"""Pyramids of large pictures on disk, by the content of the file they were made from."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import open_file

FOLDER_VARIABLE, LIMIT_VARIABLE = "MINI_O3_CACHE", "MINI_O3_CACHE_GB"
_LIMIT_GB = 20.0
_BLOCK = 1 << 20
_ABANDONED = 24 * 3600  # seconds after which a file that is being written was left by a kill


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with open_file(path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


#: Names of what is kept, and of what is being written; nothing else is ever removed.
_OURS = re.compile(r"[0-9a-f]{64}-\d+\.tif|\.[0-9a-f]{64}-\d+\.tif\.\d+\.part")


class PyramidCache:
    """A folder of pyramids with a limit on its size; what was used longest ago goes first.

    The folder is that of the variable MINI_O3_CACHE, else `~/.cache/mini_o3`; the limit in gigabytes is
    that of MINI_O3_CACHE_GB, else 20. Nothing is written before a picture needs it.
    """

    def __init__(self, folder: Path | None = None, limit: int | None = None) -> None:
        """`limit` is in bytes.

        Raises:
            UserError: the variable for the limit holds no number.
        """
        self.folder = (folder or _default_folder()) / "pyramids"
        self.limit = _default_limit() if limit is None else limit

    def find(self, name: str) -> Path | None:
        """The file of that name, noted as used now; None if it is not there."""
        path = self.folder / name
        if not path.is_file():
            return None
        with suppress(OSError):  # a cache that may only be read is as good; nothing is evicted from it
            os.utime(path)
        return path

    def add(self, name: str, write: Callable[[Path], None]) -> Path:
        """Let `write` fill a file, put it in place in one step, and make room by removing others.

        Raises:
            UserError: it cannot be written here: the disk is full, or the folder may not be written to.
        """
        path = self.folder / name
        part = self.folder / f".{name}.{os.getpid()}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.touch()
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from None
        try:
            write(part)
            os.replace(part, path)
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from None
        except UserError:
            if self._is_full():
                raise self._unusable("no space is left on its disk") from None
            raise
        finally:
            part.unlink(missing_ok=True)
        self._evict(path)
        return path

    def _evict(self, keep: Path) -> None:
        files, now = [], time.time()
        for file in self.folder.iterdir():
            try:
                state = file.stat()
                if not _OURS.fullmatch(file.name):
                    continue
                if file.suffix == ".part" and now - state.st_mtime > _ABANDONED:
                    file.unlink()
                elif file.suffix == ".tif":
                    files.append((state.st_mtime, state.st_size, file))
            except OSError:
                continue  # another process has removed it
        total = sum(size for _, size, _ in files)
        for _, size, file in sorted(files):
            if total <= self.limit:
                return
            if file != keep:
                file.unlink(missing_ok=True)
                total -= size

    def _is_full(self) -> bool:
        try:
            state = os.statvfs(self.folder)
        except OSError:
            return False
        return state.f_bavail * state.f_frsize < _BLOCK

    def _unusable(self, reason: str) -> UserError:
        return UserError(
            f"{self.folder}: pictures this large need room for their tiles there, and it cannot be written"
            f" ({reason}); make room, or name another folder in {FOLDER_VARIABLE}"
        )


def _default_folder() -> Path:
    named = os.environ.get(FOLDER_VARIABLE)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(named).expanduser() if named else Path(base).expanduser() / "mini_o3"


def _default_limit() -> int:
    text = os.environ.get(LIMIT_VARIABLE, str(_LIMIT_GB))
    try:
        limit = float(text)
    except ValueError:
        limit = -1.0
    if not limit >= 0:
        raise UserError(f"{LIMIT_VARIABLE}: {text!r} is not a number of gigabytes; give one such as 20")
    return int(limit * 1e9)

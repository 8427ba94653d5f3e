"""Where the pictures are: folders, files, patterns of names and archives, and what of them is left out.

Nothing outside what was named is read: links are followed where they lead back inside, and only regular files
are opened.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from mini_o3.finding.archives import MEMBER_BYTES, Archive, allowance, is_archive, open_archive
from mini_o3.finding.source import Source, suffix_of
from mini_o3.kit.errors import UserError
from mini_o3.kit.printable import one_line
from mini_o3.kit.reading import open_file
from mini_o3.vision.deepzoom import SUFFIX as DEEP_ZOOM
from mini_o3.vision.frames import is_clip, split_frame
from mini_o3.vision.pages import SUFFIXES as page_suffixes
from mini_o3.vision.pages import count_pictures

MOST_PAGES = 5000  # of one file
RESULT_FILE = "find.json"  # in a folder of results; such folders are not searched
SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .tif .tiff .gif .bmp .ppm .pgm .pbm .pnm .avif .heic .heif .pdf".split()
)
# How files begin that are pictures under whatever name.
_MAGIC = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8|RIFF....WEBP|II\*\0|MM\0\*|....ftyp(?:avif|heic|heix|mif1)", re.S
)


@dataclass(slots=True)
class Sources:
    """What was named, taken apart; use it in `with`, so that its archives are closed.

    Attributes:
        pictures: in the order of their names, numbers in them by value.
        clips: videos, whose frames are taken in later.
        left_out: what is no picture or must not be read: the kind in words -> how many.
        bad: what should be readable and is not: name -> why.
    """

    pictures: list[Source] = field(default_factory=list)
    clips: list[Source] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    bad: dict[str, str] = field(default_factory=dict)
    archives: list[Archive] = field(default_factory=list)

    def __enter__(self) -> Sources:
        return self

    def __exit__(self, *_: object) -> None:
        for archive in self.archives:
            archive.close()


def list_sources(
    places: Iterable[str | os.PathLike[str]], *, skip: Path, scratch: Path | None = None
) -> Sources:
    """All pictures in the named files, folders, archives and patterns (`photos/**/*.jpg`).

    Args:
        skip: a folder that is not searched: that of the results.
        scratch: where compressed tar archives are unpacked, into files without a name.

    Raises:
        UserError: something named is not there, a pattern fits nothing, or there is no picture at all.
    """
    lister = _Lister(os.path.realpath(skip), scratch)
    try:
        for place in places:
            lister.add(os.fspath(place))
        found = lister.found
        if not (found.pictures or found.clips):
            why = "; ".join([*left_out_words(found.left_out), *found.bad.values()][:5])
            raise UserError(f"{', '.join(map(str, places))}: no picture there" + (f" ({why})" if why else ""))
    except BaseException:
        lister.found.__exit__()
        raise
    return found


def left_out_words(left_out: Counter[str]) -> list[str]:
    """What was left out, one line for each kind."""
    return [f"{count} {kind}" for kind, count in left_out.most_common()]


class _Lister:
    def __init__(self, skip: str, scratch: Path | None) -> None:
        self.skip, self.scratch = skip, scratch
        self.found = Sources()
        self.names: set[str] = set()
        self.folders: set[tuple[int, int]] = set()

    def add(self, place: str) -> None:
        if os.path.isdir(place):
            self._folder(place, os.path.realpath(place))
        elif os.path.lexists(place):
            self._file(place, os.path.realpath(place), named=True)
        elif (file := split_frame(place))[1] is not None:
            self._file(str(file[0]), os.path.realpath(file[0]), named=True, frame=file[1])
        elif glob.has_magic(place):
            self._pattern(place)
        else:
            raise UserError(f"{place}: no such file or folder; check the path")

    def _pattern(self, pattern: str) -> None:
        parts = Path(pattern).parts
        fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
        root = os.path.realpath(os.path.join(*parts[:fixed]) if fixed else ".")
        matches = sorted(glob.iglob(pattern, recursive=True), key=_natural)
        if not matches:
            raise UserError(f"{pattern}: fits no file; check the pattern")
        for match in matches:
            real = os.path.realpath(match)
            if not _is_inside(real, root):
                self.found.left_out[_OUTSIDE] += 1
            elif os.path.isdir(real):
                if "**" not in pattern:  # else what is in it fits by itself
                    self._folder(match, root)
            else:
                self._file(match, real)

    def _folder(self, folder: str, root: str) -> None:
        """Take in a folder and those below it, whose links may lead anywhere inside `root`."""
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            try:
                status = os.stat(here)
                entries = sorted(os.scandir(here), key=lambda entry: _natural(entry.name))
            except OSError as error:
                self.found.bad[here] = f"{here}: cannot be listed ({error.strerror}); change its permissions"
                continue
            if (status.st_dev, status.st_ino) in self.folders or os.path.realpath(here) == self.skip:
                continue
            self.folders.add((status.st_dev, status.st_ino))
            if any(entry.name == RESULT_FILE for entry in entries):
                self.found.left_out["folders with the results of a search"] += 1
                continue
            below = []
            deep = [entry.name for entry in entries if suffix_of(entry.name) == DEEP_ZOOM]
            tiles = {f"{os.path.splitext(name)[0]}_files" for name in deep}
            for entry in entries:
                real = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
                if entry.name.startswith("."):
                    self.found.left_out["hidden files and folders"] += 1
                elif not _is_inside(real, root) and entry.is_symlink():
                    self.found.left_out[_OUTSIDE] += 1
                elif os.path.isdir(real):
                    if entry.name not in tiles:
                        below.append(entry.path)
                else:
                    self._file(entry.path, real)
            waiting += reversed(below)

    def _file(self, name: str, real: str, *, named: bool = False, frame: int | None = None) -> None:
        """Take in a file; one that was `named` itself is never left out in silence."""
        label = name if frame is None else f"{name}#{frame}"
        if label in self.names:
            return
        self.names.add(label)
        found = self.found
        try:
            status = os.stat(real)
        except OSError as error:
            found.bad[label] = f"{label}: cannot be read ({error.strerror})"
            return
        stamp = (status.st_size, status.st_mtime_ns)
        if not stat.S_ISREG(status.st_mode):
            if named:
                found.bad[label] = f"{label}: is a device or a pipe; give a regular file"
            else:
                found.left_out["devices, pipes and sockets"] += 1
        elif is_clip(name):
            found.clips.append(Source(label, Path(real), stamp))
        elif is_archive(name):
            self._archive(name, Path(real), stamp)
        elif named or suffix_of(name) in {*SUFFIXES, DEEP_ZOOM} or _begins_as_picture(real):
            found.pictures += self._pages(Source(label, Path(real), stamp, frame))
        else:
            found.left_out[_kind(name)] += 1

    def _archive(self, name: str, path: Path, stamp: tuple[int, int]) -> None:
        found = self.found
        try:
            archive = open_archive(path, name, self.scratch)
            room = allowance(path)
        except UserError as error:
            found.bad[name] = str(error)
            return
        found.archives.append(archive)
        inside = []
        for member in archive.members():
            label = f"{name}!/{member.name}"
            base = member.name.rstrip("/").rpartition("/")[2]
            if base.startswith(".") or "__MACOSX/" in member.name:
                found.left_out["hidden files and folders"] += 1
            elif suffix_of(base) not in SUFFIXES:
                found.left_out[_kind(base)] += 1
            elif member.size > MEMBER_BYTES:
                found.bad[label] = f"{label}: unpacks to {member.size // 10**6:,} MB; it is not searched"
            elif member.size > room:
                found.bad[name] = (
                    f"{name}: unpacks to too many times its size; the rest of it is not searched"
                )
                break
            else:
                room -= member.size
                inside += self._pages(Source(label, path, stamp, None, archive, member.place))
        if archive.damage:
            found.bad[name] = f"{name}: {archive.damage}; {len(inside)} pictures before that are searched"
        found.pictures += sorted(inside, key=lambda source: _natural(source.name))

    def _pages(self, source: Source) -> list[Source]:
        """The pages or frames of a file that may hold several; else the picture itself."""
        # To look into a member is to unpack it, and animations are rare among these.
        looked_at = page_suffixes if source.archive is None else page_suffixes - {".png", ".webp", ".avif"}
        if source.frame is not None or suffix_of(source.name) not in looked_at:
            return [source]
        try:
            with source.file() as file:
                count = count_pictures(Path(source.name), file)
        except UserError:
            return [source]  # which is told when it is looked at
        if count == 1:
            return [source]
        if count > MOST_PAGES:
            self.found.left_out[f"pages beyond the first {MOST_PAGES:,}"] += count - MOST_PAGES
        return [
            replace(source, name=f"{source.name}#{number}", frame=number)
            for number in range(1, min(count, MOST_PAGES) + 1)
        ]


_OUTSIDE = "links that lead outside"


def _is_inside(real: str, root: str) -> bool:
    return real == root or real.startswith(root.rstrip(os.sep) + os.sep)


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Orders `shot2` before `shot10`."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part]


def _kind(name: str) -> str:
    """How files are counted that are no pictures: `.txt files`."""
    suffix = one_line(suffix_of(name))
    return f"{suffix} files" if 1 < len(suffix) <= 12 else "files without a known ending"


def _begins_as_picture(path: str) -> bool:
    try:
        with open_file(path) as file:
            return _MAGIC.match(file.read(16)) is not None
    except (OSError, UserError):
        return False

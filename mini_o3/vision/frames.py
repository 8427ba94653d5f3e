"""Which picture a name means: `a.gif#2` is the second frame of a file, `a.mp4@12.5` that of a clip."""

from __future__ import annotations

import os
import re
from pathlib import Path

from PIL import Image

from mini_o3.kit.errors import UserError

#: Endings of videos.
CLIPS = frozenset(".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .mts .m2ts .3gp .wmv .flv .ogv".split())
_TIMED = re.compile(r"(.+)@(\d{1,9}(?:\.\d{1,9})?)(?:-(\d{1,9}(?:\.\d{1,9})?))?", re.S)
_NUMBERED = re.compile(r"(.+)#(\d{1,9})", re.S)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/?/|data:")
_SUBFILE = 0x00FE  # TIFF tag: bit 0 says that a page is a smaller copy of another one


def split_frame(name: str | os.PathLike[str]) -> tuple[Path, int | None]:
    """The file that a name means, and the number of the frame or page in it, from 1; None if it says none.

    A file that is called so (`a#2.png`, or even `a.gif#2`) is that file.

    Raises:
        UserError: the name is an address on the network.
    """
    text = os.fspath(name)
    if _ADDRESS.match(text) and not os.path.exists(text):
        raise UserError(f"{text[:200]}: is an address; fetch the picture and give its file")
    match = _NUMBERED.fullmatch(text)
    if match and not os.path.exists(text) and os.path.exists(match[1]):
        return Path(match[1]), int(match[2])
    return Path(text), None


def is_clip(name: str) -> bool:
    """Whether a file is a video by the ending of its name."""
    return Path(name).suffix.lower() in CLIPS


def split_clip(name: str | os.PathLike[str]) -> tuple[Path, float | None, float | None] | None:
    """What a name means that is the name of a clip, else None: the file, and the span in seconds.

    `clip.mp4` is all of it, `clip.mp4@10-20` ten seconds, `clip.mp4@12.5` what is on the screen then.
    """
    text = os.fspath(name)
    if is_clip(text):
        return Path(text), None, None
    match = _TIMED.fullmatch(text)
    if match is None or not is_clip(match[1]) or os.path.exists(text):
        return None
    start = float(match[2])
    return Path(match[1]), start, start if match[3] is None else float(match[3])


def choose_frame(path: Path, opened: Image.Image, number: int | None) -> None:
    """Move to the frame with this number.

    Raises:
        UserError: there are several and no number says which one, or there is none of this number.
    """
    check_frame(path, frame_count(opened), number, "frames")
    opened.seek((number or 1) - 1)


def frame_count(opened: Image.Image) -> int:
    """How many pictures an opened file holds; a photo and smaller copies of it are one."""
    count = getattr(opened, "n_frames", 1) if getattr(opened, "is_animated", False) else 1
    if opened.format == "MPO" or (opened.format == "TIFF" and _is_pyramid(opened, count)):
        return 1
    return count


def check_frame(path: Path, count: int, number: int | None, what: str) -> None:
    """Whether `number` says which of `count` frames or pages is meant.

    Raises:
        UserError: it does not.
    """
    if number is None and count > 1:
        raise UserError(f"{path}: holds {count} {what}; say which one, from {path.name}#1 to #{count}")
    if number is not None and not 1 <= number <= count:
        raise UserError(f"{path}#{number}: there is no such one; {path.name} holds {count} {what}")


def _is_pyramid(opened: Image.Image, count: int) -> bool:
    """Whether all pages but the first say that they are smaller copies."""
    for number in range(1, min(count, 64)):
        opened.seek(number)
        if not int(opened.tag_v2.get(_SUBFILE, 0)) & 1:  # type: ignore[attr-defined]
            opened.seek(0)
            return False
    opened.seek(0)
    return True

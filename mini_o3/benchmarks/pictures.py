"""Pictures of rows: files that lie beside them or bytes inside them, checked by their header and written
once."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from PIL import Image

from mini_o3.benchmarks.rows import BadRow, NoPicture
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import write_atomically
from mini_o3.kit.reading import open_file
from mini_o3.vision import DECODE_BUDGET, MAX_ASPECT, MIN_SIDE, open_picture
from mini_o3.vision.frames import choose_frame, split_frame
from mini_o3.vision.others import without_text
from mini_o3.vision.picture import image_file, orientation

FOLDER = "pictures"  # inside a folder of tasks
_SUFFIXES = {
    "PNG": ".png",
    "WEBP": ".webp",
    "TIFF": ".tif",
    "GIF": ".gif",
    "BMP": ".bmp",
    "PPM": ".ppm",
    "AVIF": ".avif",
}
_TAIL = 64  # bytes in which the end mark of a picture is looked for
_ENDS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture inside a row: what its file would hold."""

    content: bytes


@dataclass(frozen=True, slots=True)
class SameAs:
    """The picture of the row of that name: tables of VLMEvalKit write a picture once and refer to it
    afterwards."""

    name: str


Picture = Path | Encoded | SameAs


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture says of itself. `size` is (width, height) upright, `stored` as the pixels lie in the
    file."""

    size: tuple[int, int]
    stored: tuple[int, int]
    turn: int = 1
    format: str = "JPEG"


@dataclass(frozen=True, slots=True)
class Placed:
    """A picture that a task can name: its path, absolute or relative to the folder of tasks."""

    path: str
    header: Header


def from_base64(text: str) -> Encoded:
    """Bytes written as base64, with or without `data:image/...;base64,` in front.

    Raises:
        BadRow: it is no base64.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRow(f"its picture is no valid base64 ({error})") from None
    if not content:
        raise BadRow("its picture is empty")
    return Encoded(content)


def from_cell(value: Any, *folders: Path) -> Picture:
    """A picture in whatever form a row has it: bytes, `{bytes, path}`, `{image: file:///...}`, a data URL, or
    a file name.

    Raises:
        BadRow: it is in none of these forms, or its file is in none of `folders`.
    """
    if isinstance(value, (list, tuple)):
        if len(value) != 1:
            raise BadRow(f"has {len(value)} pictures; a task has one")
        value = value[0]
    if isinstance(value, dict):
        value = next((value[key] for key in ("bytes", "path", "image", "url") if value.get(key)), None)
        if isinstance(value, dict):
            return from_cell(value, *folders)
    if isinstance(value, (bytes, bytearray)):
        return Encoded(bytes(value))
    if not isinstance(value, str) or not value:
        raise BadRow(f"its picture is {'empty' if not value else type(value).__name__}")
    if value.startswith("data:"):
        return from_base64(value)
    if value.startswith(("http://", "https://")):
        raise BadRow(f"its picture is the address {value[:80]}; fetch it and give the file")
    if value.startswith("file://"):
        try:
            value = unquote(urlsplit(value).path)
        except ValueError:  # a bracket that none closes
            raise BadRow(f"its picture {value[:80]!r} is no address of a file; write file:///...") from None
    return find(value, *folders)


def find(name: str, *folders: Path) -> Path:
    """The file of that name in the first of `folders` that has it; without its first folder too, which is
    often the data set's own name.

    Raises:
        NoPicture: none has it.
    """
    parts = Path(name.strip().replace("\\", "/")).parts
    shorter = [Path(*parts[1:])] if len(parts) > 1 and not Path(name).is_absolute() else []
    for folder in folders:
        for relative in [Path(*parts), *shorter] if parts else []:
            try:
                if split_frame(folder / relative)[0].is_file():
                    return Path(
                        os.path.abspath(folder / relative)
                    )  # a link keeps its name: hub caches are full of links
            except (OSError, ValueError):  # a name too long, or with a NUL
                continue
    places = ", ".join(dict.fromkeys(str(folder) for folder in folders))
    raise NoPicture(f"its picture {name[:120]!r} is not in {places}")


class PictureStore:
    """Puts pictures where tasks can name them.

    Bytes are written to `pictures/` under the hash of their content, once; files stay where they are and are
    named by their absolute path, unless `copy`. The header of every picture is read and its end looked at;
    `decode` decodes all of it.
    """

    def __init__(self, out: Path, *, copy: bool = False, decode: bool = False) -> None:
        self.out, self.copy, self.decode = out, copy, decode
        self.known: dict[str, Placed] = {}

    def place(self, picture: Path | Encoded, *, copy: bool = False) -> Placed:
        """The picture as a task names it; `copy` puts this file under its content's name too.

        Raises:
            BadRow: it is no picture, is damaged, too small, too thin or too large.
        """
        if isinstance(picture, Encoded):
            return self._keep(hashlib.sha256(picture.content).hexdigest(), picture, None)
        key = f"{picture}\0{copy or self.copy}"
        if key not in self.known:
            if copy or self.copy:
                with open_file(split_frame(picture)[0]) as content:
                    digest = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
                self.known[key] = self._keep(digest, None, picture)
            else:
                file, out = Path(os.path.abspath(picture)), Path(os.path.abspath(self.out))
                path = file.relative_to(out) if file.is_relative_to(out) else file
                self.known[key] = Placed(str(path), check(picture, decode=self.decode))
        return self.known[key]

    def _keep(self, digest: str, encoded: Encoded | None, picture: Path | None) -> Placed:
        file, frame = split_frame(picture) if picture else (None, None)
        digest = f"{digest}#{frame}" if frame else digest
        if digest in self.known:
            return self.known[digest]
        assert encoded or file, "one of the two is given"
        source: BinaryIO = io.BytesIO(encoded.content) if encoded else open_file(cast(Path, file))
        with source:
            header = read_header(source, frame)
        name = f"{FOLDER}/{digest[:20]}{_SUFFIXES.get(header.format, '.jpg')}"
        if not (self.out / name).exists():

            def write(part: Path) -> None:
                if encoded:
                    part.write_bytes(encoded.content)
                else:
                    shutil.copyfile(str(file), part)
                check(part.with_name(f"{part.name}#{frame}") if frame else part, decode=self.decode)

            write_atomically(self.out / name, write)
        self.known[digest] = Placed(f"{name}#{frame}" if frame else name, header)
        return self.known[digest]


def check(path: Path, *, decode: bool = False) -> Header:
    """The header of a picture file that can be used.

    It is decoded only if its size is suspicious, if it does not end as a JPEG or PNG file does, or if
    `decode`.

    Raises:
        BadRow: it cannot be used.
    """
    name, frame = split_frame(path)
    try:
        with open_file(name) as file:
            header = read_header(file, frame)
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - _TAIL, 0))
            mark = _ENDS.get(header.format)
            whole = mark is not None and file.read().rstrip(b"\0").endswith(mark)
    except BadRow:
        raise
    except (OSError, UserError) as error:
        reason = str(error).rpartition(f"{name}: ")[2]
        raise BadRow(f"its picture {path.name} cannot be read ({reason})") from None
    width, height = header.size
    fits = (
        width * height <= DECODE_BUDGET
        and min(header.size) >= MIN_SIDE
        and max(header.size) < MAX_ASPECT * min(header.size)
    )
    if decode or not whole or not fits:
        try:
            open_picture(path)
        except UserError as error:
            raise BadRow(f"its picture: {str(error).removeprefix(f'{path}: ')}") from None
    return header


def read_header(file: BinaryIO, frame: int | None = None) -> Header:
    """Size, orientation and format of a picture, or of one frame of several; nothing is decoded.

    Raises:
        BadRow: it is no picture.
    """
    try:
        try:
            size, kind, turn = _opened_header(file, frame)
        except ValueError as error:
            if "MAX_TEXT" not in str(error):
                raise
            size, kind, turn = _opened_header(without_text(file)[0], frame)
    except UserError as error:
        raise BadRow(str(error)) from None
    except Image.DecompressionBombError:
        raise BadRow(
            f"its picture has more than the {DECODE_BUDGET:,} pixels that are decoded; scale it down first"
        ) from None
    except Exception as error:  # damage: decoders raise whatever they stumble over
        raise BadRow(f"its picture cannot be read ({' '.join(str(error).split())[:120]})") from None
    return Header((size[1], size[0]) if turn >= 5 else size, size, turn, kind)


def _opened_header(file: BinaryIO, frame: int | None) -> tuple[tuple[int, int], str, int]:
    with image_file(Path("its picture"), file) as opened:
        choose_frame(Path("its picture"), opened, frame)
        # Pillow gives the upright size of a TIFF.
        size, kind, turn = opened.size, str(opened.format), orientation(opened)
        return size, kind, 1 if kind == "TIFF" else turn

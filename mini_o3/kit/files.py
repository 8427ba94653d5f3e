"""Files that survive a kill: whole or not there at all, and logs of JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mini_o3.kit.errors import UserError
from mini_o3.kit.secrets import conceal


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a file beside `path`, then put it in place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole file, without the secrets that this process knows of."""
    data = conceal(text).encode("utf-8", errors="backslashreplace")
    write_atomically(path, lambda part: _discard(part.write_bytes(data)))


def write_bytes(path: Path, data: bytes) -> None:
    write_atomically(path, lambda part: _discard(part.write_bytes(data)))


def to_json(data: Any, indent: int | None = None) -> str:
    """JSON as people read it, in UTF-8; all in ASCII if a file name in it is not text."""
    text = json.dumps(data, indent=indent, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(data, indent=indent)
    return text


def write_json(path: Path, data: Any) -> None:
    write_text(path, to_json(data, indent=1) + "\n")


def append_jsonl(path: Path, row: dict[str, Any]) -> None:
    """Add one line; a line that a kill has cut off is ignored by `read_jsonl` and removed by the next
    append."""
    with path.open("ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                _mend_last_line(path)
        file.write((conceal(to_json(row)) + "\n").encode())


def _mend_last_line(path: Path) -> None:
    content = path.read_bytes()
    start = content.rfind(b"\n") + 1
    try:
        json.loads(content[start:])
    except ValueError:
        os.truncate(path, start)
    else:  # only its end is missing
        path.write_bytes(content + b"\n")


def read_jsonl(path: Path, skip_damaged: bool = False) -> list[dict[str, Any]]:
    """All rows of a file written by `append_jsonl`, but for a last line that a kill cut off; empty if there
    is no file.

    `skip_damaged` is for what can be made again.

    Raises:
        UserError: another line is damaged, which no kill does.
    """
    if not path.exists():
        return []
    rows = []
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            if line.strip():
                rows.append(json.loads(line))
        except ValueError:
            if number < len(lines) and not skip_damaged:
                raise UserError(
                    f"{path}, line {number}: is damaged; put it right, or delete the line"
                ) from None
    return rows


def make_folder(path: Path) -> Path:
    """Create an output folder.

    Raises:
        UserError: it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".write-test"
        probe.touch()
        probe.unlink(missing_ok=True)  # another process may probe the same folder
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written to ({error.strerror}); give another --out folder"
        ) from None
    return path


def _discard(_: object) -> None:
    return None

"""Files that survive a kill: whole or not there at all, and logs of JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import Made, json_lines, made_of
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


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    write_text(path, "".join(to_json(row) + "\n" for row in rows))


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
    except (ValueError, RecursionError):
        os.truncate(path, start)
    else:  # only its end is missing
        path.write_bytes(content + b"\n")


def read_jsonl(path: Path, skip_damaged: bool = False) -> list[dict[str, Any]]:
    """All rows of a file written by `append_jsonl`, but for a last line that a kill cut off; empty if there
    is no file.

    `skip_damaged` is for what can be made again.

    Raises:
        UserError: another line is damaged, which no kill does, or holds no JSON object.
    """
    return [row for _, row in numbered_rows(path, skip_damaged)]


def numbered_rows(path: Path, skip_damaged: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of `read_jsonl` one at a time, with the numbers of their lines."""
    if not path.exists():
        return
    for line in json_lines(path):
        if not line.error:
            yield line.number, line.row
        elif not (line.is_cut or skip_damaged):
            raise UserError(
                f"{path}, line {line.number}: is damaged: {line.error}; put it right, or delete the line"
            )


def read_records(path: Path, make: Callable[[dict[str, Any]], Made], what: str) -> list[Made]:
    """What `make` makes of every row of `read_jsonl`; `what` names it in messages, such as `an episode`.

    Raises:
        UserError: as `read_jsonl`, or a row is of another shape; the message names the line.
    """
    return [made_of(row, f"{path}, line {number}", make, what) for number, row in numbered_rows(path)]


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
            f"{path}: cannot be written to ({error.strerror}); give another `out` folder"
        ) from None
    return path


def _discard(_: object) -> None:
    return None

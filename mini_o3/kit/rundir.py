"""Files that survive a kill: whole or not there at all, and logs that can be cut back to a step."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mini_o3.kit.errors import UserError


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
    write_atomically(
        path, lambda part: _discard(part.write_text(text, encoding="utf-8", errors="backslashreplace"))
    )


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
        file.write((to_json(row) + "\n").encode())


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


def claim_run(
    out: Path,
    settings: dict[str, Any],
    free: Collection[str] = (),
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write `config.json` of a run, unless `out` holds a run with other settings (but for the `free` ones).

    `defaults` are those of a record that lacks a setting, since it is older. `revision` names all code that
    was at work,
    in order: who resumes a run by other code does not pass for who began it.

    Raises:
        UserError: it does, or a model that no run there has made.
    """
    path, at_work = out / "config.json", [revision()]
    if not path.exists() and (out / "model").exists():
        raise UserError(f"{out}: holds a model, but not the run that made it; give another --out folder")
    if path.exists():
        record = json.loads(path.read_text(encoding="utf-8"))
        if "config" not in record:
            raise UserError(f"{out}: holds a config.json that no run wrote; give another --out folder")
        kept = {**defaults, **record["config"]}
        changed = sorted(
            key
            for key in {*kept, *settings}
            if key not in free and not same(kept.get(key), settings.get(key))
        )
        if changed:
            raise UserError(
                f"{out}: holds a run with other settings ({', '.join(changed)}); give another --out folder"
            )
        before = record["revision"].split(", ")
        at_work = before + [code for code in at_work if code != before[-1]]
    write_json(path, {"config": settings, "revision": ", ".join(at_work)})


def same(one: Any, other: Any) -> bool:
    """Whether two settings are equal, or name one place, seen from here: `hf:runs/nano` and
    `hf:/home/me/runs/nano`."""
    return one == other or (isinstance(one, str) and isinstance(other, str) and _place(one) == _place(other))


def _place(name: str) -> tuple[str, str]:
    kind, _, where = name.rpartition(":")
    return kind, os.path.realpath(where) if where else ""


@contextmanager
def held(out: Path, wait: bool = False) -> Iterator[None]:
    """Work on a folder alone: a second process waits, or is refused, instead of doing everything twice.

    Raises:
        UserError: another process holds it, and nobody asked to `wait`.
    """
    with (make_folder(out) / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            raise UserError(
                f"{out}: another process is at work there; wait for it, or give another --out folder"
            ) from None
        yield


def cut_log(path: Path, step: int) -> list[dict[str, Any]]:
    """Cut a log of rows with a `step` back to those up to `step`, and return them."""
    rows = [row for row in read_jsonl(path) if row["step"] <= step]
    write_text(path, "".join(to_json(row) + "\n" for row in rows))
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


def revision() -> str:
    """The commit this code is at, with a plus sign if it was changed since; `unknown` outside a checkout."""
    folder = Path(__file__).parent

    def git(*args: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *args], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _discard(_: object) -> None:
    return None

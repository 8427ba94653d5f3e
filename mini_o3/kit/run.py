"""Run folders: who owns one, what made it, and logs that are cut back to a step."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mini_o3.kit.errors import UserError
from mini_o3.kit.files import make_folder, read_jsonl, write_json, write_jsonl
from mini_o3.kit.reading import read_object
from mini_o3.kit.secrets import without_credentials

#: Values of settings that older records have under another name: checkpoints that now come with the package.
RENAMED = {
    "runs/sft": "nano",
    "runs/sft/model": "nano",
    "runs/perception": "perception",
    "runs/perception/model": "perception",
    "runs/sft_guesses": "guesses",
    "runs/sft_guesses/model": "guesses",
}


def ensure_same_run(
    out: Path,
    settings: dict[str, Any],
    free: Collection[str] = (),
    defaults: Mapping[str, Any] = MappingProxyType({}),
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write `config.json` of a run, unless `out` holds a run with other settings (but for the `free` ones).

    `defaults` are the values of settings that are younger than the record, `renamed` says what settings are
    called today that an older record has by another name. `revision` in the file lists all code that was at
    work, in order.

    Raises:
        UserError: it does, or a model that no run there has made.
    """
    settings = without_secrets(settings)
    path, at_work = out / "config.json", [revision()]
    if not path.exists() and (out / "model").exists():
        raise UserError(f"{out}: holds a model, but not the run that made it; give another `out` folder")
    if path.exists():
        record = read_object(path)
        if not (isinstance(record.get("config"), dict) and isinstance(record.get("revision"), str)):
            raise UserError(f"{out}: holds a config.json that no run wrote; give another `out` folder")
        kept = {renamed.get(name, name): value for name, value in record["config"].items()}
        ensure_same_settings(out, {**defaults, **kept}, settings, free, what="a run")
        before = record["revision"].split(", ")
        at_work = before + [code for code in at_work if code != before[-1]]
    write_json(path, {"config": settings, "revision": ", ".join(at_work)})


def ensure_same_record(
    path: Path,
    settings: dict[str, Any],
    free: Collection[str] = (),
    defaults: Mapping[str, Any] = MappingProxyType({}),
    *,
    what: str,
) -> None:
    """Write settings to `path`, unless its folder holds `what` made with other settings (but for `free`).

    `defaults` are the values of settings that are younger than the record.

    Raises:
        UserError: it does.
    """
    settings = without_secrets(settings)
    if path.exists():
        kept = {**defaults, **read_object(path)}
        ensure_same_settings(path.parent, kept, settings, free, what=what)
    else:
        write_json(path, settings)


def other_settings(
    kept: Mapping[str, Any], settings: Mapping[str, Any], free: Collection[str] = ()
) -> list[str]:
    """Names of the settings that differ between two records, but for the `free` ones."""
    names = {*kept, *settings}.difference(free)
    return sorted(name for name in names if not same_settings(kept.get(name), settings.get(name)))


def same_settings(one: Any, other: Any) -> bool:
    """Whether two settings are equal or name the same place, such as `hf:runs/nano` and
    `hf:/home/me/runs/nano`."""
    one, other = without_secrets(one), without_secrets(other)
    return one == other or (isinstance(one, str) and isinstance(other, str) and _place(one) == _place(other))


def without_secrets(settings: Any) -> Any:
    """Settings with names, passwords and keys taken out of addresses, so that a new key is no other run."""
    if isinstance(settings, str):
        return without_credentials(settings)
    if isinstance(settings, Mapping):
        return {name: without_secrets(value) for name, value in settings.items()}
    return [without_secrets(value) for value in settings] if isinstance(settings, list) else settings


def ensure_same_settings(
    out: Path, kept: Mapping[str, Any], settings: Mapping[str, Any], free: Collection[str] = (), *, what: str
) -> None:
    """Refuse a folder whose record says that `what` it holds has other settings (but for `free`).

    Raises:
        UserError: it says so.
    """
    if changed := other_settings(kept, settings, free):
        raise UserError(
            f"{out}: holds {what} with other settings ({', '.join(changed)}); give another `out` folder"
        )


def _place(name: str) -> tuple[str, str]:
    kind, _, where = name.rpartition(":")
    where = RENAMED.get(where, where)
    return kind, os.path.realpath(where) if where else ""


@contextmanager
def folder_lock(out: Path, wait: bool = False) -> Iterator[None]:
    """Work on a folder alone, so that two processes do not do everything twice.

    Raises:
        UserError: another process works there, and `wait` is False; or the system has no file locks.
    """
    if find_spec("fcntl") is None:  # Windows: everything that shares no folder works there
        raise UserError(f"{out}: this system has no file locks to work on a folder alone; use WSL on Windows")
    import fcntl

    with (make_folder(out) / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            raise UserError(
                f"{out}: another process is at work there; wait for it, or give another `out` folder"
            ) from None
        yield


def cut_log(path: Path, step: int) -> list[dict[str, Any]]:
    """Cut a log of rows with a `step` back to those up to `step`, and return them."""
    rows = [row for row in read_jsonl(path) if row["step"] <= step]
    write_jsonl(path, rows)
    return rows


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

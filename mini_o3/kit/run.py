"""Run folders: who owns one, what made it, and logs that are cut back to a step."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mini_o3.kit.errors import UserError
from mini_o3.kit.files import make_folder, read_jsonl, to_json, write_json, write_text

#: Values of settings that older records have under another name: checkpoints that now come with the package.
RENAMED = {
    "runs/sft": "nano",
    "runs/sft/model": "nano",
    "runs/perception": "perception",
    "runs/perception/model": "perception",
    "runs/sft_guesses": "guesses",
    "runs/sft_guesses/model": "guesses",
}


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
    where = RENAMED.get(where, where)
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

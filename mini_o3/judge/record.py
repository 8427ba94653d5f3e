"""`verdicts.jsonl`, beside `episodes.jsonl`: one line for each episode, told by its task and its seed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from mini_o3.episode import Episode
from mini_o3.judge.chain import Judge
from mini_o3.judge.verdict import Verdict
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import read_jsonl

VERDICTS_FILE = "verdicts.jsonl"

Key = tuple[str, int]  # task id, seed


def verdict_row(key: Key, verdict: Verdict, judge: Judge, episode: Episode | None = None) -> dict[str, Any]:
    """One line of the file; with the episode, a digest of what it said, by which a verdict on another answer
    is told."""
    row: dict[str, Any] = {"task_id": key[0], "seed": key[1], **verdict.to_dict(), "judge": judge.name}
    return row | {"said": digest(episode)} if episode else row


def digest(episode: Episode) -> str:
    """Twelve hex digits of how an episode ended and what it answered."""
    return hashlib.sha256(json.dumps([episode.stop.value, episode.answer]).encode()).hexdigest()[:12]


def read_rows(path: Path) -> dict[Key, dict[str, Any]]:
    """The last line for each episode, of a file or of the one in a folder; empty if there is none.

    Raises:
        UserError: a whole line of it is not a verdict.
    """
    path = path / VERDICTS_FILE if path.is_dir() else path
    rows: dict[Key, dict[str, Any]] = {}
    for row in read_jsonl(path):
        try:
            Verdict.from_dict(row)
            rows[str(row["task_id"]), int(row["seed"])] = row
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{path}: a line is not a verdict ({error!r}); remove the file and judge again"
            ) from None
    return rows


def read_verdicts(path: Path) -> dict[Key, Verdict]:
    """The verdicts of a file, or of the one in a folder; empty if there is none.

    Raises:
        UserError: a whole line of it is not a verdict.
    """
    return {key: Verdict.from_dict(row) for key, row in read_rows(path).items()}

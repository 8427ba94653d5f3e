"""`verdicts.jsonl`, beside `episodes.jsonl`: one line for each episode, told by its task and its seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mini_o3.episode import Episode
from mini_o3.episode.store import Key
from mini_o3.judge.chain import Judge
from mini_o3.judge.verdict import Verdict
from mini_o3.kit.files import append_jsonl, read_records, write_jsonl

VERDICTS_FILE = "verdicts.jsonl"


class VerdictStore:
    """The verdicts of a file: for each episode the last one counts.

    Attributes:
        path: the file, which need not be there yet.
        rows: its line for each episode, in the order in which each was first judged.
    """

    def __init__(self, path: Path) -> None:
        """Read a file, or the one in a folder.

        Raises:
            UserError: a whole line of it is not a verdict.
        """
        self.path = path / VERDICTS_FILE if path.is_dir() else path
        self.rows = dict(read_records(self.path, _keyed, "a verdict"))

    @property
    def judges(self) -> list[str]:
        """Names of those who gave the verdicts, sorted."""
        return sorted({str(row.get("judge", "?")) for row in self.rows.values()})

    @property
    def verdicts(self) -> dict[Key, Verdict]:
        return {key: Verdict.from_dict(row) for key, row in self.rows.items()}

    def settled(self, episode: Episode) -> Verdict | None:
        """The verdict on this very answer; None if there is none yet or it is unjudged.

        A line without a digest, as collections used to write them, is taken to be about this answer.
        """
        row = self.rows.get(episode.key)
        if row is None or row.get("said", digest(episode)) != digest(episode):
            return None
        verdict = Verdict.from_dict(row)
        return verdict if verdict.is_judged else None

    def append(self, episode: Episode, verdict: Verdict, judge: Judge) -> None:
        self.rows[episode.key] = row = verdict_row(episode, verdict, judge)
        append_jsonl(self.path, row)

    def rewrite(self, verdicts: Iterable[tuple[Episode, Verdict]], judge: Judge) -> None:
        """Put these in the place of all that is there, in their order."""
        rows = [verdict_row(episode, verdict, judge) for episode, verdict in verdicts]
        write_jsonl(self.path, rows)
        self.rows = {(row["task_id"], row["seed"]): row for row in rows}


def verdict_row(episode: Episode, verdict: Verdict, judge: Judge) -> dict[str, Any]:
    """One line of the file, with a digest by which a verdict on another answer is told."""
    task_id, seed = episode.key
    data = {"task_id": task_id, "seed": seed, **verdict.to_dict(), "judge": judge.name}
    return data | {"said": digest(episode)}


def digest(episode: Episode) -> str:
    """Twelve hex digits of how an episode ended and what it answered."""
    return hashlib.sha256(json.dumps([episode.stop.value, episode.answer]).encode()).hexdigest()[:12]


def _keyed(row: dict[str, Any]) -> tuple[Key, dict[str, Any]]:
    Verdict.from_dict(row)
    return (str(row["task_id"]), int(row["seed"])), row

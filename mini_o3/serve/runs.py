"""Recorded sets below the folders that the server was given: found, listed page by page, filtered."""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mini_o3.episode import EPISODES_FILE, Episode, SearchTask, Status, read_tasks
from mini_o3.episode.store import read_episodes
from mini_o3.episode.task import TASKS_FILE
from mini_o3.judge.record import VerdictStore
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import read_jsonl
from mini_o3.serve.settings import ServeSettings

METRICS_FILE = "metrics.jsonl"
_DEPTH = 6  # folders below a root that are looked into
_MOST_RUNS = 2000
_LOADED = 8  # sets whose episodes stay in memory

#: What a list can be narrowed to: name on the page.
FILTERS = ("right", "wrong", "unjudged", "over-turn", "malformed", "not_found", "gave_up", "failed")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A folder with episodes (`kind` "episodes") or with the metrics of a training (`kind` "training")."""

    id: str
    name: str
    folder: Path
    kind: str


class Runs:
    """All recorded sets of a server. Links are followed only to places below the same folder."""

    def __init__(self, settings: ServeSettings) -> None:
        self.roots = [root.resolve() for root in (*settings.runs, settings.data)]
        self._known: dict[str, Recorded] = {}  # as they were found the last time
        self.readable = [*self.roots, *(folder.resolve() for folder in settings.pictures)]
        self._loaded: OrderedDict[str, tuple[float, list[dict[str, Any]], list[Episode]]] = OrderedDict()

    def all(self) -> list[Recorded]:
        """What there is now, the latest first."""
        found: dict[str, tuple[float, Recorded]] = {}
        for root in self.roots:
            for folder, kind, path in _recorded_in(root):
                name = f"{root.name}/{folder.relative_to(root)}" if folder != root else root.name
                key = hashlib.sha256(f"{kind}:{folder}".encode()).hexdigest()[:16]
                found[key] = (path.stat().st_mtime, Recorded(key, name, folder, kind))
                if len(found) >= _MOST_RUNS:
                    break
        self._known = {key: one for key, (_, one) in found.items()}
        return [one for _, one in sorted(found.values(), key=lambda item: -item[0])]

    def get(self, key: str) -> Recorded:
        """
        Raises:
            KeyError: there is no such set (any more).
        """
        known = self._known.get(key)
        if known is None or not known.folder.is_dir():
            self.all()
        return self._known[key]

    def rows(self, key: str) -> list[dict[str, Any]]:
        """A short row for every episode of a set, in its order.

        Raises:
            KeyError: there is no such set.
            UserError: its file cannot be read.
        """
        return self._load(key)[0]

    def episode(self, key: str, number: int) -> Episode:
        """
        Raises:
            KeyError: there is no such set or episode.
        """
        episodes = self._load(key)[1]
        if not 0 <= number < len(episodes):
            raise KeyError(number)
        return episodes[number]

    def picture(self, key: str, number: int) -> Path:
        """The file of an episode's picture, as it was named or beside the records.

        Raises:
            KeyError: it is not there, or not below a folder that the server was given.
        """
        recorded, named = self.get(key), Path(self.episode(key, number).picture)
        for path in (named, recorded.folder / named, recorded.folder / named.name):
            if path.is_file() and any(path.resolve().is_relative_to(root) for root in self.readable):
                return path
        raise KeyError(str(named))

    def metrics(self, key: str) -> list[dict[str, Any]]:
        """The rows of a training.

        Raises:
            KeyError: there is no such training.
        """
        return read_jsonl(self.get(key).folder / METRICS_FILE)

    def _load(self, key: str) -> tuple[list[dict[str, Any]], list[Episode]]:
        recorded = self.get(key)
        if recorded.kind != "episodes":
            raise KeyError(key)
        changed = (recorded.folder / EPISODES_FILE).stat().st_mtime
        if key not in self._loaded or self._loaded[key][0] != changed:
            episodes = read_episodes(recorded.folder / EPISODES_FILE)
            self._loaded[key] = (changed, _rows(recorded.folder, episodes), episodes)
            while len(self._loaded) > _LOADED:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(key)
        return self._loaded[key][1:]


def narrow(rows: list[dict[str, Any]], tag: str, text: str, order: str) -> list[dict[str, Any]]:
    """The rows that have a tag of `FILTERS` and hold a text, sorted by `order` (a column, `-` before it:
    downwards)."""
    kept = [row for row in rows if not tag or tag in row["tags"]]
    for word in text.lower().split():
        kept = [row for row in kept if word in row["text"]]
    column = order.removeprefix("-")
    if column in ("turns", "question", "answer", "seed", "level"):
        kept.sort(key=lambda row: (row[column] is None, row[column]), reverse=order.startswith("-"))
    return kept


def _recorded_in(root: Path) -> list[tuple[Path, str, Path]]:
    found = []
    for here, folders, files in os.walk(root):
        folder = Path(here)
        if len(folder.relative_to(root).parts) >= _DEPTH:
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name, kind in ((EPISODES_FILE, "episodes"), (METRICS_FILE, "training")):
            path = folder / name
            if name in files and path.is_file() and path.resolve().is_relative_to(root):
                found.append((folder, kind, path))
    return found


def _rows(folder: Path, episodes: list[Episode]) -> list[dict[str, Any]]:
    verdicts, tasks = VerdictStore(folder), _tasks(folder)
    rows = []
    for number, episode in enumerate(episodes):
        task, verdict = tasks.get(episode.task_id), verdicts.settled(episode)
        tags = [episode.status.value.replace("stopped", "over-turn")]
        tags.append("unjudged" if verdict is None else "right" if verdict.is_correct else "wrong")
        if any(turn.malformed for turn in episode.turns):
            tags.append("malformed")
        told = (episode.question, episode.answer, episode.expected, episode.picture)
        text = " ".join([*(one or "" for one in told), *(turn.text for turn in episode.turns)])
        rows.append(
            {
                "n": number,
                "task": episode.task_id,
                "seed": episode.seed,
                "question": episode.question,
                "answer": episode.answer,
                "expected": episode.expected,
                "status": episode.status.value,
                "stop": episode.stop.value,
                "turns": episode.num_turns,
                "level": (task.level or task.category) if task else None,
                "tags": tags,
                "text": text.lower(),
            }
        )
    return rows


def _tasks(folder: Path) -> dict[str, SearchTask]:
    """The tasks that an evaluation names in its protocol, if they are still there."""
    try:
        protocol = json.loads((folder / "protocol.json").read_text())
        named = Path(str(protocol.get("tasks", "")))
        named = named if named.is_absolute() else folder / named
        return {task.id: task for task in read_tasks(named)} if (named / TASKS_FILE).exists() else {}
    except (OSError, ValueError, UserError, AttributeError, RecursionError):
        return {}


def status_counts(rows: list[dict[str, Any]]) -> dict[str, int]:
    """How many rows have each status and each verdict."""
    names = [*(status.value for status in Status if status is not Status.STOPPED), *FILTERS[:5]]
    return {name: count for name in names if (count := sum(name in row["tags"] for row in rows))}

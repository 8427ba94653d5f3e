"""Judging a folder of episodes: only what is missing, every verdict kept as soon as it is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mini_o3.episode import EPISODES_FILE, Episode, SearchTask, read_tasks
from mini_o3.episode.store import EpisodeStore, Key, run_jobs
from mini_o3.judge.chain import Judge
from mini_o3.judge.neutral import visible
from mini_o3.judge.record import VerdictStore
from mini_o3.judge.verdict import JUDGE_FAILED, UNPARSED, Kind, Verdict
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import make_folder
from mini_o3.kit.loop import run_coroutine
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.kit.reading import read_object, typed


class Attempt(NamedTuple):
    """An episode and the task it is about."""

    task: SearchTask
    episode: Episode

    @property
    def key(self) -> Key:
        return self.episode.key


@dataclass(frozen=True, slots=True)
class Tally:
    """How verdicts came out."""

    verdicts: tuple[Verdict, ...]
    judge: str

    def count(self, kind: Kind) -> int:
        return sum(verdict.kind is kind for verdict in self.verdicts)

    @property
    def failed(self) -> int:
        """Answers that a judge failed at: they can be judged later."""
        return sum(verdict.cause == JUDGE_FAILED for verdict in self.verdicts)

    def headline(self) -> str:
        unparsed = sum(verdict.reason == UNPARSED for verdict in self.verdicts)
        words = [
            f"{self.count(Kind.CORRECT)} correct",
            f"{self.count(Kind.INCORRECT)} incorrect"
            + (f" ({unparsed} of them unparsed)" if unparsed else ""),
            f"{self.count(Kind.UNJUDGED)} unjudged",
        ]
        failed = f"; THE JUDGE FAILED at {self.failed}: run this again to fill them in" if self.failed else ""
        return f"{', '.join(words)} of {len(self.verdicts)} episodes, by {self.judge}{failed}"

    def reasons(self) -> list[str]:
        """A line for each cause of being incorrect or unjudged that is more than a wrong answer, the most
        frequent first."""
        told = [verdict for verdict in self.verdicts if verdict.reason]
        counts = Counter((verdict.kind.value, verdict.cause) for verdict in told)
        details: dict[tuple[str, str], Counter[str]] = {key: Counter() for key in counts}
        for verdict in told:
            details[verdict.kind.value, verdict.cause][verdict.reason.partition(": ")[2]] += 1
        lines = []
        for (kind, cause), count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            parts = sorted(details[kind, cause].items(), key=lambda item: (-item[1], item[0]))
            known = ", ".join(f"{number} {detail}" for detail, number in parts[:3] if detail)
            more = f", and {len(parts) - 3} others" if len(parts) > 3 else ""
            lines.append(visible(f"{count} {kind}: {cause}" + (f" ({known}{more})" if known else "")))
        return lines


def read_attempts(folder: Path, tasks: Path | None = None) -> list[Attempt]:
    """The episodes of a folder that `mini-o3 eval` wrote, in the order of its file, each with its task.

    `tasks` is the folder with `tasks.jsonl`; None: the one that `protocol.json` names.

    Raises:
        UserError: there are no episodes, or no task to one of them.
    """
    path = folder / EPISODES_FILE
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a folder that `mini-o3 eval` wrote")
    episodes = EpisodeStore(folder).episodes.values()
    where = tasks or _tasks_folder(folder)
    known = {task.id: task for task in read_tasks(where)}
    missing = next((episode.task_id for episode in episodes if episode.task_id not in known), None)
    if missing is not None:
        raise UserError(
            f"{where}: has no task {missing}, which {path} is about; give the right folder with `tasks`"
        )
    return [Attempt(known[episode.task_id], episode) for episode in episodes]


def judge_folder(
    folder: Path,
    judge: Judge,
    *,
    tasks: Path | None = None,
    out: Path | None = None,
    concurrent: int = 16,
    progress: OnProgress = no_progress,
) -> Tally:
    """Judge the episodes of a folder into its `verdicts.jsonl`, or into the file `out`.

    Verdicts that are there are kept; those that are missing, unjudged or about another answer are asked for,
    `concurrent` at the same time, and each is in the file as soon as it is there. When all are, the file is
    put into the order of the episodes: the same verdicts always make the same file.

    Raises:
        UserError: the folder is not one of episodes, or the file holds the verdicts of another judge.
    """
    attempts = read_attempts(folder, tasks)
    store = VerdictStore(out or folder)
    if other := next((name for name in store.judges if name != judge.name), None):
        raise UserError(
            f"{store.path}: holds verdicts of {other}, not of {judge.name}; remove it or give another file"
            " with `out`"
        )
    found = {row.key: verdict for row in attempts if (verdict := store.settled(row.episode)) is not None}

    def note(attempt: Attempt, verdict: Verdict) -> None:
        found[attempt.key] = verdict
        store.append(attempt.episode, verdict, judge)

    make_folder(store.path.parent)
    left = [row for row in attempts if row.key not in found]
    ask_judge(left, judge, note, concurrent, progress, done=len(found))
    store.rewrite([(row.episode, found[row.key]) for row in attempts], judge)
    return Tally(tuple(found[row.key] for row in attempts), judge.name)


def ask_judge(
    attempts: Sequence[Attempt],
    judge: Judge,
    note: Callable[[Attempt, Verdict], None],
    concurrent: int = 16,
    progress: OnProgress = no_progress,
    *,
    done: int = 0,
) -> None:
    """Ask for a verdict on every attempt; `note` gets each as it comes, `done` were there before."""

    async def ask(attempt: Attempt) -> None:
        note(attempt, await judge(attempt.task, attempt.episode))

    jobs = [partial(ask, attempt) for attempt in attempts]
    run_coroutine(run_jobs(jobs, concurrent, progress=progress, done=done, total=done + len(jobs)))


def _tasks_folder(folder: Path) -> Path:
    path = folder / "protocol.json"
    try:
        return Path(typed(read_object(path), "tasks", str))
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path}: does not say where the tasks are; give their folder with `tasks`") from None

"""Judging a folder of episodes: only what is missing, every verdict kept as soon as it is there."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mini_o3.episode import EPISODES_FILE, Episode, SearchTask, StopReason, read_tasks
from mini_o3.judge.chain import Judge
from mini_o3.judge.neutral import visible
from mini_o3.judge.record import VERDICTS_FILE, Key, digest, read_rows, verdict_row
from mini_o3.judge.verdict import JUDGE_FAILED, UNPARSED, Kind, Verdict
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, make_folder, read_jsonl, to_json, write_text

Report = Callable[[int, int, str], None]


class Asked(NamedTuple):
    """An episode and the task it is about."""

    task: SearchTask
    episode: Episode

    @property
    def key(self) -> Key:
        return self.episode.task_id, self.episode.seed


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


def read_asked(folder: Path, tasks: Path | None = None) -> list[Asked]:
    """The episodes of a folder written by `mini-o3 eval`, in the order of its file, each with its task.

    Of several about the same task and seed the last counts, but for those in which the policy failed, which
    an evaluation asks again. `tasks` is the folder with `tasks.jsonl`; None: the one that `protocol.json`
    names.

    Raises:
        UserError: there are no episodes, or no task to one of them.
    """
    path = folder / EPISODES_FILE
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a folder that `mini-o3 eval --out` wrote")
    episodes: dict[Key, Episode] = {}
    for row in read_jsonl(path):
        try:
            episode = Episode.from_dict(row)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: a line is not an episode ({error!r}); remove or mend it") from None
        key = episode.task_id, episode.seed
        if key not in episodes or episode.stop is not StopReason.POLICY_ERROR:
            episodes[key] = episode
    where = tasks or _tasks_folder(folder)
    known = {task.id: task for task in read_tasks(where)}
    missing = [task_id for task_id, _ in episodes if task_id not in known]
    if missing:
        raise UserError(
            f"{where}: has no task {missing[0]}, which {path} is about; give the right folder with --tasks"
        )
    return [Asked(known[episode.task_id], episode) for episode in episodes.values()]


def judge_folder(
    folder: Path,
    judge: Judge,
    *,
    tasks: Path | None = None,
    out: Path | None = None,
    concurrent: int = 16,
    report: Report = lambda done, total, more: None,
) -> Tally:
    """Judge the episodes of a folder into its `verdicts.jsonl`, or into the file `out`.

    Verdicts that are there are kept; those that are missing, unjudged or about another answer are asked for,
    `concurrent` at the same time, and each is in the file as soon as it is there. When all are, the file is
    put into the order of the
    episodes: the same verdicts always make the same file. `report` gets how many are judged and how many
    there are.

    Raises:
        UserError: the folder is not one of episodes, or the file holds the verdicts of another judge.
    """
    rows = read_asked(folder, tasks)
    path = out or folder
    path = path / VERDICTS_FILE if path.is_dir() else path
    kept = read_rows(path)
    if other := next((row["judge"] for row in kept.values() if row.get("judge") != judge.name), None):
        raise UserError(
            f"{path}: holds verdicts of {other}, not of {judge.name}; remove it or give another file with"
            " --out"
        )
    said = {row.key: digest(row.episode) for row in rows}
    found = {
        key: verdict
        for key, row in kept.items()
        if key in said
        and row.get("said", said[key]) == said[key]
        and (verdict := Verdict.from_dict(row)).is_judged
    }

    def judged(row: Asked, verdict: Verdict) -> None:
        found[row.key] = verdict
        append_jsonl(path, verdict_row(row.key, verdict, judge, row.episode))
        report(len(found), len(rows), "")

    make_folder(path.parent)
    asyncio.run(ask_judge([row for row in rows if row.key not in found], judge, judged, concurrent))
    lines = [to_json(verdict_row(row.key, found[row.key], judge, row.episode)) + "\n" for row in rows]
    write_text(path, "".join(lines))
    return Tally(tuple(found[row.key] for row in rows), judge.name)


async def ask_judge(
    rows: Sequence[Asked], judge: Judge, judged: Callable[[Asked, Verdict], None], concurrent: int = 16
) -> None:
    """A verdict on every row; `judged` gets each as it comes."""
    left = iter(rows)

    async def go_on() -> None:
        for row in left:
            judged(row, await judge(row.task, row.episode))
            await asyncio.sleep(0)  # rules never wait, and would not let an interrupt through

    await asyncio.gather(*(go_on() for _ in range(concurrent)))


def _tasks_folder(folder: Path) -> Path:
    path = folder / "protocol.json"
    try:
        return Path(json.loads(path.read_text(encoding="utf-8"))["tasks"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path}: does not say where the tasks are; give their folder with --tasks") from None

"""An evaluation: ask, judge, report. Episodes and verdicts are kept as they come; the report follows from
them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from mini_o3.episode import EPISODES_FILE, Episode, Policy, SearchTask, StopReason, run_episode
from mini_o3.evaluate.lenses import LensOf, lens_of
from mini_o3.evaluate.protocol import PROTOCOL_FILE, Protocol
from mini_o3.evaluate.report import write_report
from mini_o3.judge import Judge
from mini_o3.judge.folder import Asked, ask_judge, judge_folder
from mini_o3.judge.record import VERDICTS_FILE, read_verdicts, verdict_row
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, make_folder, read_jsonl, write_json
from mini_o3.kit.run import same
from mini_o3.policies.metered import Meter, Metered
from mini_o3.vision import open_picture

#: What may differ between two starts of one evaluation.
_FREE = ("revision", "report")


def evaluate(
    tasks: Sequence[SearchTask],
    policy: Policy,
    protocol: Protocol,
    judge: Judge,
    out: Path,
    *,
    manifest: dict[str, Any],
    among: Sequence[SearchTask] = (),
    concurrent: int = 1,
    report: Callable[[int, int, float], None] = lambda done, total, accuracy: None,
) -> dict[str, Any]:
    """Ask every task as often as the protocol says, judge, and write `out/report.json` and `report.md`;
    returns the report.

    Sample k has seed k. Episodes and verdicts that are in `out` are kept, but for episodes in which the
    policy failed, which are asked again, and answers a judge failed at, which are judged again. `concurrent`
    episodes go on at the same time. `manifest` is the protocol with all it came to (`protocol.manifest`); it
    is saved, and a folder with another is refused. `among` are the tasks that these are some of: what a
    control swaps with does not hang on which are asked here. `report` is called after every episode with how
    many are done, how many there are and the accuracy so far.

    Raises:
        UserError: `out` holds another evaluation, or the protocol wants to swap pictures and there is only
            one.
    """
    lens_for = lens_of(
        protocol.views, among or tasks
    )  # first, so that nothing is claimed for what cannot be shown
    make_folder(out)
    claim(out, manifest)
    tasks = list(
        {task.id: task for task in tasks}.values()
    )  # a benchmark may hold a question twice: it is asked once
    wanted = [(task, seed) for task in tasks for seed in range(protocol.samples_for(task))]
    done = {
        (row["task_id"], row["seed"])
        for row in read_jsonl(out / EPISODES_FILE)
        if row["stop"] != StopReason.POLICY_ERROR
    }
    verdicts = read_verdicts(out)
    keys = {(task.id, seed) for task, seed in wanted}
    judged = [verdict.is_correct for key, verdict in verdicts.items() if key in keys and verdict.is_judged]
    asked, right, known = len(done & keys), sum(judged), len(judged)

    async def ended(task: SearchTask, episode: Episode) -> None:
        nonlocal asked, right, known
        append_jsonl(out / EPISODES_FILE, episode.to_dict(tokens=False))

        def note(row: Asked, verdict: Any) -> None:
            nonlocal right, known
            append_jsonl(out / VERDICTS_FILE, verdict_row(row.key, verdict, judge, row.episode))
            right, known = right + verdict.is_correct, known + verdict.is_judged

        await ask_judge([Asked(task, episode)], judge, note, 1)
        asked += 1
        report(asked, len(wanted), right / max(known, 1))

    left = [(task, seed) for task, seed in wanted if (task.id, seed) not in done]
    asyncio.run(ask_all(left, policy, protocol, lens_for, concurrent, ended))
    judge_folder(out, judge)
    return write_report(out, tasks)


async def ask_all(
    wanted: Sequence[tuple[SearchTask, int]],
    policy: Policy,
    protocol: Protocol,
    lens_for: LensOf,
    concurrent: int,
    ended: Callable[[SearchTask, Episode], Any],
) -> None:
    """An episode for every task and seed; `ended` (a coroutine function) gets each as it ends."""
    left = iter(wanted)
    opened = lru_cache(maxsize=1)(open_picture)  # samples of a task follow each other

    async def go_on() -> None:
        for task, seed in left:
            metered = Metered(policy, Meter(None, None))
            picture, lens = opened(task.picture), lens_for(task)
            episode = await run_episode(task, metered, protocol.limits, picture=picture, seed=seed, lens=lens)
            await ended(task, replace(episode, meta={"requests": metered.requests, "tokens": metered.tokens}))
            await asyncio.sleep(0)  # a policy that never waits would not let an interrupt through

    await asyncio.gather(*(go_on() for _ in range(concurrent)))


def claim(out: Path, manifest: dict[str, Any]) -> None:
    """Save the manifest, unless `out` holds an evaluation by another one.

    Raises:
        UserError: it does.
    """
    path = out / PROTOCOL_FILE
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        changed = sorted(
            k for k in {*kept, *manifest} if k not in _FREE and not same(kept.get(k), manifest.get(k))
        )
        if changed:
            raise UserError(
                f"{out}: holds an evaluation with other settings ({', '.join(changed)}); give another --out"
            )
    else:
        write_json(path, manifest)

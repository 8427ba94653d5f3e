"""Run a policy over tasks, one record per task as soon as it is done, and sum up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from mini_o3.episode import EPISODES_FILE, Episode, Limits, Policy, SearchTask, StopReason, run_episode
from mini_o3.episode.patterns import shares
from mini_o3.evaluate.metrics import Judged, summarise
from mini_o3.judge import judge_exact
from mini_o3.kit.errors import UserError
from mini_o3.kit.rundir import append_jsonl, make_folder, read_jsonl, revision, write_json
from mini_o3.vision import open_picture


def evaluate(
    tasks: Sequence[SearchTask],
    policy: Policy,
    limits: Limits,
    out: Path,
    *,
    settings: dict[str, Any],
    samples: int = 1,
    concurrent: int = 1,
    report: Callable[[int, int, float], None] = lambda done, total, accuracy: None,
) -> dict[str, Any]:
    """Ask every task `samples` times and write `out/episodes.jsonl` and `out/report.json`.

    Sample k has seed k; with a policy that draws its words, the accuracy is then Avg@`samples`. Episodes already in the file
    are kept, but for those in which the policy failed: they are asked again. `concurrent` episodes go on at the same time;
    records are in the order in which episodes ended. `settings` is what was asked for (policy, tasks, turns); it is saved,
    and a folder with other settings is refused. `report` is called after every episode with how many are done, how many
    there are and the accuracy so far.

    Raises:
        UserError: `out` holds another evaluation.
    """
    make_folder(out)
    _same_settings(out, settings)
    wanted = [(task, seed) for task in tasks for seed in range(samples)]
    found = {
        (row["task_id"], row["seed"]): Episode.from_dict(row)
        for row in read_jsonl(out / EPISODES_FILE)
        if row["stop"] != StopReason.POLICY_ERROR
    }
    done = {key: episode for task, seed in wanted if (episode := found.get(key := (task.id, seed)))}
    right = sum(judge_exact(episode, episode.expected).is_correct for episode in done.values())

    def ended(task: SearchTask, episode: Episode) -> None:
        nonlocal right
        append_jsonl(out / EPISODES_FILE, _without_tokens(episode))
        done[task.id, episode.seed] = episode
        right += judge_exact(episode, task.answer).is_correct
        report(len(done), len(wanted), right / len(done))

    left = [(task, seed) for task, seed in wanted if (task.id, seed) not in done]
    asyncio.run(_ask_all(left, policy, limits, concurrent, ended))
    episodes = [(task, done[task.id, seed]) for task, seed in wanted]
    summary = summarise([Judged(task, episode, judge_exact(episode, task.answer)) for task, episode in episodes])
    summary |= {"samples": samples, "patterns": shares(episode for _, episode in episodes)}
    summary |= {"settings": settings, "revision": revision()}
    write_json(out / "report.json", summary)
    return summary


async def _ask_all(
    wanted: Sequence[tuple[SearchTask, int]],
    policy: Policy,
    limits: Limits,
    concurrent: int,
    ended: Callable[[SearchTask, Episode], None],
) -> None:
    left = iter(wanted)
    opened = lru_cache(maxsize=1)(open_picture)  # samples of a task follow each other

    async def go_on() -> None:
        for task, seed in left:
            ended(task, await run_episode(task, policy, limits, picture=opened(task.picture), seed=seed))
            await asyncio.sleep(0)  # a policy that never waits would not let an interrupt through

    await asyncio.gather(*(go_on() for _ in range(concurrent)))


def _same_settings(out: Path, settings: dict[str, Any]) -> None:
    path = out / "settings.json"
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        changed = sorted(key for key in {*kept, *settings} if kept.get(key) != settings.get(key))
        if changed:
            raise UserError(f"{out}: holds an evaluation with other settings ({', '.join(changed)}); give another --out")
    else:
        write_json(path, settings)


def _without_tokens(episode: Episode) -> dict[str, Any]:
    """The record without token ids: an evaluation keeps what was said and seen."""
    data = episode.to_dict()
    for turn in data["turns"]:
        for key in ("prompt_ids", "token_ids", "log_probs"):
            turn.pop(key, None)
    return data

"""Run a policy over tasks, one record per task as soon as it is done, and sum up."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mini_o3.episode import Episode, Limits, Policy, SearchTask, StopReason, run_episode
from mini_o3.judge import Verdict, judge_exact
from mini_o3.kit.errors import UserError
from mini_o3.kit.rundir import append_jsonl, make_folder, read_jsonl, revision, write_json

EPISODES_FILE = "episodes.jsonl"


def evaluate(
    tasks: Sequence[SearchTask],
    policy: Policy,
    limits: Limits,
    out: Path,
    *,
    settings: dict[str, Any],
    concurrent: int = 1,
    report: Callable[[int, int, float], None] = lambda done, total, accuracy: None,
) -> dict[str, Any]:
    """Ask every task once and write `out/episodes.jsonl` and `out/report.json`.

    Tasks already in the file are kept, but for those on which the policy failed: they are asked again. `concurrent`
    episodes go on at the same time; records are in the order in which episodes ended. `settings` is what was asked for
    (policy, tasks, turns); it is saved, and a folder with other settings is refused. `report` is called after every task
    with how many are done, how many there are and the accuracy so far.

    Raises:
        UserError: `out` holds another evaluation.
    """
    make_folder(out)
    _same_settings(out, settings)
    rows = read_jsonl(out / EPISODES_FILE)
    episodes = {row["task_id"]: Episode.from_dict(row) for row in rows if row["stop"] != StopReason.POLICY_ERROR}
    verdicts = {task.id: judge_exact(episodes[task.id], task.answer) for task in tasks if task.id in episodes}

    def ended(task: SearchTask, episode: Episode) -> None:
        append_jsonl(out / EPISODES_FILE, _without_tokens(episode))
        episodes[task.id] = episode
        verdicts[task.id] = judge_exact(episode, task.answer)
        report(len(verdicts), len(tasks), list(verdicts.values()).count(Verdict.CORRECT) / len(verdicts))

    asyncio.run(_ask_all([task for task in tasks if task.id not in episodes], policy, limits, concurrent, ended))
    summary = summarise(tasks, [episodes[task.id] for task in tasks], [verdicts[task.id] for task in tasks])
    summary.update(settings=settings, revision=revision())
    write_json(out / "report.json", summary)
    return summary


async def _ask_all(
    tasks: Sequence[SearchTask],
    policy: Policy,
    limits: Limits,
    concurrent: int,
    ended: Callable[[SearchTask, Episode], None],
) -> None:
    left = iter(tasks)

    async def go_on() -> None:
        for task in left:
            ended(task, await run_episode(task, policy, limits))
            await asyncio.sleep(0)  # a policy that never waits would not let an interrupt through

    await asyncio.gather(*(go_on() for _ in range(concurrent)))


def summarise(tasks: Sequence[SearchTask], episodes: Sequence[Episode], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Accuracy over the judged episodes with its standard error, how episodes ended, and the same by family."""
    summary: dict[str, Any] = _rates(verdicts)
    summary["turns_mean"] = round(sum(e.num_turns for e in episodes) / max(len(episodes), 1), 3)
    summary["malformed_turns"] = sum(turn.malformed is not None for e in episodes for turn in e.turns)
    summary["over_turn"] = sum(e.is_over_turn for e in episodes)
    summary["stops"] = dict(sorted(Counter(e.stop.value for e in episodes).items()))
    families = sorted({task.family for task in tasks if task.family})
    summary["families"] = {
        family: _rates([v for task, v in zip(tasks, verdicts, strict=True) if task.family == family]) for family in families
    }
    return summary


def _rates(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    judged = [verdict for verdict in verdicts if verdict is not Verdict.UNJUDGED]
    if not judged:
        return {"accuracy": None, "stderr": None, "tasks": len(verdicts), "unjudged": len(verdicts)}
    share = judged.count(Verdict.CORRECT) / len(judged)
    error = math.sqrt(share * (1 - share) / (len(judged) - 1)) if len(judged) > 1 else None
    return {
        "accuracy": round(share, 4),
        "stderr": None if error is None else round(error, 4),
        "tasks": len(verdicts),
        "unjudged": len(verdicts) - len(judged),
    }


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

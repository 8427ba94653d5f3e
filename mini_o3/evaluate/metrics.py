"""Figures of an evaluation: accuracy with its error, the curve over turn limits, how episodes ended."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from mini_o3.episode import Episode, SearchTask
from mini_o3.judge import Verdict

LIMITS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)


class Judged(NamedTuple):
    """One episode on a task, and what the judge said of it."""

    task: SearchTask
    episode: Episode
    verdict: Verdict


def summarise(rows: Sequence[Judged]) -> dict[str, Any]:
    """Accuracy over the judged episodes (Avg@K with K episodes per task), how they ended, curve, and the same by family."""
    episodes = [row.episode for row in rows]
    summary: dict[str, Any] = rates(rows)
    summary["turns_mean"] = round(sum(e.num_turns for e in episodes) / max(len(episodes), 1), 3)
    right = [row.episode.num_turns for row in rows if row.verdict.is_correct]
    summary["turns_mean_correct"] = round(sum(right) / len(right), 3) if right else None
    summary["malformed_turns"] = sum(turn.malformed is not None for e in episodes for turn in e.turns)
    summary["over_turn"] = sum(e.is_over_turn for e in episodes)
    summary["stops"] = dict(sorted(Counter(e.stop.value for e in episodes).items()))
    summary["curve"] = curve(rows)
    families = sorted({row.task.family for row in rows if row.task.family})
    summary["families"] = {family: rates([row for row in rows if row.task.family == family]) for family in families}
    return summary


def rates(rows: Sequence[Judged]) -> dict[str, Any]:
    """Accuracy and its standard error over tasks: the episodes on one task are not independent."""
    judged = [row for row in rows if row.verdict.is_judged]
    share, error = mean_over_tasks([(row.task.id, float(row.verdict.is_correct)) for row in judged])
    return {
        "accuracy": share,
        "stderr": error,
        "tasks": len({row.task.id for row in rows}),
        "episodes": len(rows),
        "unjudged": len(rows) - len(judged),
    }


def curve(rows: Sequence[Judged], limits: Sequence[int] = LIMITS) -> dict[str, dict[str, float | None]]:
    """Accuracy at every turn limit up to the one that was played, from one run at that limit.

    An answer in turn t counts at every limit of t or more: with limit T a policy writes T turns at most, and nothing it is
    told before its last turn depends on T (arXiv 2509.07969, figure 1: the curve is the running sum of answers by turn).
    """
    played = max((row.episode.limits.turns for row in rows), default=0)
    judged = [row for row in rows if row.verdict.is_judged]
    out: dict[str, dict[str, float | None]] = {}
    for limit in [limit for limit in limits if limit < played] + [played]:
        in_time = [(row.task.id, float(row.verdict.is_correct and row.episode.num_turns <= limit)) for row in judged]
        share, error = mean_over_tasks(in_time)
        out[str(limit)] = {"accuracy": share, "stderr": error}
    return out


def mean_over_tasks(values: Sequence[tuple[str, float]]) -> tuple[float | None, float | None]:
    """Mean of the values per task, and its standard error over tasks; None where there are too few."""
    by_task: dict[str, list[float]] = defaultdict(list)
    for task, value in values:
        by_task[task].append(value)
    means = [sum(group) / len(group) for group in by_task.values()]
    if not means:
        return None, None
    mean = sum(means) / len(means)
    if len(means) < 2:
        return round(mean, 4), None
    variance = sum((value - mean) ** 2 for value in means) / (len(means) - 1)
    return round(mean, 4), round(math.sqrt(variance / len(means)), 4)

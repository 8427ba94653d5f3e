"""What reports say since their second version: 95% intervals, Pass@k for every k, and the worst case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mini_o3.evaluate.metrics import LIMITS, Judged, divisions, judged_samples, majority, value_of
from mini_o3.evaluate.statistics import SURE, Value, clustered_mean, pass_at, share_interval


def certainty(rows: Sequence[Judged]) -> dict[str, Any]:
    """The keys that a report of version 2 has beside those of the first, see `metrics.summarise`.

    `intervals` has the 95% interval of every accuracy under its name. `worst_case` is there if something is
    unjudged: the accuracy if all that were wrong; `lasting` counts those that failed in a way that comes
    again (a refusal, say), so that the accuracy leaves them out for good. `pass_at` is there for several
    samples: for every k the unbiased estimate, over the tasks with k judged samples or more.
    """
    judged = [row for row in rows if row.verdict.is_judged]
    played = max((row.episode.limits.turns for row in rows), default=0)
    intervals: dict[str, Any] = {
        "level": SURE,
        "accuracy": _interval([value_of(row, row.verdict.is_correct) for row in judged]),
        "maj_at_k": _interval(majority(rows)),
        "curve": {
            str(limit): _interval(
                [value_of(row, row.verdict.is_correct and row.episode.num_turns <= limit) for row in judged]
            )
            for limit in [limit for limit in LIMITS if limit < played] + [played]
        },
    }
    for name, parts in divisions(rows).items():
        intervals[name] = {
            kind: _interval([value_of(row, row.verdict.is_correct) for row in part if row.verdict.is_judged])
            for kind, part in parts.items()
        }
    found: dict[str, Any] = {"judged": len(judged), "intervals": intervals}
    if len(judged) < len(rows):
        found["worst_case"] = _figure([value_of(row, row.verdict.is_correct) for row in rows])
        if lasting := sum(bool(row.episode.meta.get("lasting")) for row in rows):
            found["lasting"] = lasting
    samples = judged_samples(rows)
    most = max((len(mine) for mine in samples), default=0)
    if most > 1:
        found["pass_at"] = {str(k): _pass_at(samples, k) for k in range(1, most + 1)}
    return found


def _pass_at(samples: Sequence[Sequence[Judged]], k: int) -> dict[str, Any]:
    whole = [mine for mine in samples if len(mine) >= k]
    counts = [(sum(row.verdict.is_correct for row in mine), len(mine)) for mine in whole]
    values = [value_of(mine[0], share) for mine, share in zip(whole, pass_at(counts, k), strict=True)]
    return {**_figure(values), "tasks": len(whole)}


def _figure(values: Sequence[Value]) -> dict[str, Any]:
    found = clustered_mean(values)
    return {
        "accuracy": None if found is None else round(found.mean, 4),
        "stderr": None if found is None or found.error is None else round(found.error, 4),
        "interval": _interval(values),
    }


def _interval(values: Sequence[Value]) -> list[float] | None:
    found = share_interval(values)
    return None if found is None else [round(end, 4) for end in found]

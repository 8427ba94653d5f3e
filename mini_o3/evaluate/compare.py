"""Two evaluations side by side: what differs in how they were made first, then what differs in what came
out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mini_o3.evaluate.metrics import Judged, mean_over_tasks
from mini_o3.evaluate.report import read_judged, read_manifest
from mini_o3.evaluate.statistics import Value, paired_p, t_quantile
from mini_o3.kit.errors import UserError


def compare(first: Path, second: Path) -> dict[str, Any]:
    """Differences of the protocols, and of the accuracy on tasks that both have: paired, error clustered by
    picture.

    `paired_p` is two-sided and holds for few pictures too, see `statistics.paired_p`; `interval` is that of
    the difference, by Student's t. `p` is that of earlier versions, from the normal distribution. None where
    one cannot be had.

    Raises:
        UserError: one is not an evaluation, or they have no task in common.
    """
    one, other = read_manifest(first), read_manifest(second)
    differing = {
        key: [one.get(key), other.get(key)]
        for key in sorted({*one, *other})
        if key != "report" and one.get(key) != other.get(key)
    }
    mine, theirs = _by_task(read_judged(first)), _by_task(read_judged(second))
    common = [task for task in mine if task in theirs]
    if not common:
        raise UserError(f"{first} and {second}: have no judged task in common; nothing can be compared")
    values = [Value(task, mine[task].cluster, theirs[task].value - mine[task].value) for task in common]
    gain, error = mean_over_tasks(values)
    figures = [mean_over_tasks([part[task] for task in common]) for part in (mine, theirs)]
    by_picture: dict[str, float] = {}
    for _, picture, value in values:
        by_picture[picture] = by_picture.get(picture, 0.0) + value
    reach = None if error is None else t_quantile(len(by_picture) - 1) * error
    p = math.erfc(abs(gain) / error / math.sqrt(2)) if gain is not None and error else None
    return {
        "protocol": differing,
        "tasks": len(common),
        "only_first": len(mine) - len(common),
        "only_second": len(theirs) - len(common),
        "accuracy": [figure[0] for figure in figures],
        "stderr": [figure[1] for figure in figures],
        "difference": gain,
        "difference_stderr": error,
        "p": None if p is None else round(p, 4),
        "paired_p": None if reach is None else round(paired_p(list(by_picture.values())), 4),
        "interval": None if reach is None or gain is None else [_points(gain - reach), _points(gain + reach)],
        "better": sum(value.value > 0 for value in values),
        "worse": sum(value.value < 0 for value in values),
    }


def to_lines(found: dict[str, Any], first: Path, second: Path) -> list[str]:
    lines = [
        f"the protocols differ in {len(found['protocol'])} points"
        if found["protocol"]
        else "the protocols are the same"
    ]
    lines += [f"  {key}: {one!r} -> {other!r}" for key, (one, other) in found["protocol"].items()]
    left = found["only_first"] + found["only_second"]
    lines.append(f"{found['tasks']} tasks in both" + (f" ({left} in one only are left out)" if left else ""))
    for name, share, error in zip((first, second), found["accuracy"], found["stderr"], strict=True):
        lines.append(
            f"  {name}: {100 * share:.1f}%" + (f" +- {100 * error:.1f}" if error is not None else "")
        )
    error, p, ends = (found[key] for key in ("difference_stderr", "paired_p", "interval"))
    chance = f"p = {p}" if p else "p < 0.0001"
    lines.append(
        f"  difference {100 * found['difference']:+.1f} points"
        + (f" +- {100 * error:.1f} ({100 * ends[0]:+.1f} to {100 * ends[1]:+.1f}), {chance}" if error else "")
        + f"; better on {found['better']} tasks, worse on {found['worse']}"
    )
    return lines


def _points(share: float) -> float:
    return round(min(max(share, -1.0), 1.0), 4)


def _by_task(rows: Sequence[Judged]) -> dict[str, Value]:
    """Task -> its mean over judged samples."""
    found: dict[str, list[Judged]] = {}
    for row in rows:
        if row.verdict.is_judged:
            found.setdefault(row.task.id, []).append(row)
    return {
        task: Value(task, mine[0].task.picture, sum(row.verdict.is_correct for row in mine) / len(mine))
        for task, mine in found.items()
    }

"""Two evaluations side by side: what differs in how they were made first, then what differs in what came
out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mini_o3.evaluate.metrics import Judged, Value, mean_over_tasks
from mini_o3.evaluate.report import read_judged, read_manifest
from mini_o3.kit.errors import UserError


def compare(first: Path, second: Path) -> dict[str, Any]:
    """Differences of the protocols, and of the accuracy on tasks that both have: paired, error clustered by
    picture.

    `p` is two-sided, from the normal distribution; None where it cannot be had.

    Raises:
        UserError: one is not an evaluation, or they have no task in common.
    """
    one, other = read_manifest(first), read_manifest(second)
    differing = {
        key: [one.get(key), other.get(key)]
        for key in sorted({*one, *other})
        if one.get(key) != other.get(key)
    }
    mine, theirs = _by_task(read_judged(first)), _by_task(read_judged(second))
    common = [task for task in mine if task in theirs]
    if not common:
        raise UserError(f"{first} and {second}: have no judged task in common; nothing can be compared")
    values = [Value(task, mine[task].cluster, theirs[task].value - mine[task].value) for task in common]
    gain, error = mean_over_tasks(values)
    figures = [mean_over_tasks([part[task] for task in common]) for part in (mine, theirs)]
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
    error = found["difference_stderr"]
    chance = f"p = {found['p']}" if found["p"] else "p < 0.0001"
    lines.append(
        f"  difference {100 * found['difference']:+.1f} points"
        + (f" +- {100 * error:.1f}, {chance}" if error else "")
        + f"; better on {found['better']} tasks, worse on {found['worse']}"
    )
    return lines


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

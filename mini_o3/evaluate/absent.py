"""Figures of an evaluation in which some of the questions ask for what is not there.

A task asks for something absent if that is its expected answer, and a policy says so if the status of its
episode is `not_found`, in whatever words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from mini_o3.episode import Episode, SearchTask, Status, StopReason
from mini_o3.episode.status import status_of
from mini_o3.evaluate.metrics import LIMITS, Judged, mean_over_tasks
from mini_o3.evaluate.statistics import Value
from mini_o3.judge import tally
from mini_o3.probes.shapes.absent import candidates_told
from mini_o3.probes.shapes.truth import is_probe, truth_of

Figure = dict[str, float | None]


def is_absent(task: SearchTask) -> bool:
    """Whether the right answer is that the thing is not there."""
    return status_of(StopReason.ANSWERED, task.answer) is Status.NOT_FOUND


def not_there(rows: Sequence[Judged]) -> dict[str, Any]:
    """All figures, over judged episodes; the counts are of tasks.

    - `present`, `absent`: right answers, each on tasks of its kind, and `mean` of the two;
    - `kinds`: the same for each kind of absence that probes have;
    - `false_not_found`: share of the present ones that were called absent, by turn limit;
    - `candidates_told`: of what looked like the target from afar, the share that a view had shown as what it
      is before the policy said `not_found`, over all its claims and over the true and the false ones;
    - `turns_mean`: turns until a claim;
    - `auroc`: of the share of agreeing samples, for whether the majority is right; None with one sample.
    """
    judged = [row for row in rows if row.verdict.is_judged]
    present = [row for row in judged if not is_absent(row.task)]
    absent = [row for row in judged if is_absent(row.task)]
    right = {
        "present": _share(present, lambda row: row.verdict.is_correct),
        "absent": _share(absent, _claims),
    }
    claims = [row for row in judged if _claims(row)]
    told = [(row, share) for row in claims if (share := _told(row)) is not None]
    kinds = sorted({kind for row in absent if (kind := str(row.task.truth.get("absent", "")))})
    played = max((row.episode.limits.turns for row in judged), default=0)
    return {
        "tasks": {
            "present": len({row.task.id for row in present}),
            "absent": len({row.task.id for row in absent}),
        },
        **right,
        "mean": _mean_of(right["present"], right["absent"]),
        "kinds": {
            kind: _share([row for row in absent if row.task.truth.get("absent") == kind], _claims)
            for kind in kinds
        },
        "false_not_found": {
            str(limit): _share(present, partial(_claims, within=limit))
            for limit in [*(limit for limit in LIMITS if limit < played), played]
        },
        "candidates_told": {
            "claims": _average([share for _, share in told]),
            "true": _average([share for row, share in told if is_absent(row.task)]),
            "false": _average([share for row, share in told if not is_absent(row.task)]),
        },
        "turns_mean": _average([row.episode.num_turns for row in claims]),
        "auroc": agreement_auroc(judged),
    }


def agreement_auroc(rows: Sequence[Judged]) -> float | None:
    """How well the share of samples that give the most frequent answer tells right majorities from wrong.

    Absent ones vote as one answer. None with one sample, or where all are right or all wrong.
    """
    by_task: dict[str, list[Judged]] = {}
    for row in rows:
        by_task.setdefault(row.task.id, []).append(row)
    if max(map(len, by_task.values()), default=0) < 2:
        return None
    found = []
    for mine in by_task.values():
        mine = sorted(mine, key=lambda row: row.episode.seed)
        votes = tally([_vote(row.episode) for row in mine])
        if votes:
            first, *_ = votes[0]
            found.append((len(votes[0]) / len(mine), _right(mine[first])))
        else:
            found.append((0.0, False))
    return auroc(found)


def auroc(found: Sequence[tuple[float, bool]]) -> float | None:
    """Chance that a right one has a greater score than a wrong one, ties counted as half."""
    right, wrong = ([score for score, label in found if label is wanted] for wanted in (True, False))
    if not right or not wrong:
        return None
    wins = sum((a > b) + 0.5 * (a == b) for a in right for b in wrong)
    return round(wins / (len(right) * len(wrong)), 4)


def _claims(row: Judged, within: int | None = None) -> bool:
    """Whether the policy says that it is not there, `within` so many turns."""
    in_time = within is None or row.episode.num_turns <= within
    return in_time and row.episode.status is Status.NOT_FOUND


def _right(row: Judged) -> bool:
    return _claims(row) if is_absent(row.task) else row.verdict.is_correct


def _vote(episode: Episode) -> str | None:
    return Status.NOT_FOUND.value if episode.status is Status.NOT_FOUND else episode.answer


def _told(row: Judged) -> float | None:
    if not is_probe(row.task):
        return None
    size = row.episode.size
    views = [*row.episode.first, *(turn.rect for turn in row.episode.turns if turn.rect is not None)]
    return candidates_told(truth_of(row.task), size, views)


def _share(rows: Sequence[Judged], value: Callable[[Judged], bool]) -> Figure:
    share, error = mean_over_tasks([Value(row.task.id, row.task.picture, float(value(row))) for row in rows])
    return {"accuracy": share, "stderr": error}


def _mean_of(one: Figure, other: Figure) -> Figure:
    shares = [figure["accuracy"] for figure in (one, other)]
    errors = [figure["stderr"] for figure in (one, other)]
    if shares[0] is None or shares[1] is None:
        return {"accuracy": None, "stderr": None}
    error = None if errors[0] is None or errors[1] is None else math.hypot(errors[0], errors[1]) / 2
    return {
        "accuracy": round((shares[0] + shares[1]) / 2, 4),
        "stderr": None if error is None else round(error, 4),
    }


def _average(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None

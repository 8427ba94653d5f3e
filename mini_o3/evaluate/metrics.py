"""Figures of an evaluation: accuracy with its error, the curve over turn limits, how episodes ended, what was
found."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from mini_o3.episode import Episode, SearchTask, StopReason
from mini_o3.episode.patterns import shares
from mini_o3.evaluate.statistics import Value, clustered_mean
from mini_o3.judge import Verdict, score_groups, tally
from mini_o3.vision import Rect, Region

LIMITS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_HELD = 0.9  # share of a target's area that a view must show to hold it


class Judged(NamedTuple):
    """One episode on a task, and what the judge said of it."""

    task: SearchTask
    episode: Episode
    verdict: Verdict


def summarise(rows: Sequence[Judged]) -> dict[str, Any]:
    """All figures. Accuracies are over judged episodes; what was not judged is counted, with the reasons, and
    left out."""
    episodes = [row.episode for row in rows]
    right = [row.episode.num_turns for row in rows if row.verdict.is_correct]
    summary: dict[str, Any] = {
        **rates(rows),
        "unjudged_reasons": dict(
            sorted(Counter(row.verdict.cause for row in rows if not row.verdict.is_judged).items())
        ),
        "samples": max(Counter(row.task.id for row in rows).values(), default=0),
        "pass_at_k": _share(over_samples(rows, any)),
        "maj_at_k": _share(majority(rows)),
        "turns_mean": round(_mean([episode.num_turns for episode in episodes]), 3),
        "turns_mean_correct": round(_mean(right), 3) if right else None,
        "turns_histogram": {
            str(n): count for n, count in sorted(Counter(e.num_turns for e in episodes).items())
        },
        "over_turn_rate": round(_mean([e.is_over_turn for e in episodes]), 4),
        "void_rate": round(_mean([e.stop is StopReason.VOID for e in episodes]), 4),
        "malformed_rate": round(_mean([any(turn.malformed for turn in e.turns) for e in episodes]), 4),
        "stops": dict(sorted(Counter(e.stop.value for e in episodes).items())),
        "tokens_mean": round(_mean([e.meta.get("tokens", 0) for e in episodes]), 1),
        "curve": curve(rows),
        "patterns": shares(episodes),
    }
    for name, parts in divisions(rows).items():
        summary[name] = {kind: rates(part) for kind, part in parts.items()}
    if any(row.task.group for row in rows):
        summary["groups"] = _rotations(rows)
    if any(row.task.targets for row in rows):
        summary["localisation"] = localisation(rows)
    return summary


def divisions(rows: Sequence[Judged]) -> dict[str, dict[str, list[Judged]]]:
    """The rows by category, family and level, as far as their tasks have one: division -> part -> rows."""
    found = {}
    for name, key in (("categories", _categories), ("families", _family), ("levels", _level)):
        kinds = sorted({kind for row in rows for kind in key(row.task)})
        if kinds:
            found[name] = {kind: [row for row in rows if kind in key(row.task)] for kind in kinds}
    return found


def rates(rows: Sequence[Judged]) -> dict[str, Any]:
    """Avg@K: the mean over tasks of their share of right episodes, and its standard error clustered by
    picture."""
    judged = [row for row in rows if row.verdict.is_judged]
    share, error = mean_over_tasks([value_of(row, row.verdict.is_correct) for row in judged])
    return {
        "accuracy": share,
        "stderr": error,
        "tasks": len({row.task.id for row in rows}),
        "episodes": len(rows),
        "unjudged": len(rows) - len(judged),
    }


def curve(rows: Sequence[Judged], limits: Sequence[int] = LIMITS) -> dict[str, dict[str, float | None]]:
    """Accuracy at every turn limit up to the one that was played, from one run at that limit.

    An answer in turn t counts at every limit of t or more: with limit T a policy writes T turns at most, and
    nothing it is
    told before its last turn depends on T (arXiv 2509.07969, figure 1: the curve is the running sum of
    answers by turn). `check_curve` tests that on a sample.
    """
    played = max((row.episode.limits.turns for row in rows), default=0)
    judged = [row for row in rows if row.verdict.is_judged]
    out: dict[str, dict[str, float | None]] = {}
    for limit in [limit for limit in limits if limit < played] + [played]:
        in_time = [value_of(row, row.verdict.is_correct and row.episode.num_turns <= limit) for row in judged]
        share, error = mean_over_tasks(in_time)
        out[str(limit)] = {"accuracy": share, "stderr": error}
    return out


def over_samples(rows: Sequence[Judged], together: Callable[[Iterable[bool]], bool]) -> list[Value]:
    """One value per task from its judged samples; `any` makes Pass@K of it."""
    return [
        value_of(mine[0], together(row.verdict.is_correct for row in mine)) for mine in judged_samples(rows)
    ]


def majority(rows: Sequence[Judged]) -> list[Value]:
    """Maj@K: whether the most frequent answer of a task (normalised; the earliest of equals) is right.

    Samples without an answer do not vote; a task on which nobody answered is wrong.
    """
    values = []
    for mine in judged_samples(rows):
        mine = sorted(mine, key=lambda row: row.episode.seed)
        votes = tally([row.episode.answer for row in mine])
        values.append(value_of(mine[0], bool(votes and mine[votes[0][0]].verdict.is_correct)))
    return values


def localisation(rows: Sequence[Judged]) -> dict[str, Any]:
    """Whether a look (not the first view) held all known targets, against whether the answer was right.

    An answer that is right although nothing was located was guessed, or read off the first view.
    """
    known = [row for row in rows if row.task.targets and row.verdict.is_judged]
    found = [(_located(row), row.verdict.is_correct) for row in known]
    cells = {
        "located_right": (True, True),
        "located_wrong": (True, False),
        "missed_right": (False, True),
        "missed_wrong": (False, False),
    }
    shares_ = {name: round(_mean([pair == cell for pair in found]), 4) for name, cell in cells.items()}
    return {"episodes": len(known), "located": round(_mean([located for located, _ in found]), 4), **shares_}


def mean_over_tasks(values: Sequence[Value]) -> tuple[float | None, float | None]:
    """`clustered_mean` as reports have it: the mean and its standard error; None where there are too few."""
    found = clustered_mean(values)
    if found is None:
        return None, None
    return round(found.mean, 4), None if found.error is None else round(found.error, 4)


def judged_samples(rows: Sequence[Judged]) -> list[list[Judged]]:
    """The judged episodes of each task."""
    found: dict[str, list[Judged]] = defaultdict(list)
    for row in rows:
        if row.verdict.is_judged:
            found[row.task.id].append(row)
    return list(found.values())


def value_of(row: Judged, value: float) -> Value:
    return Value(row.task.id, row.task.picture, float(value))


def _share(values: Sequence[Value]) -> dict[str, float | None]:
    share, error = mean_over_tasks(values)
    return {"accuracy": share, "stderr": error}


def _rotations(rows: Sequence[Judged]) -> dict[str, Any]:
    """Cyclic groups, as HR-Bench reports them, and how often every rotation was right."""
    score = score_groups([(row.task, row.episode.seed, row.verdict) for row in rows])
    consistent = None if score.consistent is None else round(score.consistent, 4)
    return {
        "groups": score.groups,
        "mean": None if score.mean is None else round(score.mean, 4),
        "consistent": consistent,
    }


def _located(row: Judged) -> bool:
    size = row.episode.size
    views = [Region.of_rect(turn.rect, size) for turn in row.episode.turns if turn.rect is not None]
    whole = Region.of_rect(Rect(0, 0, *size), size)
    looks = [view for view in views if view.xyxy != whole.xyxy]
    return all(any(view.overlap(target) >= _HELD for view in looks) for target in row.task.targets)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)


def _categories(task: SearchTask) -> list[str]:
    """`Reasoning/OCR/signs` belongs to `Reasoning`, to `Reasoning/OCR` and to itself."""
    parts = task.category.split("/") if task.category else []
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _family(task: SearchTask) -> list[str]:
    return [task.family] if task.family else []


def _level(task: SearchTask) -> list[str]:
    return [task.level] if task.level else []

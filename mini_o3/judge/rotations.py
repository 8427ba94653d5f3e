"""Rotations of one question: their mean, and how often all of them were right."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from mini_o3.episode import SearchTask
from mini_o3.judge.verdict import Verdict


@dataclass(frozen=True, slots=True)
class GroupScore:
    """Rotations, scored.

    Attributes:
        mean: of the share of correct rotations per group, over groups, as HR-Bench reports it; None without
            groups.
        consistent: share of the groups in which every rotation is correct; a policy that prefers one position
            cannot reach it. None without groups.
        groups: how many were scored.
        left_out: groups with a rotation that nobody could judge; they are in neither figure.
        sizes: rotations per group -> how many groups have so many; more than one size means that some are
            missing.
    """

    mean: float | None
    consistent: float | None
    groups: int
    left_out: int
    sizes: dict[int, int]


def score_groups(rows: Iterable[tuple[SearchTask, int, Verdict]]) -> GroupScore:
    """Score tasks by `group`; a row is a task, the seed of the episode on it, and the verdict.

    Rotations of a question belong together if their episodes have the same seed: with K samples there are K
    groups for each
    question. A task without a group is a group of its own. (HR-Bench: four rotations, `cycle_category`.)
    """
    groups: dict[tuple[str, str, int], list[Verdict]] = defaultdict(list)
    for task, seed, verdict in rows:
        groups[("group", task.group, seed) if task.group else ("task", task.id, seed)].append(verdict)
    whole = [group for group in groups.values() if all(verdict.is_judged for verdict in group)]
    shares = [sum(verdict.is_correct for verdict in group) / len(group) for group in whole]
    count = len(whole)
    return GroupScore(
        mean=sum(shares) / count if count else None,
        consistent=sum(share == 1.0 for share in shares) / count if count else None,
        groups=count,
        left_out=len(groups) - count,
        sizes=dict(sorted(Counter(map(len, groups.values())).items())),
    )

"""How sure a figure is: intervals for shares, tests for paired differences; both hold for few pictures."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

SURE = 0.95
# Correlation of the outcomes of a picture that is assumed where little is known, and how many pictures that
# is worth. Chosen by simulation, see docs/LOG.md.
_ALIKE, _PRIOR = 0.6, 2
_FLIPPED = 16  # up to so many pictures that differ, all ways to swap the two sides are gone through


class Value(NamedTuple):
    """A figure of one episode or task: `task` and `cluster` say what it is not independent of."""

    task: str
    cluster: str
    value: float


class Mean(NamedTuple):
    """A mean over tasks.

    Attributes:
        mean: of the tasks' own means.
        error: its standard error by clusters; None if there is one cluster only.
        residues: by how much each cluster lies above the mean, summed over its tasks.
        tasks, values: how many there are.
    """

    mean: float
    error: float | None
    residues: tuple[float, ...]
    tasks: int
    values: int


def clustered_mean(values: Sequence[Value]) -> Mean | None:
    """Mean over tasks of their values' means, and its standard error by clusters; None without values.

    Clusters are pictures: questions about one picture are not independent. With one task per cluster this is
    the usual error.
    """
    by_task: dict[str, list[float]] = defaultdict(list)
    cluster_of: dict[str, str] = {}
    for task, cluster, value in values:
        by_task[task].append(value)
        cluster_of[task] = cluster
    if not by_task:
        return None
    means = {task: sum(group) / len(group) for task, group in by_task.items()}
    mean = sum(means.values()) / len(means)
    residues: dict[str, float] = defaultdict(float)
    for task, own in means.items():
        residues[cluster_of[task]] += own - mean
    count, error = len(residues), None
    if count > 1:
        squares = sum(residue**2 for residue in residues.values())
        error = math.sqrt(squares / len(means) ** 2 * count / (count - 1))
    return Mean(mean, error, tuple(residues.values()), len(means), len(values))


def share_interval(values: Sequence[Value]) -> tuple[float, float] | None:
    """Between what a share lies with 95% confidence; None without values.

    The exact interval of the binomial distribution, for as many independent outcomes as the spread between
    clusters is worth (Korn and Graubard 1998): it holds near 0 and 1 too, where the standard error is 0 or
    nearly so. Of few clusters that differ from most, the spread says little; then it is taken to be no less
    than that of outcomes that hang together by `_ALIKE`, which weighs as much as `_PRIOR` such clusters.
    """
    found = clustered_mean(values)
    if found is None:
        return None
    mean, clusters = min(max(found.mean, 0.0), 1.0), len(found.residues)
    unit, outcomes = mean * (1 - mean), float(clusters)
    if found.error and unit:
        most = float(mean > 0.5)
        differing = len({value.cluster for value in values if abs(value.value - most) > 1e-9})
        weight = min(differing, clusters - 1)
        tasks = Counter({value.task: value.cluster for value in values}.values())
        even = found.tasks**2 / sum(count**2 for count in tasks.values())  # clusters, were they of one size
        expected = unit * (_ALIKE + (1 - _ALIKE) * clusters / found.values) / even
        spread = found.error**2 * (clusters - 1) / clusters
        spread = (weight * spread + _PRIOR * max(spread, expected)) / (weight + _PRIOR)
        outcomes = min(max(unit / spread, 1.0), float(found.values))
    return exact_interval(round(mean * outcomes, 6), round(outcomes, 6))


@lru_cache(maxsize=65536)
def exact_interval(right: float, outcomes: float) -> tuple[float, float]:
    """Shares of which a binomial distribution gives so few, or so many, right outcomes with 2.5% or more
    (Clopper and Pearson 1934). Neither number need be whole."""
    wrong = outcomes - right
    low = 0.0 if right <= 0 else _solve(lambda share: incomplete_beta(right, wrong + 1, share))
    high = 1.0 if wrong <= 0 else 1.0 - _solve(lambda share: incomplete_beta(wrong, right + 1, share))
    return low, high


def _solve(rises: Callable[[float], float]) -> float:
    """Where a function that rises from 0 to 1 between 0 and 1 is 2.5%."""
    low, high = 0.0, 1.0
    for _ in range(26):
        middle = (low + high) / 2
        low, high = (middle, high) if rises(middle) < (1 - SURE) / 2 else (low, middle)
    return (low + high) / 2


@lru_cache(maxsize=4096)
def t_quantile(freedom: int) -> float:
    """What Student's t exceeds with a probability of 2.5%; `freedom` is 1 or more."""
    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_tails(middle, freedom) > 1 - SURE else (low, middle)
    return (low + high) / 2


def t_tails(value: float, freedom: int) -> float:
    """Probability that Student's t lies further from 0 than `value`."""
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + value**2))


def paired_p(residues: Sequence[float]) -> float:
    """Two-sided p of no difference, from the summed differences of each cluster.

    With few clusters that differ, the share of all ways to swap the two sides of clusters that give as large
    a difference (the sign test if all differences are alike); else Student's t.
    """
    differing = np.array([value for value in residues if abs(value) > 1e-12])
    if not len(differing):
        return 1.0
    total = abs(differing.sum())
    if len(differing) <= _FLIPPED:
        sums = np.zeros(1)
        for value in differing:
            sums = np.concatenate([sums + value, sums - value])
        return float((np.abs(sums) >= total - 1e-9).mean())
    count = len(residues)
    mean = sum(residues) / count
    spread = math.sqrt(sum((value - mean) ** 2 for value in residues) * count / (count - 1))
    return t_tails(total / spread, count - 1) if spread else 0.0


def pass_at(counts: Sequence[tuple[int, int]], k: int) -> list[float]:
    """For tasks with (right, judged) samples the unbiased estimate that one of `k` samples is right.

    1 - C(n - c, k) / C(n, k) (arXiv 2107.03374); tasks with fewer than `k` judged samples are left out.
    """
    return [1 - math.comb(n - right, k) / math.comb(n, k) for right, n in counts if n >= k]


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Numerical Recipes, 6.4)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    tiny, fraction, c, d = 1e-300, 1.0, 1.0, 0.0
    for step in range(1000):
        m = step // 2
        if step == 0:
            term = 1.0
        elif step % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 + term * d
        d = 1 / (d if abs(d) > tiny else tiny)
        c = 1 + term / (c if abs(c) > tiny else tiny)
        c = c if abs(c) > tiny else tiny
        fraction *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return front * (fraction - 1) / a

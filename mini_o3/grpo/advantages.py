"""Group advantages and over-turn masking: which rollout learns, and how much.

Departs from the paper in nothing by default: the reward is normalised over the whole group
(`statistics="all"`), a rollout that ran out of turns, pictures or context is masked, and the loss is divided
by the number of rollouts that are not (`normaliser="completed"`). The paper's words leave both open, and the
released code divides by all; both readings are options (arXiv 2509.07969, section on over-turn masking).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Over = Literal["all", "completed"]
Normaliser = Literal["all", "completed", "batch"]
_SAME = 1e-6  # a group whose rewards spread less than this teaches nothing


@dataclass(frozen=True, slots=True)
class Masking:
    """How rollouts without an answer are treated.

    Attributes:
        over_turn: mask rollouts that a limit stopped; False trains on them with their reward (0), as plain
            GRPO does.
        void: mask rollouts that ended because the policy kept writing neither a zoom nor an answer.
        statistics: whose rewards the mean and the spread of a group are taken over.
        normaliser: how many rollouts a group's loss is divided by: all of the group, or those that completed.
            "batch" divides by all that completed in the mini-batch: then a rollout counts the same whether
            others of its group completed or not, while "completed" lets a lone one count as much as a whole
            group.
        variance: whose rewards must differ for the group to be worth learning from. "completed" drops a group
            whose finished rollouts are all right while others ran over; "all" keeps it, as the released code
            does: its right answers gain.
    """

    over_turn: bool = True
    void: bool = False
    statistics: Over = "all"
    normaliser: Normaliser = "completed"
    variance: Over = "completed"


@dataclass(frozen=True, slots=True)
class Ended:
    """All that counts of a rollout here.

    Attributes:
        reward: None if the judge failed.
        cost: taken off the reward once it is decided whether the group is worth learning from.
    """

    reward: float | None
    cost: float = 0.0
    over_turn: bool = False
    void: bool = False


@dataclass(frozen=True, slots=True)
class GroupAdvantages:
    """Advantages (G,), 0 where masked; `completed` (G,) is the mask M; `normaliser` is what counts of the
    group."""

    advantages: np.ndarray
    completed: np.ndarray
    normaliser: int


def group_advantages(rollouts: Sequence[Ended], masking: Masking) -> GroupAdvantages | None:
    """Advantages of the rollouts on one question, or None if the group has to be dropped.

    A group is dropped if a rollout could not be judged (it is not scored 0), if nobody completed, or if the
    rewards that `variance` speaks of are all the same: dynamic sampling asks for another question then.

    A_i = M_i (r_i - mean) / std, with the unbiased standard deviation. What is the same is decided before
    costs: divided by the spread of a group whose rewards are all the same, the least cost would weigh as much
    as being right.
    """
    if any(rollout.reward is None for rollout in rollouts):
        return None
    rewards = np.array([rollout.reward for rollout in rollouts], np.float64)
    masked = [(r.over_turn and masking.over_turn) or (r.void and masking.void) for r in rollouts]
    completed = ~np.array(masked, bool)
    everyone = np.ones(len(rollouts), bool)
    of_variance = completed if masking.variance == "completed" else everyone
    counted = completed if masking.statistics == "completed" else everyone
    if not completed.any() or min(np.ptp(rewards[of_variance]), np.ptp(rewards[counted])) < _SAME:
        return None
    rewards = rewards - [rollout.cost for rollout in rollouts]
    spread = rewards[counted].std(ddof=1)
    if spread < _SAME:
        return None
    advantages = np.where(completed, (rewards - rewards[counted].mean()) / spread, 0.0)
    return GroupAdvantages(
        advantages, completed, len(rollouts) if masking.normaliser == "all" else int(completed.sum())
    )

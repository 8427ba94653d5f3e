"""Group advantages and over-turn masking: which rollouts are learnt from, and what their reward is worth.

By default this is the paper's formula: the reward is normalised over the whole group (`statistics="all"`), a
rollout that ran out of turns, pictures or context is masked, and the loss is divided by the number of
rollouts that are not (`normaliser="completed"`). The paper's words leave both open, and the released code
divides by all; both readings are options (arXiv 2509.07969, section on over-turn masking). `grpo.weights`
divides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Over = Literal["all", "completed"]
Normaliser = Literal["all", "completed", "batch"]
TokenMean = Literal["rollout", "batch"]
_SAME = 1e-6  # a group whose rewards spread less than this teaches nothing


@dataclass(frozen=True, slots=True)
class Masking:
    """A reading of over-turn masking: how rollouts without an answer are treated, and what the loss is
    divided by.

    Attributes:
        over_turn: mask rollouts that a limit stopped; False trains on them with their reward (0), as plain
            GRPO does.
        void: mask rollouts that ended because the policy kept writing neither a zoom nor an answer.
        statistics: whose rewards the mean and the standard deviation of a group are taken over.
        normaliser: how many rollouts a group's loss is divided by: all of the group, or those that completed.
            "batch" divides by all that completed in the mini-batch: then a rollout counts the same whether
            others of its group completed or not, while "completed" lets a lone one count as much as a whole
            group.
        variance: whose rewards must differ for the group to be worth learning from. "completed" drops a group
            whose finished rollouts are all right while others ran over; "all" keeps it, as the released code
            does, and its right answers gain.
        token_mean: "rollout" takes the mean over the tokens of each rollout, and the normaliser counts
            rollouts. "batch" weighs every token of a mini-batch alike, and the normaliser counts tokens.

    Raises:
        ValueError: `token_mean="batch"` counts tokens while `normaliser="all"` counts rollouts.
    """

    over_turn: bool = True
    void: bool = False
    statistics: Over = "all"
    normaliser: Normaliser = "completed"
    variance: Over = "completed"
    token_mean: TokenMean = "rollout"

    def __post_init__(self) -> None:
        if self.token_mean == "batch" and self.normaliser == "all":
            raise ValueError(
                'token_mean = "batch" counts tokens; normaliser = "all" counts rollouts: choose one'
            )


@dataclass(frozen=True, slots=True)
class RolloutOutcome:
    """What of a rollout decides its weight in the loss.

    Attributes:
        reward: None if the judge failed.
        cost: taken off the reward once it is decided whether the group is worth learning from.
        over_turn: a limit stopped it.
        void: it ended because the policy kept writing neither a zoom nor an answer.
        tokens: how many tokens the policy wrote.
    """

    reward: float | None
    cost: float = 0.0
    over_turn: bool = False
    void: bool = False
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class GroupAdvantages:
    """Advantages of a group of G rollouts.

    Attributes:
        advantages: (G,), 0 where masked.
        completed: (G,) the mask M of the paper.
        normaliser: how many rollouts of the group count.
    """

    advantages: np.ndarray
    completed: np.ndarray
    normaliser: int


def group_advantages(rollouts: Sequence[RolloutOutcome], masking: Masking) -> GroupAdvantages | None:
    """Advantages of the rollouts on one question, or None if the group has to be dropped.

    A group is dropped if a rollout could not be judged (it is not scored 0), if nobody completed, or if the
    rewards that `variance` names are all the same: dynamic sampling asks another question then.

    A_i = M_i (r_i - mean) / std, with the unbiased standard deviation. Whether rewards are the same is
    decided before costs: if only costs differed, the division would make the least of them weigh as much as
    being right.
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
    deviation = rewards[counted].std(ddof=1)
    if deviation < _SAME:
        return None
    advantages = np.where(completed, (rewards - rewards[counted].mean()) / deviation, 0.0)
    number = len(rollouts) if masking.normaliser == "all" else int(completed.sum())
    return GroupAdvantages(advantages, completed, number)

"""What each rollout counts in an update: over-turn masking and the normaliser, decided here alone.

The loss of an update is the sum over its rollouts of weight x clipped objective (`grpo.loss`). With A_i the
advantage of rollout i (0 where it is masked), K groups in the update and N_g the rollouts that count of group
g (`token_mean="batch"`: the tokens they wrote), its weight is

    A_i / (N_g K)            normaliser "all" (N_g = G) or "completed" (N_g = those not masked)
    A_i / (N_1 + ... + N_K)  normaliser "batch"
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mini_o3.grpo.advantages import Masking, RolloutOutcome, group_advantages


def rollout_weights(groups: Sequence[Sequence[RolloutOutcome]], masking: Masking) -> list[np.ndarray | None]:
    """Weights (G,) of the rollouts of every group of one update; None for a group that teaches nothing.

    All groups of the update must be there, also those that other processes rolled out.
    """
    found = [group_advantages(outcomes, masking) for outcomes in groups]
    counts = [
        0
        if of_group is None
        else of_group.normaliser
        if masking.token_mean == "rollout"
        else sum(o.tokens for o, completed in zip(outcomes, of_group.completed, strict=True) if completed)
        for outcomes, of_group in zip(groups, found, strict=True)
    ]
    kept = sum(of_group is not None for of_group in found)
    return [
        None
        if of_group is None
        else of_group.advantages / (sum(counts) if masking.normaliser == "batch" else count * kept)
        for of_group, count in zip(found, counts, strict=True)
    ]

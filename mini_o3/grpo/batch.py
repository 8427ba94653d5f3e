"""Groups to tensors: the rollouts with a gradient, their views without repeats, micro-batches of similar
length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from mini_o3.grpo.rollout import Group
from mini_o3.models.chat import position_ids
from mini_o3.models.views import view_key


@dataclass(frozen=True, slots=True)
class Trajectory:
    """What the learner needs of one rollout.

    Attributes:
        ids, mask, old: token ids; 1 where the policy wrote them; their log-probabilities then. Parallel.
        views: which of the mini-batch's views stand behind the image placeholders, in order.
        weight: what its loss counts in the update, see `grpo.weights`.
    """

    ids: tuple[int, ...]
    mask: tuple[int, ...]
    old: tuple[float, ...]
    views: tuple[int, ...]
    weight: float


@dataclass(frozen=True, slots=True)
class MiniBatch:
    """The rollouts of one update that have a gradient, and their views, each once."""

    trajectories: list[Trajectory]
    views: list[Image.Image]


def mini_batch(groups: Sequence[Group], weights: Sequence[np.ndarray]) -> MiniBatch:
    """The rollouts of these groups that an update learns from; `weights` holds those (G,) of each group.

    A rollout of weight zero, which was masked or is as good as the mean of its group, is left out: it has no
    gradient.
    """
    trajectories: list[Trajectory] = []
    views: list[Image.Image] = []
    numbers: dict[bytes, int] = {}
    for group, of_group in zip(groups, weights, strict=True):
        for rollout, weight in zip(group.rollouts, of_group, strict=True):
            episode = rollout.episode
            if weight == 0.0 or not episode.turns:
                continue
            shown: list[int] = []
            for view in rollout.views:
                key = view_key(view)
                if key not in numbers:
                    numbers[key] = len(views)
                    views.append(view)
                shown.append(numbers[key])
            ids, mask, old = episode.token_ids, episode.token_mask, episode.token_log_probs
            trajectories.append(Trajectory(ids, mask, old, tuple(shown), weight))
    return MiniBatch(trajectories, views)


def pack(trajectories: Sequence[Trajectory], tokens: int) -> list[list[Trajectory]]:
    """Longest first, in micro-batches whose padded size stays below `tokens`; a longer trajectory stands
    alone."""
    packs: list[list[Trajectory]] = []
    for trajectory in sorted(trajectories, key=lambda t: -len(t.ids)):
        if packs and (len(packs[-1]) + 1) * len(packs[-1][0].ids) <= tokens:
            packs[-1].append(trajectory)
        else:
            packs.append([trajectory])
    return packs


@dataclass(slots=True)
class Packed:
    """One micro-batch, padded on the right.

    Attributes:
        ids, mask, old: (B, T).
        position_ids: (3, B, T) rotary positions.
        weights: (B,).
        views: numbers of the views behind the placeholders of row 0, then of row 1, and so on.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    old: torch.Tensor
    position_ids: torch.Tensor
    weights: torch.Tensor
    views: list[int]


def collate(rows: Sequence[Trajectory], grids: Sequence[tuple[int, int]], image_pad: int) -> Packed:
    """`grids` holds (rows, columns) in image tokens of every view of the mini-batch."""
    shape = (len(rows), max(len(row.ids) for row in rows))
    packed = Packed(
        torch.zeros(shape, dtype=torch.long),
        torch.zeros(shape),
        torch.zeros(shape),
        torch.zeros((3, *shape), dtype=torch.long),
        torch.tensor([row.weight for row in rows], dtype=torch.float32),
        [view for row in rows for view in row.views],
    )
    for index, row in enumerate(rows):
        count = len(row.ids)
        packed.ids[index, :count] = torch.tensor(row.ids)
        packed.mask[index, :count] = torch.tensor(row.mask, dtype=torch.float32)
        packed.old[index, :count] = torch.tensor(row.old)
        of_row, _ = position_ids(row.ids, image_pad, [grids[view] for view in row.views])
        packed.position_ids[:, index, :count] = torch.from_numpy(of_row)
    return packed

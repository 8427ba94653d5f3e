"""Groups to tensors: who learns, views without repeats, micro-batches of similar length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
        weight: advantage over the normaliser of its group and the number of groups: what its loss counts in
            the update.
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


def counted(group: Group, per_token: bool) -> int:
    """What a group counts: its normaliser in rollouts, or the tokens that those of its rollouts wrote that
    completed."""
    assert group.advantages is not None
    if not per_token:
        return group.advantages.normaliser
    done = zip(group.rollouts, group.advantages.completed, strict=True)
    return sum(sum(rollout.episode.token_mask) for rollout, completed in done if completed)


def mini_batch(
    groups: Sequence[Group], total: int, *, over_batch: int = 0, per_token: bool = False
) -> MiniBatch:
    """What an update learns from `groups`, which are all or (on several processes) some of its `total`
    groups.

    A rollout that was masked, or has an advantage of zero, is left out: it has no gradient. The loss of the
    update is the
    mean over groups of each group's sum over what it counts, as the paper's formula says; or, with
    `over_batch`, the sum over everything divided by that.
    """
    trajectories: list[Trajectory] = []
    views: list[Image.Image] = []
    numbers: dict[bytes, int] = {}
    for group in groups:
        if group.advantages is None:
            continue
        gains, divisor = group.advantages.advantages, over_batch or counted(group, per_token) * total
        for rollout, gain in zip(group.rollouts, gains, strict=True):
            episode = rollout.episode
            if gain == 0.0 or not episode.turns:
                continue
            shown: list[int] = []
            for view in rollout.views:
                key = view_key(view)
                if key not in numbers:
                    numbers[key] = len(views)
                    views.append(view)
                shown.append(numbers[key])
            trajectories.append(
                Trajectory(
                    episode.token_ids,
                    episode.token_mask,
                    episode.token_log_probs,
                    tuple(shown),
                    gain / divisor,
                )
            )
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

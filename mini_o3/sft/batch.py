"""Samples to tensors: micro-batches of similar length, views encoded together, loss on the policy's tokens
only."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F

from mini_o3.models.chat import ChatRenderer, position_ids
from mini_o3.models.patches import Patcher
from mini_o3.probes.shapes.levels import STEP
from mini_o3.probes.shapes.words import COLOURS, DIGITS, SHAPES
from mini_o3.sft.perception import Sample


@dataclass(slots=True)
class Batch:
    """One micro-batch.

    Attributes:
        ids, learn: (B, T); ids are padded on the right, where the weight `learn` is 0.
        position_ids: (3, B, T) rotary positions.
        rows, grids: patches of all views and their grids, in the order of the image placeholders in `ids`.
        cells: (views, cells, 6) labels of the perception stage, or None.
    """

    ids: torch.Tensor
    learn: torch.Tensor
    position_ids: torch.Tensor
    rows: torch.Tensor
    grids: torch.Tensor
    cells: torch.Tensor | None

    def to(self, device: torch.device) -> Batch:
        moved = (getattr(self, field.name) for field in fields(self))
        return Batch(*(value if value is None else value.to(device) for value in moved))


def micro_batches(samples: list[Sample], tokens: int) -> list[list[Sample]]:
    """Split into groups of one kind and similar length whose padded size stays below `tokens`.

    A longer sample stands alone. Samples with and without views or cell labels are of different kinds.
    """
    groups: list[list[Sample]] = []
    for sample in sorted(samples, key=lambda s: (*_kind(s), len(s.ids))):
        fits = (
            groups
            and _kind(groups[-1][0]) == _kind(sample)
            and (len(groups[-1]) + 1) * len(sample.ids) <= tokens
        )
        if fits:
            groups[-1].append(sample)
        else:
            groups.append([sample])
    return groups


def _kind(sample: Sample) -> tuple[bool, bool]:
    return bool(sample.views), sample.cells is not None


def collate(samples: list[Sample], patcher: Patcher, renderer: ChatRenderer, pad: int) -> Batch:
    length = max(len(s.ids) for s in samples)
    ids = torch.full((len(samples), length), pad, dtype=torch.int64)
    learn = torch.zeros((len(samples), length), dtype=torch.float32)
    positions = torch.zeros((3, len(samples), length), dtype=torch.int64)
    for index, sample in enumerate(samples):
        count = len(sample.ids)
        grids = renderer.grids(sample.views)
        ids[index, :count] = torch.tensor(sample.ids)
        learn[index, :count] = torch.tensor(sample.learn, dtype=torch.float32)
        of_sample, _ = position_ids(sample.ids, renderer.image_pad, grids)
        positions[:, index, :count] = torch.from_numpy(of_sample)
    views = [view for sample in samples for view in sample.views]
    rows, all_grids = patcher(views) if views else (torch.empty(0), torch.empty((0, 3), dtype=torch.int64))
    labels = [sample.cells for sample in samples if sample.cells is not None]
    cells = torch.from_numpy(np.concatenate(labels)) if len(labels) == len(samples) else None
    return Batch(ids, learn, positions, rows, all_grids, cells)


class CellHead(torch.nn.Module):
    """Reads off every image token what stands in its cell; trained along, never shipped."""

    KINDS = ("cell_here", "cell_colour", "cell_shape", "cell_digit", "cell_x", "cell_y")

    def __init__(self, width: int) -> None:
        super().__init__()
        lines = round(1 / STEP) + 1
        self.sizes = [1, len(COLOURS), len(SHAPES), len(DIGITS), lines, lines]
        self.head = torch.nn.Linear(width, sum(self.sizes))

    def loss(self, tokens: torch.Tensor, labels: torch.Tensor, tally: dict[str, float]) -> torch.Tensor:
        """Mean loss of tokens (views * cells, width) against labels (views, cells, 6); see `cell_labels`.

        Adds how many cells of each kind were told right to `tally` (of `cell_here`: those that hold
        something).
        """
        labels = labels.reshape(-1, labels.shape[-1])
        here, *others = self.head(tokens).split(self.sizes, dim=-1)
        present = labels[:, 0] > 0
        total = F.binary_cross_entropy_with_logits(here[:, 0], labels[:, 0], pos_weight=torch.tensor(5.0))
        count(tally, "cell_here", here[present, 0] > 0)
        for column, logits in enumerate(others, start=1):
            known = labels[:, column] >= 0
            if known.any():
                total = total + F.cross_entropy(logits[known], labels[known, column].long())
                count(tally, self.KINDS[column], logits[known].argmax(-1) == labels[known, column])
        return total


def count(tally: dict[str, float], kind: str, right: torch.Tensor) -> None:
    """Add how many of `right` (bools) there are, and how many are true, to the sums of `kind`."""
    tally[f"{kind}_n"] = tally.get(f"{kind}_n", 0.0) + float(right.numel())
    tally[f"{kind}_right"] = tally.get(f"{kind}_right", 0.0) + float(right.sum())

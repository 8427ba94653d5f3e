"""From slots to boxes and scores, and from image tokens to the first proposals."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def inverse_sigmoid(values: Tensor, margin: float = 1e-4) -> Tensor:
    values = values.clamp(margin, 1 - margin)
    return (values / (1 - values)).log()


class BoxHead(nn.Module):
    """Slots (..., D) -> what to add to the logits of their boxes (..., 4); 0 in a new model."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 4))
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, slots: Tensor) -> Tensor:
        out: Tensor = self.layers(slots)
        return out


class ScoreHead(nn.Module):
    """Slots (Q, K, D) and their query (Q, D) -> logits (Q, K) that a box holds what is asked for."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.layers = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, 1))
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.constant_(last.bias, -3.0)  # a box is seldom right: the first steps of training are calm

    def forward(self, slots: Tensor, query: Tensor) -> Tensor:
        slots = self.norm(slots)
        out: Tensor = self.layers(torch.cat([slots, slots * query[:, None]], dim=-1))
        return out[..., 0]

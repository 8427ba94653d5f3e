"""What turns a picture into tokens: transformers' ViT in three sizes, or its ResNet-50 for a baseline."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import ResNetConfig, ResNetModel, ViTConfig, ViTModel

from mini_o3.grounding.config import ModelConfig

PATCH = 16


class Shape(NamedTuple):
    """Width, number of layers, number of heads, and width of the feed-forward layers."""

    width: int
    depth: int
    heads: int
    feed_forward: int


SHAPES = {
    "vit_tiny": Shape(192, 6, 3, 768),
    "vit_b16": Shape(768, 12, 12, 3072),
    "vit_l16": Shape(1024, 24, 16, 4096),
}


class Backbone(nn.Module):
    """Pictures (B, 3, S, S) -> tokens (B, (S / stride)^2, width of the backbone), row by row.

    The stride is 16, of the ResNet 32.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.net: Any
        if config.backbone == "resnet50":
            self.net = ResNetModel(ResNetConfig())
            self.width = int(self.net.config.hidden_sizes[-1])
            return
        shape = SHAPES[config.backbone]
        self.width = shape.width
        self.net = ViTModel(
            ViTConfig(
                hidden_size=shape.width,
                num_hidden_layers=shape.depth,
                num_attention_heads=shape.heads,
                intermediate_size=shape.feed_forward,
                image_size=config.image,
                patch_size=PATCH,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            ),
            add_pooling_layer=False,
        )

    def forward(self, pictures: Tensor) -> Tensor:
        found: Tensor = self.net(pixel_values=pictures).last_hidden_state
        if found.dim() == 4:  # a map (B, C, H, W) of the ResNet
            return found.flatten(2).transpose(1, 2)
        return found[:, 1:]  # without the class token


def token_centres(side: int, device: torch.device | None = None) -> Tensor:
    """The middles of the patches as (x, y) in 0..1: (side * side, 2), row by row."""
    middles = (torch.arange(side, device=device, dtype=torch.float32) + 0.5) / side
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)

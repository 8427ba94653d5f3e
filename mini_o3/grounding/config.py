"""Settings of a grounding model."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Backbone = Literal["vit_tiny", "vit_b16", "vit_l16", "resnet50"]


class ModelConfig(BaseModel):
    """What a model is built from; it is saved beside the weights.

    Attributes:
        backbone: shape of the vision transformer, see `backbone.SHAPES`; `resnet50` is for baseline A.
        image: side of the square picture that the backbone sees, in pixels.
        width: width of the query slots.
        slots: boxes that a query returns at most.
        steps: reasoning steps; 0 returns the proposals of the image tokens as they are.
        gated: whether a query may stop before the last step.
        stop_below: a query whose gates multiply to less than this stops when no gradients are wanted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: Backbone = "vit_tiny"
    image: int = Field(default=384, ge=32)
    width: int = Field(default=128, ge=16)
    heads: int = Field(default=4, ge=1)
    slots: int = Field(default=20, ge=1)
    steps: int = Field(default=6, ge=0, le=8)
    gated: bool = True
    stop_below: float = Field(default=0.5, gt=0, lt=1)

    @model_validator(mode="after")
    def _fits(self) -> ModelConfig:
        if self.width % self.heads or self.width % 4:
            raise ValueError(f"width {self.width} must be a multiple of 4 and of heads {self.heads}")
        if self.image % 32:
            raise ValueError(f"image {self.image} must be a multiple of 32, two patches")
        return self

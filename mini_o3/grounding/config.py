"""Settings of a grounding model and of its training."""

from __future__ import annotations

from pathlib import Path
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


class GroundingConfig(BaseModel):
    """Settings of a training.

    Attributes:
        train: COCO instances file that is learnt from.
        val: one that is measured on while training.
        start: model folder to start from; its `model` settings must be the same.
        plain_steps: updates at the beginning that train the backbone and proposals without reasoning steps.
        batch: pictures of an update, over all processes.
        micro: pictures at once; a batch is worked off in such portions.
        absent: categories asked for on each picture that are not on it.
        step_cost: what a reasoning step costs, see `criterion`.
        clip: largest norm of the gradient.
        eval_every: updates between measurements on `val`.
        eval_pictures: how many of its pictures; 0 means all.
        patience: stop after so many measurements without a better mAP; 0 means never.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: Path
    val: Path
    start: str = ""
    model: ModelConfig = ModelConfig()
    steps: int = Field(default=300_000, ge=1)
    plain_steps: int = Field(default=0, ge=0)
    warmup: int = Field(default=5000, ge=0)
    lr: float = Field(default=3e-4, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    batch: int = Field(default=256, ge=1)
    micro: int = Field(default=16, ge=1)
    absent: int = Field(default=2, ge=0)
    step_cost: float = Field(default=0.0, ge=0)
    clip: float = Field(default=1.0, gt=0)
    eval_every: int = Field(default=1000, ge=1)
    eval_pictures: int = Field(default=0, ge=0)
    patience: int = Field(default=0, ge=0)
    bf16: bool = False
    seed: int = 42
    threads: int = Field(default=1, ge=1)

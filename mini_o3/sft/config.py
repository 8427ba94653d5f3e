"""Settings of a supervised run, from a TOML file; unknown keys fail."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from mini_o3.probes import FAMILIES, LEVELS
from mini_o3.sft.optim import build_optimisers


class TrainConfig(BaseModel):
    """All that determines a supervised run of nano."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: Literal["perception", "sft"]
    seed: int = Field(ge=0, description="of the weights and of the data stream")
    steps: int = Field(gt=0)
    scenes: int = Field(gt=0, description="data indices per step: scenes (perception) or episodes (sft)")
    start: str = Field("", description="run folder of an earlier stage to start from; empty: random weights")
    muon_lr: float = Field(0.015, gt=0)
    adam_lr: float = Field(0.002, gt=0)
    warmup: int = Field(50, ge=0, description="steps of rising rate")
    decay: float = Field(0.3, ge=0, le=1, description="last share of the steps, over which the rate falls to zero")
    cells_only: int = Field(0, ge=0, description="first steps, in which only the vision tower learns, from the cells")
    cell_weight: float = Field(0.5, ge=0, description="of the per-cell loss")
    perception_share: float = Field(0.3, ge=0, le=1, description="share of sft indices that are perception scenes")
    drills: int = Field(0, ge=0, description="drills in comparing words per sft index")
    crowds: int = Field(10, ge=0, description="crowds per perception index")
    layouts: int = Field(1, gt=0, description="probes per perception index")
    turns: int = Field(12, gt=0, description="turn limit of the teacher's episodes")
    levels: dict[str, float] = Field(
        {"easy": 0.8, "medium": 0.15, "hard": 0.05}, description="level of an episode: its share"
    )
    families: dict[str, float] = Field(dict.fromkeys(FAMILIES, 0.25), description="family of an episode: its share")
    photos: bool = Field(True, description="hide things in the bundled photographs too")
    micro_tokens: int = Field(4096, gt=0, description="padded tokens per forward pass")
    threads: int = Field(2, gt=0)
    workers: int = Field(1, ge=0, description="processes that make data")
    log_every: int = Field(10, gt=0)
    save_minutes: float = Field(3.0, gt=0)

    #: Settings that a resumed run may change: they do not alter the result.
    free_to_change: ClassVar[frozenset[str]] = frozenset({"threads", "workers", "log_every", "save_minutes", "micro_tokens"})

    @field_validator("levels", "families")
    @classmethod
    def _shares(cls, shares: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        known = LEVELS if info.field_name == "levels" else FAMILIES
        if not set(shares) <= set(known) or min(shares.values(), default=0) < 0 or abs(sum(shares.values()) - 1) > 1e-6:
            raise ValueError(f"must be shares of {', '.join(known)} that sum to 1")
        return shares

    def rate(self, step: int) -> float:
        """Learning-rate factor: linear warm-up, flat, linear decay to zero."""
        warm = min((step + 1) / max(self.warmup, 1), 1.0)
        tail = max(self.decay * self.steps, 1.0)
        return warm * min((self.steps - step) / tail, 1.0)

    def optimisers(self, model: torch.nn.Module) -> list[torch.optim.Optimizer]:
        optimisers = build_optimisers(model, self.muon_lr, self.adam_lr)
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["initial_lr"] = group["lr"]
        return optimisers

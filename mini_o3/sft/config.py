"""Settings of a supervised run, from a TOML file; unknown keys fail."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from mini_o3.probes.shapes import FAMILIES, LEVELS
from mini_o3.probes.shapes.levels import are_shares
from mini_o3.training.settings import TrainingSettings

if TYPE_CHECKING:
    import torch


class TrainConfig(TrainingSettings):
    """All that determines a supervised run. Defaults are nano's; the paper's are in the preset `sft_7b`."""

    stage: Literal["perception", "sft"]
    seed: int = Field(ge=0, description="of the weights and of the data stream")
    steps: int = Field(0, ge=0, description="0: as many as `epochs` rounds over the episodes take")
    epochs: int = Field(0, ge=0, description="rounds over recorded episodes, in place of `steps`")
    scenes: int = Field(
        gt=0, description="data indices per step and process: scenes (perception) or episodes (sft)"
    )
    start: str = Field(
        "", description="checkpoint, or run folder of an earlier stage, to start from; empty: random weights"
    )
    episodes: str = Field(
        "", description="folder with recorded episodes.jsonl to imitate; empty: the teacher's, fresh"
    )
    optimiser: Literal["muon", "adamw"] = "muon"
    muon_lr: float = Field(0.015, gt=0)
    adam_lr: float = Field(0.002, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    schedule: Literal["linear", "cosine"] = "linear"
    warmup: int = Field(50, ge=0, description="steps of rising rate")
    warmup_share: float = Field(
        0.0, ge=0, le=1, description="share of the steps of rising rate, if that is more"
    )
    decay: float = Field(
        0.3, ge=0, le=1, description="last share of the steps, over which the rate falls to zero"
    )
    freeze_vision: bool = Field(False, description="vision tower and its projector keep their weights")
    bf16: bool = Field(False, description="compute in bfloat16; weights stay in float32")
    gradient_checkpointing: bool = Field(False, description="less memory, a third more work")
    max_pixels: int | None = Field(None, gt=0, description="of a view; null: what the checkpoint wants")
    prompts: str | None = Field(
        None, description="prompt profile of recorded episodes; null: what the checkpoint wants"
    )
    context_tokens: int | None = Field(
        None, gt=0, description="recorded episodes end with the last turn that fits"
    )
    cells_only: int = Field(
        0, ge=0, description="first steps, in which only the vision tower learns, from the cells"
    )
    cell_weight: float = Field(0.5, ge=0, description="of the per-cell loss")
    perception_share: float = Field(
        0.3, ge=0, le=1, description="share of sft indices that are perception scenes"
    )
    comparison_drills: int = Field(0, ge=0, description="drills in comparing words per sft index")
    crowds: int = Field(10, ge=0, description="crowds per perception index")
    layouts: int = Field(1, gt=0, description="probes per perception index")
    turns: int = Field(12, gt=0, description="turn limit of the teacher's episodes")
    levels: dict[str, float] = Field(
        {"easy": 0.8, "medium": 0.15, "hard": 0.05}, description="level of an episode: its share"
    )
    families: dict[str, float] = Field(
        dict.fromkeys(FAMILIES, 0.25), description="family of an episode: its share"
    )
    lucky_guesses: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the teacher's episodes that guess, rightly, in their sixth turn",
    )
    corrupted_turns: float = Field(
        0.0, ge=0, le=1, description="share of the teacher's turns that come out broken and are mended"
    )
    observation_offset: float = Field(
        0.0, ge=0, le=1, description="share of episodes whose observations are numbered higher"
    )
    photos: bool = Field(True, description="hide things in the bundled photographs too")
    micro_tokens: int = Field(4096, gt=0, description="padded tokens per forward pass")
    threads: int = Field(2, gt=0)
    workers: int = Field(1, ge=0, description="processes that make data")
    log_every: int = Field(10, gt=0)
    save_minutes: float = Field(3.0, gt=0)

    free_to_change: ClassVar[frozenset[str]] = frozenset(
        {"threads", "workers", "log_every", "save_minutes", "micro_tokens"}
    )
    renamed: ClassVar[Mapping[str, str]] = {
        "drills": "comparison_drills",
        "guesses": "lucky_guesses",
        "slips": "corrupted_turns",
        "skips": "observation_offset",
    }

    @field_validator("levels", "families")
    @classmethod
    def _shares(cls, shares: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        known = LEVELS if info.field_name == "levels" else FAMILIES
        if not are_shares(shares, known):
            raise ValueError(f"must be shares of {', '.join(known)} that sum to 1")
        return shares

    @model_validator(mode="after")
    def _ends(self) -> TrainConfig:
        if bool(self.steps) == bool(self.epochs):
            raise ValueError("give either steps or epochs")
        if self.epochs and not self.episodes:
            raise ValueError("epochs: only recorded episodes have an end; give steps, or episodes")
        return self

    def lr_factor(self, step: int, steps: int | None = None) -> float:
        """Learning-rate factor at a step: linear warm-up, then flat and linear, or cosine, down to zero."""
        total = steps or self.steps
        rising = max(self.warmup, round(self.warmup_share * total))
        warm = min((step + 1) / max(rising, 1), 1.0)
        if self.schedule == "cosine":
            return warm * 0.5 * (1 + math.cos(math.pi * max(step - rising, 0) / max(total - rising, 1)))
        return warm * min((total - step) / max(self.decay * total, 1.0), 1.0)

    def optimiser_of(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        import torch  # only here: settings are checked without it

        from mini_o3.sft.optim import Muon, muon_groups

        if self.optimiser == "muon":
            return Muon(muon_groups(model, self.muon_lr, self.adam_lr, self.weight_decay))
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        return torch.optim.AdamW(learning, lr=self.adam_lr, weight_decay=self.weight_decay)

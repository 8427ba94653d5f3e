"""Settings of a reinforcement-learning run, from a TOML file; unknown keys fail."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from mini_o3.grpo.advantages import Masking, Normaliser, Over, TokenMean
from mini_o3.grpo.loss import Clip
from mini_o3.training.settings import TrainingSettings


class GrpoConfig(TrainingSettings):
    """All that determines a run. Defaults are the paper's where it gives them (arXiv 2509.07969, training
    details)."""

    seed: int = Field(ge=0, description="of the questions and of every draw")
    steps: int = Field(gt=0)
    start: str = Field("", description="checkpoint or run folder to start from; empty: nano as shipped")

    tasks: str = Field("", description="folder with tasks.jsonl; empty: fresh probes")
    levels: dict[str, float] = Field(
        {"easy": 0.2, "medium": 0.4, "hard": 0.4}, description="of fresh probes: their shares"
    )
    groups: int = Field(256, gt=0, description="questions per step that must teach something")
    rollouts: int = Field(16, gt=1, description="per question")
    most_asked: float = Field(
        4.0, ge=1, description="give up looking for such questions after this many times `groups`"
    )
    judge: str = Field("exact", description="who gives the reward, as for an evaluation")
    prompts: str | None = Field(None, description="prompt profile; null: what the checkpoint wants")
    turns: int = Field(6, gt=0, description="turn limit of rollouts")
    images: int | None = Field(
        None, gt=0, description="views per rollout, the first included; null: as turns allow"
    )
    context_tokens: int | None = Field(
        None, gt=0, description="length of a rollout; null: what the checkpoint can take"
    )
    void_retries: int = Field(2, ge=0, description="turns without any action that are corrected")
    max_tokens: int = Field(1024, gt=0, description="of one turn")
    max_pixels: int | None = Field(None, gt=0, description="of a view; null: what the checkpoint wants")
    temperature: float = Field(1.0, gt=0)
    slots: int = Field(64, gt=0, description="conversations that are decoded together")

    over_turn_masking: bool = True
    void_masking: bool = False
    statistics: Over = "all"
    normaliser: Normaliser = "completed"
    variance: Over = "completed"
    turn_cost: float = Field(0.0, ge=0, description="taken off the reward of a right answer for every turn")

    updates: int = Field(8, gt=0, description="mini-batches that the groups of a step are split into")
    clip_low: float = Field(0.2, gt=0, lt=1)
    clip_high: float = Field(0.3, gt=0)
    token_mean: TokenMean = "rollout"
    lr: float = Field(1e-6, gt=0, description="constant")
    weight_decay: float = Field(0.01, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    freeze_vision: bool = False
    micro_tokens: int = Field(16384, gt=0, description="padded tokens per forward pass of the learner")
    gradient_checkpointing: bool = Field(False, description="less memory, a third more work")

    validate_every: int = Field(0, ge=0, description="steps; 0: never")
    validate_tasks: str = Field(
        "", description="folder with tasks.jsonl to validate on; empty: probes of `validate_levels`"
    )
    validate_levels: list[Literal["easy", "medium", "hard"]] = Field(
        [], description="empty: those of `levels`"
    )
    validate_probes: int = Field(24, gt=0, description="per level, or of the folder")
    validate_turns: int = Field(32, gt=0)
    collapse_zooms: float = Field(0.1, ge=0, description="stop when rollouts zoom less often than this")
    drift_over_turn: float = Field(
        0.9, ge=0, le=1, description="stop when more run over than this share, and than at first"
    )
    patience: int = Field(10, gt=0, description="steps that either must last")

    threads: int = Field(2, gt=0)
    save_minutes: float = Field(3.0, gt=0)

    free_to_change: ClassVar[frozenset[str]] = frozenset(
        {
            "threads",
            "save_minutes",
            "micro_tokens",
            "gradient_checkpointing",
            "slots",
            "steps",
            "validate_every",
            "validate_tasks",
            "validate_levels",
            "validate_probes",
            "validate_turns",
            "collapse_zooms",
            "drift_over_turn",
            "patience",
        }
    )

    @property
    def masking(self) -> Masking:
        return Masking(
            self.over_turn_masking,
            self.void_masking,
            self.statistics,
            self.normaliser,
            self.variance,
            self.token_mean,
        )

    @property
    def clip(self) -> Clip:
        return Clip(self.clip_low, self.clip_high)

    @model_validator(mode="after")
    def _fits(self) -> GrpoConfig:
        if self.updates > self.groups:
            raise ValueError(f"updates ({self.updates}) cannot be more than groups ({self.groups})")
        if self.turn_cost * self.turns >= 1:
            raise ValueError(
                f"turn_cost ({self.turn_cost}) x turns ({self.turns}) must be less than being right is"
                " worth, 1"
            )
        _ = self.masking  # whose parts must fit each other
        return self

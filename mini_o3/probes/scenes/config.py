"""Settings of a set of scenes, as a TOML file gives them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mini_o3.probes.scenes.levels import LEVELS

SPLITS = ("train", "test")


class ScenesConfig(BaseModel):
    """What to make.

    Attributes:
        seed: another one gives another set. Scenes to train on have seeds below 500,000,000, scenes to test
            on above.
        photos: `bundled`, a folder of pictures for the photo kind, or empty for no such kind.
        emoji: `drawn` (the same on every machine), or `noto`: Noto Color Emoji, which must be installed.
        quality: of the JPEG files.
        per_picture: questions about one picture.
        kinds: kinds of scenes, taken in turn; empty: all.
        train, test: questions of each level.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(default=1, ge=0, le=400)
    photos: str = "bundled"
    emoji: Literal["drawn", "noto"] = "drawn"
    quality: int = Field(default=88, ge=70, le=95)
    per_picture: int = Field(default=4, ge=1, le=8)
    kinds: tuple[Literal["shelf", "street", "crowd", "map", "dashboard", "photo"], ...] = ()
    train: dict[str, int] = {"easy": 1200, "medium": 1600, "hard": 1200}
    test: dict[str, int] = {"easy": 137, "medium": 260, "hard": 103}

    @field_validator("train", "test")
    @classmethod
    def _known_levels(cls, counts: dict[str, int]) -> dict[str, int]:
        for level, count in counts.items():
            if level not in LEVELS or not 0 <= count <= 400_000:
                raise ValueError(f"{level} = {count}: give questions (0 to 400,000) of {', '.join(LEVELS)}")
        return counts

"""The model families that can be run, by the `model_type` of their config.json; needs no torch."""

from __future__ import annotations

from typing import NamedTuple


class Family(NamedTuple):
    """One family: its name, its class in transformers, and the prompts that its models are asked with."""

    name: str
    model_class: str
    profile: str


FAMILIES = {
    "qwen2_5_vl": Family("Qwen2.5-VL", "Qwen2_5_VLForConditionalGeneration", "search"),
    "qwen3_vl": Family("Qwen3-VL", "Qwen3VLForConditionalGeneration", "qwen3_vl"),
}
SUPPORTED = " or ".join(f"{family.name} ({kind})" for kind, family in FAMILIES.items())
NAMES = " or ".join(family.name for family in FAMILIES.values())

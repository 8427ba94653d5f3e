"""Sizes of models and of machines, as their makers publish them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mini_o3.kit.errors import SettingError


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a vision-language model decides its memory and its work.

    Attributes:
        width, inner, layers, vocabulary: of the language model; `inner` is the width between gate and down.
        heads, kv_heads, head_width: of its attention.
        tied: whether the head shares the weights of the embedding.
        vision: parameters of the vision tower.
    """

    name: str
    width: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    vocabulary: int
    tied: bool
    vision: float

    @property
    def layer(self) -> int:
        """Parameters of one layer, without its norms."""
        attention = self.width * self.head_width * (2 * self.heads + 2 * self.kv_heads)
        return attention + 3 * self.width * self.inner

    @property
    def matrices(self) -> int:
        """Parameters that every token passes: the layers, without embedding and head."""
        return self.layers * self.layer

    @property
    def embedding(self) -> int:
        return self.vocabulary * self.width

    @property
    def parameters(self) -> float:
        return self.matrices + self.embedding * (1 if self.tied else 2) + self.vision

    def cached(self, itemsize: int = 2) -> int:
        """Bytes of one cached token."""
        return 2 * self.layers * self.kv_heads * self.head_width * itemsize

    def adapters(self, rank: int) -> int:
        """Parameters of LoRA adapters on every matrix of the layers."""
        wide, narrow = self.heads * self.head_width, self.kv_heads * self.head_width
        sides = 2 * (self.width + wide) + 2 * (self.width + narrow) + 3 * (self.width + self.inner)
        return self.layers * rank * sides


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("3b", 2048, 11008, 36, 16, 2, 128, 151936, True, 0.67e9),
        Shape("7b", 3584, 18944, 28, 28, 4, 128, 152064, False, 0.68e9),
        Shape("32b", 5120, 27648, 64, 40, 8, 128, 152064, False, 0.69e9),
        Shape("72b", 8192, 29568, 80, 64, 8, 128, 152064, False, 0.70e9),
        Shape("qwen3-2b", 2048, 6144, 28, 16, 8, 128, 151936, True, 0.41e9),
        Shape("qwen3-4b", 2560, 9728, 36, 32, 8, 128, 151936, True, 0.41e9),
        Shape("qwen3-8b", 4096, 12288, 36, 32, 8, 128, 151936, False, 0.58e9),
    )
}


class Machine(NamedTuple):
    """A GPU: FLOP/s of its matrix units in bfloat16 without sparsity, bytes/s and bytes of its memory."""

    flops: float
    bandwidth: float
    memory: float


MACHINES = {
    "a100": Machine(312e12, 2.04e12, 80e9),
    "h100": Machine(989e12, 3.35e12, 80e9),
    "h200": Machine(989e12, 4.8e12, 141e9),
    "l40s": Machine(362e12, 0.864e12, 48e9),
    "rtx4090": Machine(165e12, 1.008e12, 24e9),
}


def read_shape(name: str) -> Shape:
    """A shape by its name, or that of a checkpoint folder.

    Raises:
        SettingError: there is no such shape, and no such folder.
    """
    if name in SHAPES:
        return SHAPES[name]
    try:
        config = json.loads((Path(name) / "config.json").read_text(encoding="utf-8"))
        return _of_config(name, config)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        known = ", ".join(SHAPES)
        raise SettingError("model", f"no such model; choose {known}, or a checkpoint folder", name) from None


def _of_config(name: str, config: dict[str, Any]) -> Shape:
    text = config.get("text_config") or config
    vision, heads = config["vision_config"], text["num_attention_heads"]
    width, inner = vision["hidden_size"], vision["intermediate_size"]
    gates = 3 if config["model_type"] == "qwen2_5_vl" else 2
    return Shape(
        name,
        text["hidden_size"],
        text["intermediate_size"],
        text["num_hidden_layers"],
        heads,
        text["num_key_value_heads"],
        text.get("head_dim") or text["hidden_size"] // heads,
        text["vocab_size"],
        bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))),
        float(vision["depth"] * (4 * width * width + gates * width * inner)),
    )


def read_machine(name: str) -> Machine:
    """A GPU by its name.

    Raises:
        SettingError: it is not known.
    """
    if name.lower() not in MACHINES:
        raise SettingError("gpu", f"not known; choose one of {', '.join(MACHINES)}", name)
    return MACHINES[name.lower()]

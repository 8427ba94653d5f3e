"""The layers of the language model over packed tokens of many sequences, with a cache.

Equal to the checkpoint's own forward pass, which takes rectangles: there, whoever decodes would wait for
whoever reads, and pay for the longest context of all. Weights are read where transformers keeps them; on a
processor those of a small model are also held side by side, for fewer and larger products.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from mini_o3.kit.errors import UserError
from mini_o3.models.engine.attention import Attention, Loop, Padded, Piece, Varlen, has_varlen
from mini_o3.models.engine.cache import Pages, Rooms, head_width
from mini_o3.models.engine.kernel import Kernel, load_kernel
from mini_o3.models.vlm import Vlm

_SECTIONS = {"qwen2_5_vl": [16, 24, 24], "qwen3_vl": [24, 20, 20]}  # where config.json does not say
_SMALL = 1024  # width up to which the kernel, which runs in one thread, is the fastest way
_SIDE_BY_SIDE = 256 << 20  # bytes of weights that may be held twice


class Decoder:
    """Runs the layers of one model against one cache.

    `way` is one of loop, kernel, padded and varlen (see `attention.py`); None: the fastest there is.

    Raises:
        UserError: the checkpoint has layers that cannot be run.
    """

    def __init__(self, vlm: Vlm, way: str | None = None) -> None:
        config = vlm.language.config
        kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
        if kinds != {"full_attention"} or config.hidden_act != "silu":
            found = f"layers of {', '.join(sorted(kinds))} with {config.hidden_act}"
            raise UserError(f"this checkpoint has {found}; only full attention with silu can be run")
        self.language = vlm.language
        weight = next(self.language.parameters())
        self.dtype, self.device = weight.dtype, vlm.device
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.norms_heads = hasattr(self.language.layers[0].self_attn, "q_norm")
        sections = (config.rope_parameters or {}).get("mrope_section", _SECTIONS[vlm.family])
        self.axes = rotary_axes(sections, vlm.family == "qwen3_vl").to(self.device)
        self.library = None
        fits = self.device.type == "cpu" and self.dtype is torch.float32 and config.hidden_size <= _SMALL
        if way == "kernel" or (way is None and fits):
            self.library = load_kernel(head_width(config))
        self.way = way if way not in (None, "kernel") else self._fastest()
        kind = Rooms if self.way in ("loop", "kernel") else Pages
        self.cache: Any = kind(config, self.dtype, self.device)
        self.weights: list[tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]] | None = None

    def _fastest(self) -> str:
        if self.library is not None:
            return "kernel"
        if self.device.type == "cpu":
            return "loop"
        return "varlen" if has_varlen(self.dtype, self.device) else "padded"

    def weights_changed(self) -> None:
        """Forget copies of weights."""
        self.weights = None

    def __call__(
        self,
        embedded: torch.Tensor,
        position_ids: torch.Tensor,
        pieces: Sequence[Piece],
        levels: Sequence[torch.Tensor] = (),
        places: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Hidden states (N, width) of embedded tokens (N, width) at rotary positions `position_ids` (3, N).

        `pieces` say whose they are, in order. Their keys and values are stored. After each of the first
        layers one of `levels` is added to the tokens at `places`.
        """
        cos, sin = self._rotation(position_ids)
        ops: Kernel | _Torch
        if self.library is not None:
            ops = Kernel(self.library, self.cache, pieces, self.heads // self.kv_heads, cos, sin)
        else:
            ways: dict[str, Any] = {"loop": Loop, "padded": Padded, "varlen": Varlen}
            attention = ways[self.way](self.cache, pieces, self.heads // self.kv_heads)
            ops = _Torch(attention, self.heads, self.kv_heads, cos[:, None], sin[:, None])
        if self.weights is None and self.device.type == "cpu":
            self.weights = self._side_by_side()
        hidden, added = embedded.contiguous(), None
        for index, layer in enumerate(self.language.layers):
            attention = layer.self_attn
            hidden, normed = ops.add_norm(hidden, added, layer.input_layernorm)
            norms = (attention.q_norm, attention.k_norm) if self.norms_heads else None
            added = attention.o_proj(ops(index, self._projected(index, layer, normed), norms))
            hidden, normed = ops.add_norm(hidden, added, layer.post_attention_layernorm)
            if self.weights:
                both = F.linear(normed, self.weights[index][2])
            else:
                both = torch.cat([layer.mlp.gate_proj(normed), layer.mlp.up_proj(normed)], -1)
            added = layer.mlp.down_proj(ops.gated(both))
            if index < len(levels):
                added.index_add_(0, places, levels[index].to(added.dtype))
        return ops.add_norm(hidden, added, self.language.norm)[1]

    def _projected(self, index: int, layer: Any, normed: torch.Tensor) -> torch.Tensor:
        """Queries, keys and values (N, (heads + 2 x heads of keys) x width of a head) side by side."""
        if self.weights:
            weight, bias, _ = self.weights[index]
            return F.linear(normed, weight, bias)
        attention = layer.self_attn
        return torch.cat([attention.q_proj(normed), attention.k_proj(normed), attention.v_proj(normed)], -1)

    def _side_by_side(self) -> list[tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]]:
        """Weights of queries, keys and values, their biases, and weights of gate and up, of every layer;
        empty if they are too large to be held twice, or are no plain matrices."""
        found, size = [], 0
        for layer in self.language.layers:
            attention = layer.self_attn
            three = (attention.q_proj, attention.k_proj, attention.v_proj)
            two = (layer.mlp.gate_proj, layer.mlp.up_proj)
            if any(type(linear) is not torch.nn.Linear for linear in (*three, *two)):
                return []
            size += sum(linear.weight.nbytes for linear in (*three, *two))
            if size > _SIDE_BY_SIDE:
                return []
            bias = None if three[0].bias is None else torch.cat([linear.bias for linear in three])
            weights = torch.cat([linear.weight for linear in three])
            found.append((weights, bias, torch.cat([linear.weight for linear in two])))
        return found

    def _rotation(self, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines (N, width of a head): each frequency turns with an axis of its own."""
        rotary = self.language.rotary_emb
        angles = position_ids[self.axes].T.float() * rotary.inv_freq.float()
        angles = torch.cat([angles, angles], -1)
        scale = rotary.attention_scaling
        return (angles.cos() * scale).to(self.dtype), (angles.sin() * scale).to(self.dtype)


class _Torch:
    """What `Kernel` does, by torch and one of the ways of `attention.py`."""

    def __init__(
        self, attention: Attention, heads: int, kv_heads: int, cos: torch.Tensor, sin: torch.Tensor
    ) -> None:
        self.attention, self.counts = attention, (heads, kv_heads, kv_heads)
        self.cos, self.sin = cos, sin

    def __call__(self, layer: int, qkv: torch.Tensor, norms: tuple[Any, Any] | None) -> torch.Tensor:
        query, key, value = qkv.unflatten(1, (sum(self.counts), -1)).split(self.counts, 1)
        if norms:
            query, key = norms[0](query), norms[1](key)
        return self.attention(layer, self._turned(query), self._turned(key), value)

    def _turned(self, t: torch.Tensor) -> torch.Tensor:
        first, second = t.chunk(2, -1)
        return t * self.cos + torch.cat((-second, first), -1) * self.sin

    def add_norm(
        self, hidden: torch.Tensor, added: torch.Tensor | None, norm: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = hidden if added is None else hidden + added
        return hidden, norm(hidden)

    def gated(self, both: torch.Tensor) -> torch.Tensor:
        gate, up = both.chunk(2, -1)
        return F.silu(gate) * up


def rotary_axes(sections: Sequence[int], interleaved: bool) -> torch.Tensor:
    """Which axis (0 time, 1 row, 2 column) each of the sum(sections) frequencies turns with.

    They are shared out one section after the other (Qwen2.5-VL), or in turns as far as the sections of rows
    and columns reach, the rest to time (Qwen3-VL).
    """
    if not interleaved:
        return torch.arange(len(sections)).repeat_interleave(torch.tensor(sections)) % 3
    axes = torch.zeros(sum(sections), dtype=torch.int64)
    for axis in (1, 2):
        axes[axis : 3 * sections[axis] : 3] = axis
    return axes

"""The language model over packed tokens: some that somebody has just drawn, some of somebody's prompt, in one
pass.

Equal to the checkpoint's own forward pass, which wants rectangles: there, whoever speaks would wait for
whoever reads, and pay for the longest context in the room. Weights are read where transformers keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from mini_o3.kit.errors import UserError
from mini_o3.models.engine.attention import Attention, Piece, look_ahead
from mini_o3.models.engine.slots import SlotCache

_SHORT = 16  # tokens; pieces up to here find their mask ready


class PackedDecoder:
    """Decoder layers of a Qwen2.5-VL over one row of tokens; attention reads the cache in place, each piece
    its own slot."""

    def __init__(self, language: Any, cache: SlotCache) -> None:
        config = language.config
        kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
        if kinds != {"full_attention"}:
            raise UserError(
                f"this checkpoint has layers of {', '.join(sorted(kinds))}; only full attention can be run"
            )
        self.language, self.cache = language, cache
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.ahead = torch.empty(0, 0)
        self.sections = (config.rope_parameters or {}).get("mrope_section", [16, 24, 24])

    def __call__(self, embedded: torch.Tensor, places: torch.Tensor, pieces: Sequence[Piece]) -> torch.Tensor:
        """Hidden states (N, width) of the embedded tokens (N, width) at rotary positions `places` (3, N).

        `pieces` say whose they are, in order; their keys and values are stored. The lengths of the cache are
        not changed.
        """
        self.cache.reserve(max(piece.start + piece.tokens for piece in pieces))
        device = embedded.device
        slots = torch.tensor([piece.slot for piece in pieces for _ in range(piece.tokens)], device=device)
        at = torch.tensor(
            [at for piece in pieces for at in range(piece.start, piece.start + piece.tokens)], device=device
        )
        shared = self.heads // self.kv_heads
        cos, sin = self._rotation(places, embedded.dtype)
        if self.ahead.shape[1] < 2 * self.cache.capacity or self.ahead.dtype != embedded.dtype:
            self.ahead = look_ahead(_SHORT, shared, self.cache.capacity, self.cache.capacity, embedded)
        attend = Attention(pieces, shared, self.ahead)
        hidden = embedded
        for layer, (keys, values) in zip(self.language.layers, self.cache.layers, strict=True):
            attention, normed = layer.self_attn, layer.input_layernorm(hidden)
            query = _rotate(attention.q_proj(normed).unflatten(-1, (self.heads, -1)), cos, sin)
            keys[slots, :, at] = _rotate(
                attention.k_proj(normed).unflatten(-1, (self.kv_heads, -1)), cos, sin
            )
            values[slots, :, at] = attention.v_proj(normed).unflatten(-1, (self.kv_heads, -1))
            hidden = hidden + attention.o_proj(attend(query, keys, values))
            hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
        return self.language.norm(hidden)  # type: ignore[no-any-return]

    def _rotation(self, places: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines (N, 1, width of a head): each section of frequencies turns with its own axis."""
        rotary = self.language.rotary_emb
        angles = places[..., None].float() * rotary.inv_freq.float()
        angles = torch.cat([part[axis % 3] for axis, part in enumerate(angles.split(self.sections, -1))], -1)
        angles = torch.cat([angles, angles], -1)[:, None]
        scale = rotary.attention_scaling
        return (angles.cos() * scale).to(dtype), (angles.sin() * scale).to(dtype)


def _rotate(t: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = t.chunk(2, -1)
    return t * cos + torch.cat((-second, first), -1) * sin

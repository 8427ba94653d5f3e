"""A pass of the language model over packed tokens of many sequences: decoding ones and parts of prompts.

Equal to the checkpoint's own forward pass, which takes rectangles: there, whoever decodes would wait for
whoever reads, and pay for the longest context of all. Weights are read where transformers keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mini_o3.kit.errors import UserError
from mini_o3.models.engine.attention import Attention, Piece, causal_mask
from mini_o3.models.engine.cache import KvCache
from mini_o3.models.engine.sequence import Generation
from mini_o3.models.forward import deepstack, embed
from mini_o3.models.vlm import Vlm

_SECTIONS = {"qwen2_5_vl": [16, 24, 24], "qwen3_vl": [24, 20, 20]}  # where config.json does not say
_SHORT = 16  # rows of the mask that is made once, for pieces of that many tokens and query heads


class Runner:
    """Runs passes of one model against one cache."""

    def __init__(self, vlm: Vlm, slots: int) -> None:
        config = vlm.language.config
        kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
        if kinds != {"full_attention"}:
            raise UserError(
                f"this checkpoint has layers of {', '.join(sorted(kinds))}; only full attention can be run"
            )
        dtype = next(vlm.language.parameters()).dtype
        self.vlm, self.language = vlm, vlm.language
        self.cache = KvCache(vlm.model.config.text_config, slots, dtype, vlm.device)
        self.norms_heads = hasattr(self.language.layers[0].self_attn, "q_norm")
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.short_mask = torch.empty(0, 0)
        sections = (config.rope_parameters or {}).get("mrope_section", _SECTIONS[vlm.family])
        self.axes = rotary_axes(sections, vlm.family == "qwen3_vl").to(vlm.device)

    def run(
        self, decoding: Sequence[Generation], prefill: Sequence[tuple[Generation, int]]
    ) -> torch.Tensor | None:
        """Logits after every pending and drafted token, then after every prompt that is now read to its end.

        `prefill` says who reads how many tokens of its prompt. None: nobody wants logits.
        """
        pieces, ids, positions, image_tokens = [], [], [], []
        for generation in decoding:
            sequence, count = generation.sequence, 1 + len(generation.draft)
            pieces.append(Piece(sequence.slot, sequence.cached, count))
            ids += [sequence.pending[0], *generation.draft]
            at = np.arange(sequence.next_position, sequence.next_position + count)
            positions.append(np.broadcast_to(at, (3, count)))
        wanted = list(range(len(ids)))
        for generation, count in prefill:
            sequence, read = generation.sequence, generation.read
            assert generation.position_ids is not None
            pieces.append(Piece(sequence.slot, sequence.cached, count))
            chunk = generation.ids[read : read + count]
            ids += chunk
            positions.append(generation.position_ids[:, read : read + count])
            views = chunk.count(self.vlm.renderer.image_pad)
            if views and generation.image_tokens is not None:
                image_tokens.append(generation.image_tokens[generation.placed : generation.placed + views])
            generation.read += count
            generation.placed += views
            sequence.cached += count
            if not generation.unread:
                wanted.append(len(ids) - 1)
        device, packed = self.vlm.device, torch.tensor(ids)
        seen = torch.cat(image_tokens) if image_tokens else None
        embedded = embed(self.vlm, packed.to(device), seen)
        levels = deepstack(self.vlm, seen)
        places = (packed == self.vlm.renderer.image_pad).nonzero()[:, 0].to(device) if levels else None
        at_positions = torch.from_numpy(np.concatenate(positions, 1)).to(device)
        hidden = self._decode(embedded, at_positions, pieces, levels, places)
        return self.vlm.model.lm_head(hidden[wanted]) if wanted else None  # type: ignore[no-any-return]

    def _decode(
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
        self.cache.reserve(max(piece.end for piece in pieces))
        device = embedded.device
        slots = torch.tensor([piece.slot for piece in pieces for _ in range(piece.tokens)], device=device)
        at = torch.tensor([at for piece in pieces for at in range(piece.start, piece.end)], device=device)
        shared = self.heads // self.kv_heads
        cos, sin = self._rotation(position_ids, embedded.dtype)
        if self.short_mask.shape[1] < 2 * self.cache.capacity or self.short_mask.dtype != embedded.dtype:
            self.short_mask = causal_mask(_SHORT, shared, self.cache.capacity, self.cache.capacity, embedded)
        attend = Attention(pieces, shared, self.short_mask)
        hidden = embedded
        for index, (layer, (keys, values)) in enumerate(
            zip(self.language.layers, self.cache.layers, strict=True)
        ):
            attention, normed = layer.self_attn, layer.input_layernorm(hidden)
            query = attention.q_proj(normed).unflatten(-1, (self.heads, -1))
            key = attention.k_proj(normed).unflatten(-1, (self.kv_heads, -1))
            if self.norms_heads:
                query, key = attention.q_norm(query), attention.k_norm(key)
            query = _rotate(query, cos, sin)
            keys[slots, :, at] = _rotate(key, cos, sin)
            values[slots, :, at] = attention.v_proj(normed).unflatten(-1, (self.kv_heads, -1))
            hidden = hidden + attention.o_proj(attend(query, keys, values))
            hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
            if index < len(levels):
                hidden.index_add_(0, places, levels[index].to(hidden.dtype))
        return self.language.norm(hidden)  # type: ignore[no-any-return]

    def _rotation(self, position_ids: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines (N, 1, width of a head): each frequency turns with an axis of its own."""
        rotary = self.language.rotary_emb
        angles = position_ids[self.axes].T.float() * rotary.inv_freq.float()
        angles = torch.cat([angles, angles], -1)[:, None]
        scale = rotary.attention_scaling
        return (angles.cos() * scale).to(dtype), (angles.sin() * scale).to(dtype)


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


def _rotate(t: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = t.chunk(2, -1)
    return t * cos + torch.cat((-second, first), -1) * sin

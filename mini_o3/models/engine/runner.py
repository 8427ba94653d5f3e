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
from mini_o3.models.forward import embed
from mini_o3.models.vlm import Vlm

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
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.short_mask = torch.empty(0, 0)
        self.sections = (config.rope_parameters or {}).get("mrope_section", [16, 24, 24])

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
        device = self.vlm.device
        embedded = embed(
            self.vlm, torch.tensor(ids, device=device), torch.cat(image_tokens) if image_tokens else None
        )
        hidden = self._decode(embedded, torch.from_numpy(np.concatenate(positions, 1)).to(device), pieces)
        return self.vlm.model.lm_head(hidden[wanted]) if wanted else None  # type: ignore[no-any-return]

    def _decode(
        self, embedded: torch.Tensor, position_ids: torch.Tensor, pieces: Sequence[Piece]
    ) -> torch.Tensor:
        """Hidden states (N, width) of embedded tokens (N, width) at rotary positions `position_ids` (3, N).

        `pieces` say whose they are, in order. Their keys and values are stored.
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

    def _rotation(self, position_ids: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines (N, 1, width of a head): each section of frequencies turns with its own axis."""
        rotary = self.language.rotary_emb
        angles = position_ids[..., None].float() * rotary.inv_freq.float()
        angles = torch.cat([part[axis % 3] for axis, part in enumerate(angles.split(self.sections, -1))], -1)
        angles = torch.cat([angles, angles], -1)[:, None]
        scale = rotary.attention_scaling
        return (angles.cos() * scale).to(dtype), (angles.sin() * scale).to(dtype)


def _rotate(t: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = t.chunk(2, -1)
    return t * cos + torch.cat((-second, first), -1) * sin

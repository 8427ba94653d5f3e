"""The forward pass of a vision-language model: views to image tokens, token ids to hidden states.

The engine, the learner of GRPO and supervised training compute it here. The engine replaces the last part by
its own decoder with a cache (`engine/runner.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image

from mini_o3.models.tower import encode_patches
from mini_o3.models.vlm import Vlm


def encode_views(vlm: Vlm, views: Sequence[Image.Image]) -> tuple[torch.Tensor, ...]:
    """Image tokens (tokens, width) of every view, in one pass of the vision tower."""
    patches, grids = vlm.patcher(list(views))
    dtype = next(vlm.visual.parameters()).dtype
    tokens = encode_patches(vlm.visual, patches.to(vlm.device, dtype), grids.to(vlm.device))
    return tokens.split([rows * columns for rows, columns in vlm.renderer.grids(views)])


def embed(vlm: Vlm, ids: torch.Tensor, image_tokens: torch.Tensor | None = None) -> torch.Tensor:
    """Embedded `ids` (..., width), with `image_tokens` (tokens, width) in place of their placeholders, in
    order."""
    embedded = vlm.language.embed_tokens(ids)
    if image_tokens is None or not len(image_tokens):
        return embedded  # type: ignore[no-any-return]
    placeholders = (ids == vlm.renderer.image_pad)[..., None]
    return embedded.masked_scatter(placeholders, image_tokens.to(embedded.dtype))  # type: ignore[no-any-return]


def hidden_states(
    vlm: Vlm, ids: torch.Tensor, position_ids: torch.Tensor, image_tokens: torch.Tensor | None = None
) -> torch.Tensor:
    """Last hidden states (B, T, width) of `ids` (B, T) at rotary positions `position_ids` (3, B, T).

    Rows are padded on the right. Attention is causal, so they need no mask.
    """
    embedded = embed(vlm, ids, image_tokens)
    out = vlm.language(inputs_embeds=embedded, position_ids=position_ids, use_cache=False)
    return out.last_hidden_state  # type: ignore[no-any-return]

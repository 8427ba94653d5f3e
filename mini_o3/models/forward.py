"""The forward pass of a vision-language model: views to image tokens, token ids to hidden states.

The engine, the learner of GRPO and supervised training compute it here. The engine replaces the last part by
its own decoder with a cache (`engine/runner.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch.utils.checkpoint import checkpoint

from mini_o3.models.sampling import log_probs
from mini_o3.models.tower import encode_patches
from mini_o3.models.vlm import Vlm


def encode_views(vlm: Vlm, views: Sequence[Image.Image]) -> tuple[torch.Tensor, ...]:
    """Image tokens (tokens, width x levels) of every view, in one pass of the vision tower."""
    patches, grids = vlm.patcher(list(views))
    dtype = next(vlm.visual.parameters()).dtype
    tokens = encode_patches(vlm.visual, patches.to(vlm.device, dtype), grids.to(vlm.device))
    return tokens.split([rows * columns for rows, columns in vlm.renderer.grids(views)])


def embed(vlm: Vlm, ids: torch.Tensor, image_tokens: torch.Tensor | None = None) -> torch.Tensor:
    """Embedded `ids` (..., width), with the first level of `image_tokens` (tokens, width x levels) in place
    of their placeholders, in order."""
    embedded = vlm.language.embed_tokens(ids)
    if image_tokens is None or not len(image_tokens):
        return embedded  # type: ignore[no-any-return]
    placeholders = (ids == vlm.renderer.image_pad)[..., None]
    seen = image_tokens[:, : embedded.shape[-1]].to(embedded.dtype)
    return embedded.masked_scatter(placeholders, seen)  # type: ignore[no-any-return]


def deepstack(vlm: Vlm, image_tokens: torch.Tensor | None) -> list[torch.Tensor]:
    """What is added to the image tokens after the first layers of the language model, one (tokens, width) per
    layer: the further levels of `image_tokens`."""
    if image_tokens is None or not len(image_tokens):
        return []
    return list(image_tokens.split(vlm.language.embed_tokens.embedding_dim, -1))[1:]


def hidden_states(
    vlm: Vlm, ids: torch.Tensor, position_ids: torch.Tensor, image_tokens: torch.Tensor | None = None
) -> torch.Tensor:
    """Last hidden states (B, T, width) of `ids` (B, T) at rotary positions `position_ids` (3, B, T).

    Rows are padded on the right. Attention is causal, so they need no mask.
    """
    embedded = embed(vlm, ids, image_tokens)
    levels = deepstack(vlm, image_tokens)
    seen: dict[str, Any] = {}
    if levels:
        seen = {"visual_pos_masks": ids == vlm.renderer.image_pad, "deepstack_visual_embeds": levels}
    out = vlm.language(inputs_embeds=embedded, position_ids=position_ids, use_cache=False, **seen)
    return out.last_hidden_state  # type: ignore[no-any-return]


def chosen_log_probs(
    vlm: Vlm, hidden: torch.Tensor, targets: torch.Tensor, temperature: float, at_once: int = 4096
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities (N,) of `targets` (N,) after `hidden` (N, width), and entropies (N,) without
    gradient.

    Of more than `at_once` rows only so many have logits at a time, in the backward pass as well: for 16,000
    tokens and a vocabulary of 152,000 all would take 10 GB in float32, several times over.
    """

    def part(hidden: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        of_all = log_probs(vlm.model.lm_head(hidden), temperature, vlm.renderer.forbidden)
        with torch.no_grad():
            entropy = torch.special.entr(of_all.exp()).sum(-1)
        return of_all.gather(-1, targets[:, None])[:, 0], entropy

    if len(hidden) <= at_once:
        return part(hidden, targets)
    parts = zip(hidden.split(at_once), targets.split(at_once), strict=True)
    found = [checkpoint(part, *given, use_reentrant=False) for given in parts]
    return torch.cat([chosen for chosen, _ in found]), torch.cat([entropy for _, entropy in found])

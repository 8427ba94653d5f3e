"""Attention of packed tokens to the cache: each piece to the slot of its own conversation, in place.

Measured and not done: padding the pieces of neighbouring slots to rectangles, for fewer and larger products.
Two in three of the products were padding, as drafts and contexts differ in length, and it made a tenth to a
sixth fewer episodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F


class Piece(NamedTuple):
    """`tokens` new ones of the conversation in `slot`, to follow the `start` it holds."""

    slot: int
    start: int
    tokens: int

    @property
    def end(self) -> int:
        return self.start + self.tokens


class Attention:
    """Mixes values for the packed tokens of some pieces; made once per pass, called by every layer.

    `shared` is how many query heads share a head of keys: they stand as further queries, nothing is repeated.
    `ahead` (see `look_ahead`) holds the masks of all pieces of up to as many tokens, as parts of one matrix.
    """

    def __init__(self, pieces: Sequence[Piece], shared: int, ahead: torch.Tensor) -> None:
        self.pieces, self.shared = pieces, shared
        reach = ahead.shape[1] // 2
        self.masks = [
            None
            if p.tokens == 1
            else ahead[: p.tokens * shared, reach - p.start : reach + p.tokens]
            if p.tokens * shared <= len(ahead)
            else look_ahead(p.tokens, shared, p.start, p.tokens, ahead)
            for p in pieces
        ]

    def __call__(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Mixed values (N, heads x width of a head) for the packed queries (N, heads, width of a head)."""
        kv_heads = keys.shape[1]
        # (1, heads of keys, N x shared, width): a piece is a slice of it
        grouped = query.unflatten(1, (kv_heads, -1)).transpose(0, 1).flatten(1, 2)[None]
        mixed, row = [], 0
        for piece, mask in zip(self.pieces, self.masks, strict=True):
            mine = grouped[:, :, row : (row := row + piece.tokens * self.shared)]
            held = keys[piece.slot, None, :, : piece.end], values[piece.slot, None, :, : piece.end]
            mixed.append(F.scaled_dot_product_attention(mine, *held, attn_mask=mask))
        return torch.cat(mixed, 2)[0].unflatten(1, (-1, self.shared)).transpose(0, 1).flatten(1)


def look_ahead(tokens: int, shared: int, before: int, after: int, like: torch.Tensor) -> torch.Tensor:
    """Mask (tokens x shared, before + after): token t sees the `before` and the first t + 1 after them; 0 or
    -inf.

    With more before and after than a piece needs, its mask is a part of this one.
    """
    last = before + torch.arange(tokens, device=like.device).repeat_interleave(shared)[:, None]
    hidden = torch.arange(before + after, device=like.device) > last
    return torch.zeros(hidden.shape, dtype=like.dtype, device=like.device).masked_fill_(hidden, -torch.inf)

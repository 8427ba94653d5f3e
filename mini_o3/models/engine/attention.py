"""Attention of packed tokens to the cache: each piece to the slot of its own sequence, in place.

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
    """`tokens` new ones of the sequence in `slot`, after the `start` that are cached."""

    slot: int
    start: int
    tokens: int

    @property
    def end(self) -> int:
        return self.start + self.tokens


class Attention:
    """Mixes values for the packed tokens of some pieces; made once per pass, called by every layer.

    `shared` is how many query heads share a head of keys: they stand as further queries, nothing is repeated.
    `short_mask` (see `causal_mask`) holds the masks of all short pieces, as parts of one matrix.
    """

    def __init__(self, pieces: Sequence[Piece], shared: int, short_mask: torch.Tensor) -> None:
        self.pieces, self.shared = pieces, shared
        self.masks = [self._mask(piece, short_mask) for piece in pieces]

    def _mask(self, piece: Piece, short_mask: torch.Tensor) -> torch.Tensor | None:
        rows, middle = piece.tokens * self.shared, short_mask.shape[1] // 2
        if piece.tokens == 1:
            return None
        if rows <= len(short_mask):
            return short_mask[:rows, middle - piece.start : middle + piece.tokens]
        return causal_mask(piece.tokens, self.shared, piece.start, piece.tokens, short_mask)

    def __call__(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Mixed values (N, heads x width of a head) for the packed queries (N, heads, width of a head)."""
        kv_heads = keys.shape[1]
        # (1, heads of keys, N x shared, width): a piece is a slice of it
        grouped = query.unflatten(1, (kv_heads, -1)).transpose(0, 1).flatten(1, 2)[None]
        mixed, row = [], 0
        for piece, mask in zip(self.pieces, self.masks, strict=True):
            queries = grouped[:, :, row : (row := row + piece.tokens * self.shared)]
            cached = keys[piece.slot, None, :, : piece.end], values[piece.slot, None, :, : piece.end]
            mixed.append(F.scaled_dot_product_attention(queries, *cached, attn_mask=mask))
        return torch.cat(mixed, 2)[0].unflatten(1, (-1, self.shared)).transpose(0, 1).flatten(1)


def causal_mask(tokens: int, shared: int, before: int, after: int, like: torch.Tensor) -> torch.Tensor:
    """Mask (tokens x shared, before + after): token t sees the `before` and the first t + 1 after; 0 or -inf.

    With more before and after than a piece needs, its mask is a part of this one.
    """
    last = before + torch.arange(tokens, device=like.device).repeat_interleave(shared)[:, None]
    hidden = torch.arange(before + after, device=like.device) > last
    return torch.zeros(hidden.shape, dtype=like.dtype, device=like.device).masked_fill_(hidden, -torch.inf)

"""Attention of packed tokens of several sequences to the cache: what is new is stored, then values are mixed.

| way | cache | calls per layer | where |
| --- | --- | --- | --- |
| `Loop` | rooms | one per piece | a processor without a C compiler |
| `kernel.Kernel` | rooms | one | a processor |
| `Padded` | pages | one for all who decode, one per longer piece | MPS, GPUs in float32 |
| `Varlen` | pages | one, no masks | GPUs in bfloat16 or float16 |

Measured on a processor and not done: padding the pieces of neighbouring slots to rectangles, for fewer and
larger products. Two in three of the products were padding, as drafts and contexts differ in length, and it
made a tenth to a sixth fewer episodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F

from mini_o3.models.engine.cache import PAGE, Pages, Rooms

_SHORT = 16  # tokens; longer pieces are not padded to the length of others


class Piece(NamedTuple):
    """`tokens` new ones of the sequence in `slot`, after the `start` that are cached."""

    slot: int
    start: int
    tokens: int

    @property
    def end(self) -> int:
        return self.start + self.tokens


class Attention(Protocol):
    """Made once per pass, called by every layer."""

    def __call__(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor:
        """Mixed values (N, heads x width of a head) for packed queries (N, heads, width of a head).

        `key` and `value` (N, heads of keys, width of a head) of the same tokens are stored first. Query heads
        that share a head of keys stand next to each other.
        """


class Loop:
    """Each piece to the room of its own sequence, in place, one call after the other."""

    def __init__(self, cache: Rooms, pieces: Sequence[Piece], shared: int) -> None:
        self.lengths, self.shared = [piece.tokens for piece in pieces], shared
        rooms = [cache.reserve(piece.slot, piece.end) for piece in pieces]
        self.new = [
            room[:, :, piece.start : piece.end].unbind() for room, piece in zip(rooms, pieces, strict=True)
        ]
        self.seen = [
            room[:, None, :, : piece.end].unbind() for room, piece in zip(rooms, pieces, strict=True)
        ]
        self.masks = [
            None
            if piece.tokens == 1
            else causal_mask(piece.tokens, shared, piece.start, cache.dtype, cache.device)
            for piece in pieces
        ]

    def __call__(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor:
        kv_heads = key.shape[1]
        for kind, given in enumerate((key, value)):
            parts = given.transpose(0, 1).split(self.lengths, 1)
            torch._foreach_copy_([new[2 * layer + kind] for new in self.new], list(parts))
        # (1, heads of keys, N x shared, width): query heads of one head of keys stand as further queries
        grouped = query.unflatten(1, (kv_heads, -1)).transpose(0, 1).flatten(1, 2)[None]
        parts = grouped.split([length * self.shared for length in self.lengths], 2)
        mixed = [
            F.scaled_dot_product_attention(part, seen[2 * layer], seen[2 * layer + 1], attn_mask=mask)
            for part, seen, mask in zip(parts, self.seen, self.masks, strict=True)
        ]
        return torch.cat(mixed, 2)[0].unflatten(1, (-1, self.shared)).transpose(0, 1).flatten(1)


class Padded:
    """Short pieces as one rectangle over gathered pages, each longer piece by itself."""

    def __init__(self, cache: Pages, pieces: Sequence[Piece], shared: int) -> None:
        self.cache, self.pieces, self.tokens = cache, pieces, sum(piece.tokens for piece in pieces)
        self.places = _places(cache, pieces)
        rows = torch.arange(self.tokens, device=cache.device).split([piece.tokens for piece in pieces])
        short = [index for index, piece in enumerate(pieces) if piece.tokens <= _SHORT]
        alone = [[index] for index, piece in enumerate(pieces) if piece.tokens > _SHORT]
        self.groups = []
        for group in [*([short] if short else []), *alone]:
            width = max(pieces[index].tokens for index in group)
            last = torch.tensor([pieces[index].start for index in group], device=cache.device)[:, None]
            last = last + torch.arange(width, device=cache.device)  # which token is the last that a row sees
            table = _table(cache, [pieces[index] for index in group])
            keys = torch.arange(table.shape[1] * PAGE, device=cache.device)
            padded = torch.nn.utils.rnn.pad_sequence([rows[index] for index in group], batch_first=True)
            lengths = torch.tensor([pieces[index].tokens for index in group], device=cache.device)
            real = torch.arange(width, device=cache.device) < lengths[:, None]
            self.groups.append((padded, real, table, (keys <= last[..., None])[:, None]))

    def __call__(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor:
        keys, values = _store(self.cache, layer, self.places, key, value)
        out = torch.empty_like(query)
        for rows, real, table, visible in self.groups:
            of_keys, of_values = (stored[table].flatten(1, 2).transpose(1, 2) for stored in (keys, values))
            mixed = F.scaled_dot_product_attention(
                query[rows].transpose(1, 2), of_keys, of_values, attn_mask=visible, enable_gqa=True
            )
            out[rows[real]] = mixed.transpose(1, 2)[real]
        return out.flatten(1)


class Varlen:
    """All pieces in one call of flash attention that follows the pages itself."""

    def __init__(self, cache: Pages, pieces: Sequence[Piece], shared: int) -> None:
        self.cache, self.places, self.table = cache, _places(cache, pieces), _table(cache, pieces).int()
        ends, tokens = [piece.end for piece in pieces], [piece.tokens for piece in pieces]
        self.longest = max(tokens), max(ends)
        self.seen = torch.tensor(ends, dtype=torch.int32, device=cache.device)
        starts = torch.tensor([0, *tokens], device=cache.device).cumsum(0)
        self.starts = starts.int()
        self.attend = varlen_attention()

    def __call__(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor:
        keys, values = _store(self.cache, layer, self.places, key, value)
        mixed = self.attend(
            query,
            keys,
            values,
            self.starts,
            None,
            *self.longest,
            window_size=(-1, 0),  # causal
            enable_gqa=True,
            seqused_k=self.seen,
            block_table=self.table,
        )
        return mixed.flatten(1)


def varlen_attention() -> Callable[..., Any]:
    """Torch's flash attention over pages.

    Raises:
        ImportError: this torch has none yet.
    """
    from torch.nn.attention.varlen import varlen_attn

    return varlen_attn  # type: ignore[no-any-return]


def has_varlen(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether `Varlen` can be used: on a GPU of NVIDIA from Ampere on, in half precision."""
    if device.type != "cuda" or dtype not in (torch.bfloat16, torch.float16) or torch.version.hip:
        return False
    try:
        import inspect

        takes_pages = "block_table" in inspect.signature(varlen_attention()).parameters
    except ImportError:
        return False
    return takes_pages and torch.cuda.get_device_capability(device) >= (8, 0)


def _places(cache: Pages, pieces: Sequence[Piece]) -> torch.Tensor:
    """Where in the pool, counted in tokens, the new tokens of all pieces are stored."""
    places = []
    for slot, start, tokens in pieces:
        table = cache.reserve(slot, start + tokens)
        places += [table[at // PAGE] * PAGE + at % PAGE for at in range(start, start + tokens)]
    return torch.tensor(places, device=cache.device)


def _table(cache: Pages, pieces: Sequence[Piece]) -> torch.Tensor:
    """Pages (pieces, most pages of one) of every piece, padded with page 0."""
    tables = [cache.tables[piece.slot][: -(-piece.end // PAGE)] for piece in pieces]
    most = max(map(len, tables))
    return torch.tensor([[*table, *[0] * (most - len(table))] for table in tables], device=cache.device)


def _store(
    cache: Pages, layer: int, places: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    keys, values = cache.layers[layer]
    keys.flatten(0, 1).index_copy_(0, places, key)
    values.flatten(0, 1).index_copy_(0, places, value)
    return keys, values


def causal_mask(
    tokens: int, shared: int, start: int, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    """Mask (tokens x shared, start + tokens), 0 or -inf: a token sees the `start` before and those up to
    itself.

    That of a short piece is a part of one that was made before.
    """
    if tokens > _SHORT:
        return _mask.__wrapped__(tokens, shared, start, tokens, dtype, device)  # too large to be kept
    room = 2 ** max(start - 1, 255).bit_length()
    mask = _mask(_SHORT, shared, room, _SHORT, dtype, device)
    return mask[: tokens * shared, room - start : room + tokens]


@lru_cache(maxsize=16)
def _mask(
    tokens: int, shared: int, before: int, after: int, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    last = before + torch.arange(tokens, device=device).repeat_interleave(shared)[:, None]
    hidden = torch.arange(before + after, device=device) > last
    return torch.zeros(hidden.shape, dtype=dtype, device=device).masked_fill_(hidden, -torch.inf)

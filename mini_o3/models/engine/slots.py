"""KV cache with one slot per conversation, kept over turns; read in place by a batch of neighbouring slots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

_STEP = 2048  # tokens; up to here capacity doubles, from here on it grows by as much


class SlotCache:
    """Keys and values (slots, heads, capacity, width of a head) of every layer, and how long each slot is filled.

    It has the one method that the layers of transformers call on a cache (`update`); masks and positions are passed to the
    model explicitly, so nothing else is asked of it. What lies beyond a slot's length is rubbish and is never attended to.
    """

    def __init__(self, config: Any, slots: int, dtype: torch.dtype, device: torch.device, capacity: int = 256) -> None:
        heads = config.num_key_value_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = (slots, heads, capacity, width)
        self.keys = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(config.num_hidden_layers)]
        self.values = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(config.num_hidden_layers)]
        self.layer_types = set(getattr(config, "layer_types", None) or ["full_attention"])
        self.lengths = [0] * slots
        self.rows: slice | torch.Tensor = slice(0, 0)
        self.starts = torch.zeros(0, dtype=torch.long, device=device)
        self.span = 0

    @property
    def capacity(self) -> int:
        return int(self.values[-1].shape[2])  # grown last, so right also after a growth that failed halfway

    def write_to(self, rows: Sequence[int] | slice, count: int) -> dict[str, torch.Tensor]:
        """Say where the next forward pass of `count` tokens per row goes, and give the masks for it.

        A list of rows is gathered, a slice is used in place. Returns what the model takes as `attention_mask`: row b's token
        t sees all that its slot holds and what comes up to itself. The lengths are not changed, see `advance`.
        """
        slots = list(range(rows.start, rows.stop)) if isinstance(rows, slice) else list(rows)
        device = self.keys[0].device
        starts = [self.lengths[slot] for slot in slots]
        self.span = max(starts) + count
        self._reserve(self.span)
        self.rows = rows if isinstance(rows, slice) else torch.tensor(slots, device=device)
        self.starts = torch.tensor(starts, device=device)
        reach = self.starts[:, None] + torch.arange(count, device=device)
        mask = (torch.arange(self.span, device=device) <= reach[..., None])[:, None]
        return dict.fromkeys(self.layer_types, mask)

    def update(self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Store (rows, heads, count, width); returns all that the rows hold, up to the longest (rows, heads, span, width)."""
        return self._store(self.keys[layer], keys), self._store(self.values[layer], values)

    def _store(self, kept: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        rows = kept[self.rows] if isinstance(self.rows, slice) else kept
        index = torch.arange(len(new), device=new.device) if isinstance(self.rows, slice) else self.rows
        places = self.starts[:, None] + torch.arange(new.shape[2], device=new.device)
        rows[index[:, None], :, places] = new.transpose(1, 2)
        held = rows if isinstance(self.rows, slice) else kept[self.rows]
        return held[:, :, : self.span]

    def advance(self, slot: int, count: int) -> None:
        """`count` tokens of the last forward pass were real and stay."""
        self.lengths[slot] += count

    def copy(self, source: int, target: int, count: int) -> None:
        """The first `count` tokens of one slot become all of another."""
        self._reserve(count)
        for kept in (*self.keys, *self.values):
            kept[target, :, :count] = kept[source, :, :count]
        self.lengths[target] = count

    def clear(self, slot: int) -> None:
        self.lengths[slot] = 0

    def _reserve(self, count: int) -> None:
        if count <= self.capacity:
            return
        room = 2 ** (count - 1).bit_length() if count <= _STEP else -(-count // _STEP) * _STEP
        for tensors in (self.keys, self.values):
            for layer, old in enumerate(tensors):
                if old.shape[2] >= room:
                    continue
                new = torch.zeros((*old.shape[:2], room, old.shape[3]), dtype=old.dtype, device=old.device)
                new[:, :, : old.shape[2]] = old
                tensors[layer] = new

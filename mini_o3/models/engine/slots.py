"""KV cache with one slot per conversation, kept over turns."""

from __future__ import annotations

from typing import Any

import torch

_STEP = 2048  # tokens; up to here capacity doubles, from here on it grows by as much


class SlotCache:
    """Keys and values (slots, heads, capacity, width of a head) of every layer, and how long each slot is
    filled.

    What lies beyond a slot's length is rubbish and is never attended to.
    """

    def __init__(
        self, config: Any, slots: int, dtype: torch.dtype, device: torch.device, capacity: int = 256
    ) -> None:
        heads = config.num_key_value_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = (slots, heads, capacity, width)

        def empty() -> torch.Tensor:
            return torch.zeros(shape, dtype=dtype, device=device)

        self.layers = [(empty(), empty()) for _ in range(config.num_hidden_layers)]
        self.lengths = [0] * slots

    @property
    def capacity(self) -> int:
        return int(
            self.layers[-1][1].shape[2]
        )  # grown last, so right also after a growth that failed halfway

    def advance(self, slot: int, count: int) -> None:
        """`count` tokens of the last forward pass stay."""
        self.lengths[slot] += count

    def copy(self, source: int, target: int, count: int) -> None:
        """The first `count` tokens of one slot become all of another."""
        self.reserve(count)
        for pair in self.layers:
            for kept in pair:
                kept[target, :, :count] = kept[source, :, :count]
        self.lengths[target] = count

    def clear(self, slot: int) -> None:
        self.lengths[slot] = 0

    def reserve(self, count: int) -> None:
        """Make room for slots of `count` tokens."""
        if count <= self.capacity:
            return
        room = 2 ** (count - 1).bit_length() if count <= _STEP else -(-count // _STEP) * _STEP
        for layer, (keys, values) in enumerate(self.layers):
            if values.shape[2] < room:
                self.layers[layer] = _wider(keys, room), _wider(values, room)


def _wider(old: torch.Tensor, room: int) -> torch.Tensor:
    new = torch.zeros((*old.shape[:2], room, old.shape[3]), dtype=old.dtype, device=old.device)
    new[:, :, : old.shape[2]] = old
    return new

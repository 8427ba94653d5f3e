"""KV cache with one slot per sequence, kept over turns."""

from __future__ import annotations

from typing import Any

import torch

_STEP = 2048  # tokens; up to here capacity doubles, from here on it grows by as much


class KvCache:
    """Keys and values (slots, heads, capacity, width of a head) of every layer.

    How far a slot is filled is known to its sequence. What lies beyond is never attended to.
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

    @property
    def capacity(self) -> int:
        """Tokens per slot. The last layer grows last, so this is right also after a growth that failed."""
        return int(self.layers[-1][1].shape[2])

    def copy(self, source: int, target: int, count: int) -> None:
        """The first `count` tokens of one slot become all of another."""
        self.reserve(count)
        for pair in self.layers:
            for stored in pair:
                stored[target, :, :count] = stored[source, :, :count]

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

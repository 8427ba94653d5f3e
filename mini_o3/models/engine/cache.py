"""KV caches that are as large as what they hold: a room of its own for every sequence, or pages of one pool.

On a processor every sequence has one contiguous piece of memory (`Rooms`), which loops and the C kernel read
in place. Kernels of GPUs want one tensor for all, so there it is a pool of pages (`Pages`), as in vLLM (arXiv
2309.06180). Both know a sequence by its slot; how far a slot is filled is known to its sequence.
"""

from __future__ import annotations

from typing import Any

import torch

BLOCK = 32  # tokens; rooms are a multiple of it, as the C kernel lays keys out in such blocks
PAGE = 256  # tokens; what flash attention asks for


def head_width(config: Any) -> int:
    """Width of an attention head of the language model."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def token_bytes(config: Any, dtype: torch.dtype) -> int:
    """Memory of one cached token: keys and values of every layer."""
    values = 2 * config.num_hidden_layers * config.num_key_value_heads * head_width(config)
    return int(values * dtype.itemsize)


class Rooms:
    """A room (layers x 2, heads, capacity, width of a head) for every slot in use; keys first, then
    values."""

    def __init__(self, config: Any, dtype: torch.dtype, device: torch.device) -> None:
        self.shape = (2 * config.num_hidden_layers, config.num_key_value_heads)
        self.width, self.dtype, self.device = head_width(config), dtype, device
        self.rooms: dict[int, torch.Tensor] = {}

    @property
    def held_bytes(self) -> int:
        return sum(room.nbytes for room in self.rooms.values())

    def reserve(self, slot: int, count: int) -> torch.Tensor:
        """The room of a slot, with space for `count` tokens; a larger one than before is an eighth larger
        than it has to be."""
        old = self.rooms.get(slot)
        if old is not None and old.shape[2] >= count:
            return old
        room = -(-(count + count // 8) // BLOCK) * BLOCK
        new = torch.empty((*self.shape, room, self.width), dtype=self.dtype, device=self.device)
        if old is not None:
            new[:, :, : old.shape[2]] = old
        self.rooms[slot] = new
        return new

    def copy(self, source: int, target: int, count: int) -> None:
        """The first `count` tokens of one slot become all of another."""
        whole = -(-count // BLOCK) * BLOCK  # in whatever way keys are laid out within a block
        self.reserve(target, whole)[:, :, :whole] = self.rooms[source][:, :, :whole]

    def free(self, slot: int) -> None:
        self.rooms.pop(slot, None)


class Pages:
    """One pool of pages (pages, PAGE, heads, width of a head) per layer and kind, and who has which of them.

    Sequences that begin alike share full pages. The pool grows by a half, one layer after the other, so that
    growing needs little more memory than it gives.
    """

    def __init__(self, config: Any, dtype: torch.dtype, device: torch.device) -> None:
        self.shape = (PAGE, config.num_key_value_heads, head_width(config))
        self.dtype, self.device = dtype, device
        self.layers = [(self._empty(0), self._empty(0)) for _ in range(config.num_hidden_layers)]
        self.tables: dict[int, list[int]] = {}
        self.users: list[int] = []  # of every page
        self.unused: list[int] = []

    def _empty(self, pages: int) -> torch.Tensor:
        return torch.zeros((pages, *self.shape), dtype=self.dtype, device=self.device)

    @property
    def held_bytes(self) -> int:
        """Memory of the pages in use."""
        page = 2 * len(self.layers) * self.layers[0][0][:1].nbytes if self.users else 0
        return page * sum(1 for users in self.users if users)

    def reserve(self, slot: int, count: int) -> list[int]:
        """The pages of a slot, with space for `count` tokens."""
        table = self.tables.setdefault(slot, [])
        while len(table) * PAGE < count:
            if not self.unused:
                self._grow(max(len(self.users) // 2, 8))
            table.append(self.unused.pop())
            self.users[table[-1]] = 1
        return table

    def _grow(self, more: int) -> None:
        pages = len(self.users) + more
        for index, pair in enumerate(self.layers):
            if len(pair[1]) < pages:  # not after a growth that failed half-way
                keys, values = (torch.cat([stored, self._empty(pages - len(stored))]) for stored in pair)
                self.layers[index] = keys, values
        self.unused += range(len(self.users), pages)
        self.users += [0] * more

    def copy(self, source: int, target: int, count: int) -> None:
        """The first `count` tokens of one slot become all of another, in the same pages as far as they are
        full."""
        full, rest = divmod(count, PAGE)
        shared = self.tables[source][:full]
        for page in shared:
            self.users[page] += 1
        self.tables[target] = list(shared)
        if rest:
            last = self.reserve(target, count)[full]
            for pair in self.layers:
                for stored in pair:
                    stored[last, :rest] = stored[self.tables[source][full], :rest]

    def free(self, slot: int) -> None:
        for page in self.tables.pop(slot, ()):
            self.users[page] -= 1
            if not self.users[page]:
                self.unused.append(page)

"""Which generation does what next: wait, read its prompt, or decode."""

from __future__ import annotations

from typing import NamedTuple

from mini_o3.models.engine.sequence import Generation, Sequence, SharedPrefix
from mini_o3.models.views import PATCHES_AT_ONCE, count_patches


class Admitted(NamedTuple):
    """Generations that wait no longer: some take over a known beginning, the others read their prompts."""

    reusing: list[Generation]
    reading: list[Generation]


class Scheduler:
    """The generations that somebody waits for (`active`), each in one of three states.

    `waiting`: not admitted yet, or waiting for another one that reads the same beginning of a conversation.
    `prefilling`: reading their prompts, oldest first. `decoding`, by slot: sampling tokens.
    """

    def __init__(self, prefill_tokens: int, patch: int) -> None:
        """A pass reads at most `prefill_tokens` of prompts; `patch` is the side of a patch in pixels."""
        self.prefill_tokens, self.patch = prefill_tokens, patch
        self.prefixes: dict[bytes, SharedPrefix] = {}
        self.clear()

    def clear(self) -> None:
        self.active: set[Generation] = set()
        self.waiting: list[Generation] = []
        self.prefilling: list[Generation] = []
        self.decoding: dict[int, Generation] = {}

    @property
    def is_idle(self) -> bool:
        return not (self.waiting or self.prefilling or self.decoding)

    def add(self, generation: Generation) -> None:
        self.active.add(generation)
        self.waiting.append(generation)

    def drop(self, sequence: Sequence) -> None:
        """The sequence was closed: its generation and its beginning are forgotten."""
        self.prefixes = {key: p for key, p in self.prefixes.items() if p.slot != sequence.slot}
        self._keep({generation for generation in self.active if generation.sequence is not sequence})

    def drop_cancelled(self) -> None:
        self._keep({generation for generation in self.active if not generation.cancelled})

    def _keep(self, active: set[Generation]) -> None:
        if len(active) == len(self.active):
            return
        self.active = active
        self.waiting = [g for g in self.waiting if g in active]
        self.prefilling = [g for g in self.prefilling if g in active]
        self.decoding = {slot: g for slot, g in self.decoding.items() if g in active}

    def admit(self) -> Admitted:
        """Take from the waiting those who can go on, and no more views than fit into one pass of the tower.

        Who begins like somebody else takes the beginning over as soon as that one has read it.
        """
        admitted, waiting = Admitted([], []), []
        room = PATCHES_AT_ONCE
        being_read = {g.prefix_key for g in self.prefilling}
        for generation in self.waiting:
            key = generation.prefix_key
            if key and key in self.prefixes:
                admitted.reusing.append(generation)
                continue
            if not key or key not in being_read:
                room -= count_patches(generation.prompt.views, self.patch)
                if room >= 0 or not admitted.reading:
                    admitted.reading.append(generation)
                    being_read.add(key)
                    continue
            waiting.append(generation)
        self.waiting = waiting
        return admitted

    def next_prefill(self) -> list[tuple[Generation, int]]:
        """Who reads how many tokens of its prompt in the next pass."""
        chunks, room = [], self.prefill_tokens
        for generation in self.prefilling:
            count = min(generation.unread, room)
            if not count:
                break
            room -= count
            chunks.append((generation, count))
        return chunks

    def finish_prefill(self) -> None:
        """Who has read its whole prompt prefills no longer."""
        self.prefilling = [generation for generation in self.prefilling if generation.unread]

    def finish(self, generation: Generation) -> None:
        self.decoding.pop(generation.sequence.slot, None)
        self.active.discard(generation)

"""What the engine knows of a conversation, and of the turn that is being written in it."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import torch

from mini_o3.models.chat import ChatRenderer, Rendered, position_ids
from mini_o3.models.sampling import Sampled, Sampling
from mini_o3.models.views import digest, view_key


@dataclass(slots=True, eq=False)
class Sequence:
    """One conversation: its slot in the cache, and where it goes on.

    Attributes:
        cached: tokens in the cache.
        tokens: length of the context: those cached, and the pending one.
        next_position: rotary position of the next token.
        pending: the token sampled last, which is not in the cache yet; empty before the first turn.
        lookahead: random numbers that were drawn, but not used yet.
    """

    slot: int
    random: random.Random
    cached: int = 0
    tokens: int = 0
    next_position: int = 0
    pending: list[int] = field(default_factory=list)
    lookahead: deque[float] = field(default_factory=deque)

    def uniforms(self, count: int) -> list[float]:
        """The next `count` random numbers; they stay the next ones until they are taken off `lookahead`."""
        while len(self.lookahead) < count:
            self.lookahead.append(self.random.random())
        return [self.lookahead[index] for index in range(count)]


@dataclass(slots=True, eq=False)
class Generation:
    """One turn of a sequence: its prompt, what was sampled so far, and who waits for the result.

    Attributes:
        ids: tokens to be read before the first is sampled: the pending one and the prompt.
        position_ids: (3, tokens to be read); None before `lay_out`.
        image_tokens: (tokens, width) of all views of the prompt.
        read, placed: how many of `ids` and of `image_tokens` were read.
        prefix_key: digest of the whole prompt at the beginning of a conversation, else empty.
        sampled, log_probs: the turn so far.
        draft: tokens that may come after the pending one.
    """

    sequence: Sequence
    prompt: Rendered
    sampling: Sampling
    future: asyncio.Future[Sampled]
    ids: list[int] = field(default_factory=list)
    position_ids: np.ndarray | None = None
    image_tokens: torch.Tensor | None = None
    read: int = 0
    placed: int = 0
    prefix_key: bytes = b""
    sampled: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    draft: list[int] = field(default_factory=list)
    cancelled: bool = False

    @property
    def unread(self) -> int:
        return len(self.ids) - self.read

    def lay_out(self, renderer: ChatRenderer) -> None:
        """Find the ids to be read and their positions."""
        sequence, views = self.sequence, self.prompt.views
        self.ids, sequence.pending = [*sequence.pending, *self.prompt.ids], []
        self.position_ids, sequence.next_position = position_ids(
            self.ids, renderer.image_pad, renderer.grids(views), sequence.next_position
        )
        if not sequence.cached:
            self.prefix_key = digest(np.asarray(self.ids).tobytes(), *map(view_key, views))

    def accept_tokens(self, tokens: list[int], log_probs: list[float], renderer: ChatRenderer) -> bool | None:
        """Append what was sampled, as far as the draft foresaw it and one further.

        Returns whether the turn ended by itself (True), at its length limit (False), or goes on (None).
        """
        sequence, decoding, used = self.sequence, bool(self.sampled), 0
        for token, log_prob in zip(tokens, log_probs, strict=True):
            used += 1
            sequence.lookahead.popleft()
            self.sampled.append(token)
            self.log_probs.append(log_prob)
            finished = renderer.ended(self.sampled, self.sampling.stops)
            full = len(self.sampled) >= self.sampling.max_tokens
            if finished or full or token not in self.draft[used - 1 : used]:
                break
        if decoding:  # the pass has cached what was pending and what of the draft was right
            sequence.cached += used
            sequence.next_position += used
        sequence.pending = [token]
        sequence.tokens = sequence.cached + 1
        return finished if finished or full else None

    def resolve(self, result: Sampled | BaseException) -> None:
        """Hand the result to the event loop that waits for it, if it still does."""

        def set_result() -> None:
            if self.future.done():
                return
            if isinstance(result, Sampled):
                self.future.set_result(result)
            else:
                self.future.set_exception(result)

        with suppress(RuntimeError):  # the loop is closed
            self.future.get_loop().call_soon_threadsafe(set_result)


@dataclass(frozen=True, slots=True)
class SharedPrefix:
    """The beginning of a conversation that a sequence holds in its slot, and the logits after it."""

    slot: int
    length: int
    logits: torch.Tensor

"""What the engine keeps of a conversation and of the turn it is at."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

import torch

from mini_o3.models.chat import Rendered
from mini_o3.models.sampling import Sampled, Sampling


@dataclass(slots=True, eq=False)
class Stream:
    """One conversation: its slot, where its positions go on, and the token drawn last, which is not in the
    cache yet."""

    slot: int
    random: random.Random
    position: int = 0
    pending: list[int] = field(default_factory=list)
    tokens: int = 0  # length of the context, the pending token included
    ahead: deque[float] = field(default_factory=deque)  # random numbers looked at, not used yet

    def uniforms(self, count: int) -> list[float]:
        """The next `count` random numbers, which stay the next ones until they are taken from `ahead`."""
        while len(self.ahead) < count:
            self.ahead.append(self.random.random())
        return [self.ahead[index] for index in range(count)]


@dataclass(slots=True, eq=False)
class Turn:
    """One turn: what is still to be read, what was drawn so far, and who waits for it."""

    stream: Stream
    prompt: Rendered
    sampling: Sampling
    future: asyncio.Future[Sampled]
    ids: list[int] = field(default_factory=list)
    embedded: torch.Tensor | None = None  # (tokens to be read, width)
    places: torch.Tensor | None = None  # (3, tokens to be read)
    read: int = 0
    begins: bytes = b""  # at the beginning of a conversation: what it begins with
    drawn: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    draft: list[int] = field(default_factory=list)  # what may come after the pending token
    cancelled: bool = False

    @property
    def unread(self) -> int:
        return len(self.ids) - self.read


@dataclass(frozen=True, slots=True)
class Beginning:
    """A slot that holds a whole opening, and the logits of what comes next."""

    slot: int
    length: int
    logits: torch.Tensor


def settle(future: asyncio.Future[Sampled], result: Sampled | BaseException) -> None:
    """Hand a result to the event loop that waits for it, if it still does."""

    def now() -> None:
        if not future.done():
            if isinstance(result, Sampled):
                future.set_result(result)
            else:
                future.set_exception(result)

    with suppress(RuntimeError):  # the loop is closed
        future.get_loop().call_soon_threadsafe(now)

"""A teacher whose turns now and then come out broken: what is learnt is the turn that mends it.

Departs from the paper, whose base model can read an error message. nano had no example of what to do once a
turn was cut off or named an observation that is not there: of the 22 hard probes that it left void, 13 began
to go wrong with a list that repeated itself until the cut, and what followed the correction made no sense.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mini_o3.episode import Message, Policy, Reply, Request
from mini_o3.episode.policy import Conversation
from mini_o3.kit.rng import stream

_MOST = 2  # broken turns per episode: one more without an action would end it
_SOURCE = re.compile(r'"source": "\w+"')
_ITEM = re.compile(r"\d\.\d\d/\d\.\d\d(?: \w+)?")


class CorruptedTeacher:
    """The teacher, but a share `slips` of its turns comes out broken first, with `learn` False; the next turn
    is the right one."""

    name = "slips"
    context_tokens: int | None = None

    def __init__(self, teacher: Policy, slips: float) -> None:
        self.teacher, self.slips = teacher, slips
        self.budget, self.profile = teacher.budget, teacher.profile

    def open(self, request: Request) -> CorruptedConversation:
        rng = stream("slips", request.task_id, request.seed)
        return CorruptedConversation(self.teacher.open(request), self.slips, rng)


class CorruptedConversation:
    def __init__(self, inner: Conversation, slips: float, rng: np.random.Generator) -> None:
        self.inner, self.slips, self.rng = inner, slips, rng
        self.broken = self.turns = 0
        self.meant: Reply | None = None  # what the last turn should have been

    async def reply(self, messages: Sequence[Message]) -> Reply:
        self.turns += 1
        if self.meant is not None:
            meant, self.meant = self.meant, None
            return meant
        reply = await self.inner.reply(messages)
        if self.broken < _MOST and _SOURCE.search(reply.text) and self.rng.random() < self.slips:
            self.meant, self.broken = reply, self.broken + 1
            return replace(broken(reply, self.turns, self.rng), learn=False)
        return reply

    def close(self) -> None:
        self.inner.close()


def broken(reply: Reply, turns: int, rng: np.random.Generator) -> Reply:
    """A zoom that cannot be carried out: an item repeated up to the cut, a source not there yet, words cut
    off, a bad box.

    `turns` is how many turns there were so far, so no observation has a higher number.
    """
    items = list(_ITEM.finditer(reply.text.split("</think>")[0]))
    kind = rng.random()
    if items and kind < 0.5:
        item = items[rng.integers(len(items))]
        return replace(
            reply,
            text=reply.text[: item.end()] + f" {item.group()}" * int(rng.integers(6, 22)),
            finished=False,
        )
    if kind < 0.8:
        wrong = f'"source": "observation_{turns + int(rng.integers(0, 3))}"'
        return replace(reply, text=_SOURCE.sub(wrong, reply.text))
    if kind < 0.9:
        return replace(reply, text=reply.text[: int(rng.integers(8, len(reply.text) - 20))], finished=False)
    x0, comma, rest = reply.text.partition('"bbox_2d": [')[2].partition(", ")
    return replace(reply, text=reply.text.replace(f"{x0}{comma}{rest}", rest, 1))

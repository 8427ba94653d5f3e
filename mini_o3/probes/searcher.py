"""What a scripted searcher is: it knows everything, and plays by the rules of one who does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from mini_o3.protocol import Answer, Zoom


class Move(NamedTuple):
    """One turn of a searcher; a deliberate mistake has `learn=False`: its repair is imitated, it is not."""

    action: Zoom | Answer
    learn: bool = True


class Searcher(Protocol):
    """One search."""

    @property
    def found(self) -> bool:
        """Whether the evidence was legible in a view so far."""

    def moves(self) -> Iterator[Move]:
        """All moves up to the answer; none follows where the search ends without one."""

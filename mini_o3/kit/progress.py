"""How long work says how far it is; the command line shows it as a line with the time left."""

from __future__ import annotations

from typing import Protocol


class OnProgress(Protocol):
    """Called after each piece of work: how many are done, how many there are, and more in words."""

    def __call__(self, done: int, total: int, more: str = "") -> None: ...


def no_progress(done: int, total: int, more: str = "") -> None:
    """Shows nothing."""

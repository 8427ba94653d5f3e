"""Ctrl-C and SIGTERM in long work: finish the step at hand, save, leave."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_waiting: list[list[int]] = []  # what each of those that are open now has caught


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Within, Ctrl-C and SIGTERM do not interrupt; the yielded function says whether one came.

    One within another: both are told.
    """
    caught: list[int] = []
    _waiting.append(caught)
    before = {number: signal.signal(number, _note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(caught)
    finally:
        _waiting.pop()
        for number, handler in before.items():
            signal.signal(number, handler)


def _note(number: int, _: Any) -> None:
    for caught in _waiting:
        caught.append(number)


def leave_signals_to_the_parent(_: int = 0) -> None:
    """Ctrl-C reaches the whole process group; a data worker must live on until the parent has saved."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)

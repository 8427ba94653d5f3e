"""Ctrl-C and SIGTERM in long work: finish the step at hand, save, leave."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Within, Ctrl-C and SIGTERM do not interrupt; the yielded function says whether one came.

    One within another: both are told.
    """
    caught: list[int] = []

    def note(number: int, _: Any) -> None:
        caught.append(number)
        outer = before[number]
        if getattr(outer, "__qualname__", "") == note.__qualname__ and callable(outer):
            outer(number, None)

    before: dict[int, Any] = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(caught)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_signals_to_the_parent(_: int = 0) -> None:
    """Ctrl-C reaches the whole process group; a data worker must live on until the parent has saved."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)

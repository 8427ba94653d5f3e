"""What happens in something that goes on, for any number of watchers who come and leave."""

from __future__ import annotations

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any

Event = dict[str, Any]


class EventLog(ABC):
    """Numbered events, JSON-ready; the last is `{"type": "end", ...}` once it is over.

    Attributes:
        id: by which watchers name it; cannot be guessed.
        events: what happened so far.
        listeners: how many watch it now.
        is_over: whether the last event is there, or is about to be.
    """

    def __init__(self, grace: float) -> None:
        """It is stopped `grace` seconds after the last watcher left."""
        self.id = secrets.token_urlsafe(9)
        self.events: list[Event] = []
        self.listeners = 0
        self.is_over = False
        self._grace = grace
        self._news = asyncio.Condition()
        self._leaving: asyncio.TimerHandle | None = None

    @abstractmethod
    def stop(self, reason: str = "stopped by the user") -> None:
        """End it soon; `reason` is told."""

    async def tell(self, event: Event) -> None:
        """Add an event."""
        async with self._news:
            self.events.append(event)
            self._news.notify_all()

    async def watch(self, first: int = 0) -> AsyncIterator[tuple[int, Event]]:
        """The events with their numbers, from number `first` on, until it is over."""
        self.listeners += 1
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        number = max(first, 0)
        try:
            while True:
                async with self._news:
                    while len(self.events) <= number and not self.is_over:
                        await self._news.wait()
                    new = self.events[number:]
                for event in new:
                    yield number, event
                    number += 1
                if self.is_over and number >= len(self.events):
                    return
        finally:
            self.listeners -= 1
            if not self.listeners and not self.is_over:
                self._leaving = asyncio.get_running_loop().call_later(self._grace, self._deserted)

    def _deserted(self) -> None:
        if not self.listeners:
            self.stop("nobody watched it any more")

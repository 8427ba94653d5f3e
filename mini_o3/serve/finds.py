"""One thing looked for in many pictures, each by itself, with what came of each as it comes."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mini_o3.finding.query import FOUND, Query, query_for
from mini_o3.kit.errors import SettingError
from mini_o3.serve.events import Event, EventLog
from mini_o3.serve.searches import Busy, Opened, Search, Searches

MOST_PICTURES = 1000
_REMEMBERED = 20


@dataclass(frozen=True, slots=True)
class Pictured:
    """A picture among many: its id, the name that people know it by, its file, and how to open it."""

    id: str
    name: str
    path: Path
    opened: Opened


class Find(EventLog):
    """Searches of many pictures: `start`, a `picture` each in the order in which they end, `end`."""

    def __init__(self, query: Query, pictures: Sequence[Pictured], grace: float) -> None:
        super().__init__(grace)
        self.query, self.pictures = query, pictures
        self.running: dict[str, Search] = {}
        self._stop: str | None = None

    def stop(self, reason: str = "stopped by the user") -> None:
        self._stop = reason
        for search in self.running.values():
            search.stop(reason)

    async def play(self, searches: Searches, policy: str | None, turns: int, together: int) -> None:
        """Search all pictures, `together` of them at the same time."""
        await self.tell({"type": "start", "id": self.id, "pictures": len(self.pictures)})
        counts: Counter[str] = Counter()
        left = iter(enumerate(self.pictures))

        async def work() -> None:
            for number, picture in left:
                if self._stop is not None:
                    return
                event = await self._one(searches, picture, policy, turns)
                counts[event["status"]] += 1
                await self.tell({"type": "picture", "n": number, **event})

        try:
            await asyncio.gather(*(work() for _ in range(together)))
        finally:
            self.is_over = True
            end = {"type": "end", "counts": dict(counts), "found": counts[FOUND], "error": self._stop}
            await self.tell(end)

    async def _one(self, searches: Searches, picture: Pictured, policy: str | None, turns: int) -> Event:
        search = await self._begin(searches, picture, policy, turns)
        self.running[search.id] = search
        async for _ in search.watch():
            pass
        del self.running[search.id]
        result = search.events[-1]["result"]
        episode = search.episode
        status = "failed" if episode is None else self.query.status_of(episode)
        keys = ("answer", "confidence", "evidence", "error", "num_turns")
        return {
            "picture": picture.id,
            "name": picture.name,
            "search": search.id,
            "status": status,
            **{key: result.get(key) for key in keys},
        }

    async def _begin(self, searches: Searches, picture: Pictured, policy: str | None, turns: int) -> Search:
        while True:
            try:
                return await searches.begin(picture.path, picture.opened, self.query.question, policy, turns)
            except Busy:  # others wait; so does this
                await asyncio.sleep(0.5)


class Finds:
    """All finds of a server; the last ones can still be read."""

    def __init__(self, searches: Searches) -> None:
        self.searches = searches
        self.finds: OrderedDict[str, Find] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, text: str, pictures: Sequence[Pictured], policy: str | None, turns: int) -> Find:
        """Start to look for something.

        Raises:
            UserError: there are no pictures or too many, or this cannot be looked for with this policy.
        """
        if not 1 <= len(pictures) <= MOST_PICTURES:
            raise SettingError("pictures", f"must be 1 to {MOST_PICTURES}", len(pictures))
        chosen = await self.searches.policy(policy)
        settings = self.searches.settings
        if not 1 <= turns <= settings.turns:
            raise SettingError("turns", f"must be 1 to {settings.turns}", turns)
        find = Find(query_for(text, chosen.name, chosen.profile.name), pictures, settings.grace)
        self.finds[find.id] = find
        while len(self.finds) > _REMEMBERED and next(iter(self.finds.values())).is_over:
            self.finds.popitem(last=False)
        together = max(settings.most_searches // 2, 1)
        task = asyncio.create_task(find.play(self.searches, policy, turns, together))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return find

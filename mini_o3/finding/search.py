"""The searches of many pictures: each once, several at the same time, all in one store."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import takewhile
from pathlib import Path

from mini_o3.episode import Episode, Limits, Policy, SearchTask, StopReason, run_episode
from mini_o3.episode.store import EpisodeStore, run_jobs
from mini_o3.finding.gallery import write_search
from mini_o3.finding.query import FOUND, Query
from mini_o3.finding.result import Result, result_of_copy, result_of_search
from mini_o3.finding.survey import Seen
from mini_o3.kit.errors import UserError
from mini_o3.kit.metering import Meter
from mini_o3.kit.printable import one_line
from mini_o3.kit.progress import OnProgress
from mini_o3.policies.metered import Continued, Metered, begun, count_spent, meta_of, model_of
from mini_o3.show.result import confidence_of
from mini_o3.vision import Picture

MOST_FAILURES = 20  # of a policy in a row, before it is no longer asked
PIXELS_AT_ONCE = 200_000_000  # of all pictures in memory together; a larger one is alone there


class Search:
    """Asks a policy about one picture after the other.

    A search is known by the content of its picture and the question (`key_of`), so that a picture that was
    moved or renamed is not searched again, and one that was changed is.

    Attributes:
        store: the records of all searches in the folder, also of earlier starts.
        failures: how many searches in a row the policy has failed in.
        errors: digest -> why a picture that was looked at cannot be searched after all.
    """

    def __init__(
        self, query: Query, policy: Policy, limits: Limits, folder: Path, pages: str, meter: Meter
    ) -> None:
        """Raises SettingError if the budget is in money and the policy's price is not known."""
        self.query, self.policy, self.limits, self.folder, self.pages = query, policy, limits, folder, pages
        self.meter, self.store = meter, EpisodeStore(folder)
        meter.check_price(model_of(policy))
        count_spent(meter, self.store.records, model_of(policy))
        self.before = begun(policy, self.store.records)
        self.failures, self._why = 0, ""
        self.errors: dict[str, str] = {}
        self.room = _Room(PIXELS_AT_ONCE)

    def key_of(self, seen: Seen) -> str:
        """Sixteen hex digits, the `task_id` of the record."""
        return hashlib.sha256(f"{seen.digest}\n{self.query.question}".encode()).hexdigest()[:16]

    @property
    def halted(self) -> str | None:
        """Why nothing more is asked, in words; None as long as it goes on."""
        if self.failures >= MOST_FAILURES:
            often = f"the policy failed {self.failures} times in a row ({one_line(self._why)})"
            return f"{often}; mend it, and the same search goes on"
        return self.meter.spent

    def is_done(self, seen: Seen) -> bool:
        """Whether a picture was searched without a failure of the policy."""
        return self.store.is_done((self.key_of(seen), 0))

    def is_found(self, seen: Seen) -> bool:
        """Whether a picture was searched, and it is there."""
        episode = self.store.episodes.get((self.key_of(seen), 0))
        return episode is not None and self.query.status_of(episode) == FOUND

    async def run(self, pictures: Sequence[Seen], concurrent: int, progress: OnProgress) -> None:
        """Search those that have no record yet, and those in which the policy failed; no more are begun once
        it is `halted`."""
        left = [one for one in pictures if not self.is_done(one)]
        known = [self.store.episodes[self.key_of(one), 0] for one in pictures if one not in left]
        counts = Counter(map(self.query.status_of, known))

        async def one(seen: Seen) -> None:
            episode = await self._search(seen)
            if episode is not None:
                counts[self.query.status_of(episode)] += 1

        await run_jobs(
            takewhile(lambda _: self.halted is None, [partial(one, seen) for seen in left]),
            concurrent,
            progress=progress,
            done=len(pictures) - len(left),
            total=len(pictures),
            state=lambda: f"found {counts[FOUND]}{self.meter.state}",
        )

    async def _search(self, seen: Seen) -> Episode | None:
        """Search a picture and keep the record; None if it cannot be opened, and `errors` says why."""
        async with self.room.taken(seen.size[0] * seen.size[1]):
            try:
                picture = await asyncio.to_thread(seen.source.picture)
            except (UserError, OSError) as error:
                self.errors[seen.digest] = str(error)
                return None
            task = SearchTask(seen.source.name, self.query.question)
            key = self.key_of(seen)
            metered, turns = Metered(self.policy, self.meter), self.before.get((key, 0), ())
            policy = Continued(metered, turns) if turns else metered
            episode = await run_episode(task, policy, self.limits, picture=picture)
            meta = {**episode.meta, **meta_of(metered, turns), "confidence": confidence_of(episode)}
            episode = replace(episode, task_id=key, meta=meta)
            await asyncio.to_thread(self._show, episode, picture)
        self.store.append(episode, tokens=False)
        self.failures = self.failures + 1 if episode.stop is StopReason.POLICY_ERROR else 0
        self._why = episode.error or ""
        return episode

    def _show(self, episode: Episode, picture: Picture) -> None:
        is_wanted = self.pages == "all" or (self.pages == "found" and self.query.status_of(episode) == FOUND)
        write_search(self.folder, episode, picture, page=is_wanted)

    def results(self, pictures: Sequence[Seen], alike: Mapping[str, float]) -> list[Result]:
        """The result of every picture that was searched, is a copy of one, or cannot be read; in order.

        `alike` is the similarity to the example by digest.
        """
        found: dict[str, Result] = {}
        results, price = [], self.meter.price_of(self.policy.name)
        for seen in pictures:
            original = found.get(seen.copy_of) if seen.copy_of else None
            error = seen.error or self.errors.get(seen.digest)
            episode = None if seen.error else self.store.episodes.get((self.key_of(seen), 0))
            if original is not None:
                results.append(result_of_copy(seen, original))
            elif error is not None:
                results.append(Result(seen.source.name, "failed", seen.size, error=error))
            elif episode is not None and seen.copy_of is None:
                found[seen.digest] = result_of_search(
                    seen, episode, self.query.status_of(episode), price, alike.get(seen.digest)
                )
                results.append(found[seen.digest])
        return results


class _Room:
    """Lets pictures into memory as long as they have together at most `pixels`; any one has room alone."""

    def __init__(self, pixels: int) -> None:
        self.free, self.pixels = pixels, pixels
        self.changed = asyncio.Condition()

    @asynccontextmanager
    async def taken(self, pixels: int) -> AsyncIterator[None]:
        share = min(pixels, self.pixels)
        async with self.changed:
            await self.changed.wait_for(lambda: self.free >= share)
            self.free -= share
        try:
            yield
        finally:
            self.free += share
            async with self.changed:
                self.changed.notify_all()

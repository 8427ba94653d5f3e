"""The searches of one question while they go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mini_o3.episode import Episode, EpisodeRun, StopReason
from mini_o3.kit.usage import Price
from mini_o3.show.terminal import Typing, search_line, turn_lines

Say = Callable[[str], None]
TOGETHER = 8  # searches that go on at the same time


class Searches:
    """Searches of one question, `TOGETHER` of them side by side.

    Attributes:
        runs: those that have begun, by seed.
        ended: how many of them are over.
    """

    def __init__(
        self,
        begin: Callable[[int], EpisodeRun],
        samples: int,
        temperature: float,
        say: Say,
        price: Price | None = None,
        typing: Typing | None = None,
    ) -> None:
        self.begin, self.samples, self.say, self.price, self.typing = begin, samples, say, price, typing
        self.meta: dict[str, Any] = {"samples": samples} if temperature or samples > 1 else {}
        self.meta |= {"temperature": temperature} if temperature else {}
        self.runs: dict[int, EpisodeRun] = {}
        self.ended = 0

    async def run(self) -> None:
        places = asyncio.Semaphore(TOGETHER)
        await asyncio.gather(*(self._search(seed, places) for seed in range(self.samples)))

    async def _search(self, seed: int, places: asyncio.Semaphore) -> None:
        async with places:
            run = self.runs[seed] = self.begin(seed)
            try:
                while run.session.stop is None:
                    if self.typing:
                        self.say(f"turn {len(run.turns) + 1}")
                    turn = await run.step()
                    is_shown = self.typing is not None and self.typing.end()
                    if turn is not None and self.samples == 1:
                        lines = turn_lines(
                            len(run.turns), turn, self.price, is_shown=is_shown, pictures=run.session.pictures
                        )
                        for line in lines[1:] if self.typing and not is_shown else lines:
                            self.say(line)
            finally:
                run.close()
        self.ended += 1
        if self.samples > 1:
            self.say(f"search {self.ended} of {self.samples} (seed {seed}): {search_line(run.finish())}")

    def records(self, out: Path | None) -> list[Episode]:
        """Of those that are over or have a turn, by seed; at least one."""
        begun = [run for _, run in sorted(self.runs.items()) if run.turns or run.session.stop]
        return [self._record(run, out) for run in begun or [self.runs.get(0) or self.begin(0)]]

    def _record(self, run: EpisodeRun, out: Path | None) -> Episode:
        if run.session.stop is not None:
            episode = run.finish()
        else:
            seen = f"interrupted after {len(run.turns)} turns"
            seen += f"; what was seen so far is in {out}" if out else ""
            episode = run.finish(StopReason.INTERRUPTED, f"{seen}; ask again to start over")
        return replace(episode, meta={**episode.meta, **self.meta})

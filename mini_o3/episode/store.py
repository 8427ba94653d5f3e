"""A folder of episodes: how they are told apart, which of several records counts, and working through what is
left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeVar

from mini_o3.episode.limits import StopReason
from mini_o3.episode.record import EPISODES_FILE, Episode
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, read_records
from mini_o3.kit.progress import OnProgress, no_progress

Key = tuple[str, int]  # task id, seed
Record = TypeVar("Record")


class EpisodeStore:
    """The episodes of a folder, one line each in its `episodes.jsonl`.

    An episode is told by its task and its seed. Of several records of one the last counts, but a failure of
    the policy never replaces a record, since it is no answer: the episode is asked again.

    Attributes:
        path: the file, which need not be there yet.
        records: everything in it, in its order.
        episodes: what counts, in the order in which each episode was first recorded.
    """

    def __init__(self, folder: Path) -> None:
        """Read what is there.

        Raises:
            UserError: a line is not an episode.
        """
        self.path = folder / EPISODES_FILE
        self.records = read_episodes(self.path)
        self.episodes: dict[Key, Episode] = {}
        for episode in self.records:
            self._count(episode)

    def append(self, episode: Episode, *, tokens: bool = True) -> None:
        """Add a record; without `tokens` its file gets no token ids."""
        append_jsonl(self.path, episode.to_dict(tokens))
        self.records.append(episode)
        self._count(episode)

    def is_done(self, key: Key) -> bool:
        """Whether an episode is there in which the policy did not fail."""
        return key in self.episodes and self.episodes[key].stop is not StopReason.POLICY_ERROR

    def _count(self, episode: Episode) -> None:
        keep_last(self.episodes, episode.key, episode, episode.stop)


def read_episodes(path: Path) -> list[Episode]:
    """All records of a file, in its order; none if there is no file.

    Raises:
        UserError: a line is not an episode.
    """
    return read_records(path, Episode.from_dict, "an episode")


def answered_episodes(folder: Path) -> list[Episode]:
    """All records of a folder that end with an answer: of imported conversations several may have one key.

    Raises:
        UserError: there are none, or a line is not an episode.
    """
    path = folder / EPISODES_FILE
    found = [episode for episode in read_episodes(path) if episode.stop is StopReason.ANSWERED]
    if not found:
        raise UserError(
            f"{path}: no answered episodes there; `mini-o3 collect` and `mini-o3 eval` write such folders"
        )
    return found


async def run_jobs(
    jobs: Iterable[Callable[[], Awaitable[object]]],
    concurrent: int,
    *,
    progress: OnProgress = no_progress,
    done: int = 0,
    total: int = 0,
    state: Callable[[], str] = lambda: "",
) -> None:
    """Work through `jobs`, `concurrent` at the same time; each is taken from `jobs` when its turn comes.

    The first that raises stops all. `progress` is told after each; `done` were done before, `total` are there
    in all, and `state` says more.
    """
    left = iter(jobs)

    async def work() -> None:
        nonlocal done
        for job in left:
            await job()
            done += 1
            progress(done, total, state())
            await asyncio.sleep(0)  # a job that never waits would not let an interrupt through

    await asyncio.gather(*(work() for _ in range(concurrent)))


def keep_last(found: dict[Key, Record], key: Key, record: Record, stop: str) -> None:
    """Note a record by the rule: the last one counts, unless the policy failed in it."""
    if key not in found or stop != StopReason.POLICY_ERROR:
        found[key] = record

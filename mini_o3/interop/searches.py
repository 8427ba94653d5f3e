"""Questions that another program asks, a picture and a text each, answered by whole episodes that are kept in
a folder."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from mini_o3.benchmarks.options import settle
from mini_o3.benchmarks.pictures import Encoded, PictureStore
from mini_o3.benchmarks.rows import BadRow
from mini_o3.episode import EPISODES_FILE, Episode, Limits, Policy, SearchTask, StopReason, run_episode
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, make_folder, read_jsonl
from mini_o3.kit.run import claim_run


class Question(NamedTuple):
    """What the other program asks.

    Attributes:
        picture: as it has it: an open picture or the path of its file.
        text: its whole prompt; marks, orders on how to answer and a block of options are taken out of it
            (`benchmarks.options.settle`), the options stand below the question as in any task.
        name: what it calls the question.
        seed: of the episode.
    """

    picture: Image.Image | str | Path
    text: str
    name: str
    seed: int = 0


class Searches:
    """Episodes of one policy in one folder: `episodes.jsonl`, and the pictures asked about in `pictures/`.

    What is in the folder is not asked again, but for episodes in which the policy failed.
    """

    def __init__(
        self, policy: Policy, limits: Limits, out: Path, *, settings: dict[str, Any], concurrent: int = 1
    ) -> None:
        """`settings` say what the answers depend on; they are kept, and `concurrent` episodes go on at the
        same time.

        Raises:
            UserError: `out` cannot be written to, or holds episodes by other settings.
        """
        self.policy, self.limits, self.concurrent = policy, limits, concurrent
        self.out = make_folder(out).resolve()
        claim_run(self.out, {**settings, "profile": f"{policy.profile.name}@{policy.profile.hash}"})
        self.pictures = PictureStore(self.out)
        found = [Episode.from_dict(row) for row in read_jsonl(self.out / EPISODES_FILE)]
        self.done = {
            (episode.task_id, episode.seed): episode
            for episode in found
            if episode.stop is not StopReason.POLICY_ERROR
        }

    def answer(
        self, questions: Sequence[Callable[[], Question]], report: Callable[[], None] = lambda: None
    ) -> list[Episode]:
        """An episode for each question; a question is called for when its turn comes, so few pictures are in
        memory.

        Raises:
            UserError: a picture cannot be used; or the policy failed at some (said after all the others are
                done: a program that cannot leave a question unscored must not score a failure as a wrong
                    answer).
        """
        episodes: dict[int, Episode] = {}
        left = iter(enumerate(questions))
        asyncio.run(self._all(left, episodes, report))
        failed = [episode for episode in episodes.values() if episode.stop is StopReason.POLICY_ERROR]
        if failed:
            raise UserError(
                f"{len(failed)} of {len(questions)} searches failed, the first: {failed[0].error}; the others"
                f" are kept in {self.out}: run again to fill these in"
            )
        return [episodes[number] for number in range(len(questions))]

    async def _all(
        self,
        left: Iterator[tuple[int, Callable[[], Question]]],
        episodes: dict[int, Episode],
        report: Callable[[], None],
    ) -> None:
        async def go_on() -> None:
            for number, question in left:
                episodes[number] = await self._one(question())
                report()
                await asyncio.sleep(0)  # a policy that never waits would not let an interrupt through

        await asyncio.gather(*(go_on() for _ in range(self.concurrent)))

    async def _one(self, question: Question) -> Episode:
        task = self.task_of(question)
        key = task.id, question.seed
        if key not in self.done:
            episode = await run_episode(task, self.policy, self.limits, seed=question.seed)
            episode = replace(episode, meta={"source": question.name})
            append_jsonl(self.out / EPISODES_FILE, episode.to_dict())
            if episode.stop is StopReason.POLICY_ERROR:
                return episode
            self.done[key] = episode
        return self.done[key]

    def task_of(self, question: Question) -> SearchTask:
        """The question as a task, its picture in `pictures/` under the hash of its content.

        Raises:
            UserError: the picture cannot be used, or there is no text.
        """
        text, _, options = settle(question.text, (), None, strict=False)
        if not text.strip():
            raise UserError(f"{question.name}: its prompt holds no question")
        try:
            if isinstance(question.picture, Image.Image):
                buffer = io.BytesIO()
                question.picture.save(buffer, "PNG", compress_level=1)
                placed = self.pictures.place(Encoded(buffer.getvalue()))
            else:
                placed = self.pictures.place(Path(question.picture), copy=True)
        except (BadRow, OSError, ValueError) as error:
            raise UserError(f"{question.name}: {error}") from None
        return SearchTask(str(self.out / placed.path), text, options=options, name=question.name)

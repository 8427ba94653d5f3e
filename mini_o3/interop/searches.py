"""Questions that another program asks, a picture and a text each, answered by whole episodes that are kept in
a folder."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from mini_o3.benchmarks.options import settle
from mini_o3.benchmarks.pictures import Encoded, PictureStore
from mini_o3.benchmarks.rows import BadRow
from mini_o3.episode import Episode, Limits, Policy, SearchTask, StopReason, run_episode
from mini_o3.episode.store import EpisodeStore, run_jobs
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import make_folder
from mini_o3.kit.loop import run_coroutine
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.kit.run import ensure_same_run


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
        ensure_same_run(self.out, {**settings, "profile": f"{policy.profile.name}@{policy.profile.hash}"})
        self.pictures = PictureStore(self.out)
        self.store = EpisodeStore(self.out)

    def answer(
        self, questions: Sequence[Callable[[], Question]], progress: OnProgress = no_progress
    ) -> list[Episode]:
        """An episode for each question; a question is called for when its turn comes, so few pictures are in
        memory.

        Raises:
            UserError: a picture cannot be used; or the policy failed at some (said after all the others are
                done: a program that cannot leave a question unscored must not score a failure as a wrong
                answer).
        """
        episodes: dict[int, Episode] = {}

        async def search(number: int, question: Callable[[], Question]) -> None:
            episodes[number] = await self._episode(question())

        jobs = [partial(search, number, question) for number, question in enumerate(questions)]
        run_coroutine(run_jobs(jobs, self.concurrent, progress=progress, total=len(jobs)))
        failed = [episode for episode in episodes.values() if episode.stop is StopReason.POLICY_ERROR]
        if failed:
            raise UserError(
                f"{len(failed)} of {len(questions)} searches failed, the first: {failed[0].error}; the others"
                f" are kept in {self.out}: run again to fill these in"
            )
        return [episodes[number] for number in range(len(questions))]

    async def _episode(self, question: Question) -> Episode:
        task = self.task_of(question)
        key = task.id, question.seed
        if self.store.is_done(key):
            return self.store.episodes[key]
        episode = await run_episode(task, self.policy, self.limits, seed=question.seed)
        episode = replace(episode, meta={"source": question.name})
        self.store.append(episode)
        return episode

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

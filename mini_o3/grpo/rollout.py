"""Groups of rollouts: every question is asked several times, all of them together, and judged as soon as it
is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from mini_o3.episode import Episode, EpisodeRun, Limits, Policy, SearchTask, StopReason
from mini_o3.grpo.advantages import Ended, GroupAdvantages, Masking, group_advantages
from mini_o3.grpo.questions import Question, Questions
from mini_o3.judge import Verdict
from mini_o3.kit.rng import stream

Judge = Callable[[SearchTask, Episode], Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class Rollout:
    """One episode with the views behind the image placeholders of its token ids.

    `reward` is 1 for a correct answer, else 0, as in the paper; None if it was not judged.
    """

    episode: Episode
    views: tuple[Image.Image, ...]
    reward: float | None


@dataclass(frozen=True, slots=True)
class Group:
    """All rollouts on one question; `advantages` is None if they teach nothing."""

    index: int
    task: SearchTask
    rollouts: tuple[Rollout, ...]
    advantages: GroupAdvantages | None


@dataclass(frozen=True, slots=True)
class Roller:
    """Rolls out groups.

    Attributes:
        policy: must record token ids and log-probabilities.
        judge: asked while other rollouts go on.
        turn_cost: taken off the reward of a right answer for every turn it took, see `ended`.
        at_once: about how many episodes are open at the same time: whole groups, and one group more than fit.
        seed: with the number of the question and of the rollout, it determines every draw.
    """

    policy: Policy
    judge: Judge
    questions: Questions
    limits: Limits
    rollouts: int
    masking: Masking
    turn_cost: float
    at_once: int
    seed: int

    def groups(
        self, indices: Sequence[int], done: Callable[[Group], None] = lambda group: None
    ) -> list[Group]:
        """The groups of these questions, in this order; `done` is called as each ends."""

        async def all_of_them() -> list[Group]:
            room = asyncio.Semaphore(
                -(-self.at_once // self.rollouts) + 1
            )  # one more, so that no slot waits for a picture

            async def one(index: int) -> Group:
                async with room:  # judging needs none, however long it takes
                    question, judged = await self._roll_out(index)
                group = self._group(index, question, await asyncio.gather(*judged))
                done(group)
                return group

            return await asyncio.gather(*(one(index) for index in indices))

        return asyncio.run(all_of_them())

    async def _roll_out(self, index: int) -> tuple[Question, list[asyncio.Task[Rollout]]]:
        """The question and its rollouts, ended; each has been at its judge since it was."""
        question = await asyncio.to_thread(self.questions, index)
        seeds = stream("rollouts", self.seed, index).integers(2**31, size=self.rollouts)
        return question, await asyncio.gather(*(self._rollout(question, int(seed)) for seed in seeds))

    async def _rollout(self, question: Question, seed: int) -> asyncio.Task[Rollout]:
        run = EpisodeRun(question.task, self.policy, self.limits, picture=question.picture, seed=seed)
        episode = await run.play()
        return asyncio.create_task(self._judge(question.task, episode, tuple(run.views)))

    async def _judge(self, task: SearchTask, episode: Episode, views: tuple[Image.Image, ...]) -> Rollout:
        verdict = await self.judge(task, episode)
        return Rollout(episode, views, float(verdict.is_correct) if verdict.is_judged else None)

    def _group(self, index: int, question: Question, rollouts: Sequence[Rollout]) -> Group:
        of_all = group_advantages([ended(rollout, self.turn_cost) for rollout in rollouts], self.masking)
        return Group(index, question.task, tuple(rollouts), of_all)


def ended(rollout: Rollout, turn_cost: float) -> Ended:
    """What of a rollout decides its advantage; a right answer costs `turn_cost` for every turn.

    The cost is ours, against the drift into endless searching that an independent port of the paper saw. Only
    right answers
    pay: were wrong ones to pay too, they would lose to those that never answer, and a group of nothing but
    wrong answers
    would learn to give them sooner.
    """
    episode = rollout.episode
    cost = turn_cost * episode.num_turns if rollout.reward else 0.0
    return Ended(rollout.reward, cost, episode.is_over_turn, episode.stop is StopReason.VOID)

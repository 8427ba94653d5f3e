"""Groups of rollouts: every question is asked several times at once, and every answer judged as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from mini_o3.episode import Episode, EpisodeRun, Limits, Policy, SearchTask, StopReason
from mini_o3.grpo.advantages import GroupAdvantages, Masking, RolloutOutcome, group_advantages
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
    """All rollouts on one question, and what of each decides its weight.

    `advantages` is None if they teach nothing.
    """

    index: int
    task: SearchTask
    rollouts: tuple[Rollout, ...]
    outcomes: tuple[RolloutOutcome, ...]
    advantages: GroupAdvantages | None


@dataclass(frozen=True, slots=True)
class RolloutCollector:
    """Asks questions in groups of rollouts.

    Attributes:
        policy: must record token ids and log-probabilities.
        judge: asked while other rollouts go on.
        turn_cost: taken off the reward of a right answer for every turn it took, see `outcome_of`.
        at_once: about how many episodes are open at the same time. Groups are opened whole, one more than
            fits, so that no slot of the engine waits for a picture.
        seed: determines every draw, with the numbers of the question and of the rollout.
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
            room = asyncio.Semaphore(-(-self.at_once // self.rollouts) + 1)

            async def one(index: int) -> Group:
                async with room:  # left before the judge answers, which may take long
                    question, judged = await self._roll_out(index)
                group = self._group(index, question, await asyncio.gather(*judged))
                done(group)
                return group

            return await asyncio.gather(*(one(index) for index in indices))

        return asyncio.run(all_of_them())

    async def _roll_out(self, index: int) -> tuple[Question, list[asyncio.Task[Rollout]]]:
        """The question, and its rollouts, all over; each went to the judge as soon as it was."""
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
        outcomes = tuple(outcome_of(rollout, self.turn_cost) for rollout in rollouts)
        advantages = group_advantages(outcomes, self.masking)
        return Group(index, question.task, tuple(rollouts), outcomes, advantages)


def outcome_of(rollout: Rollout, turn_cost: float) -> RolloutOutcome:
    """What of a rollout decides its weight; a right answer costs `turn_cost` for every turn.

    The cost is ours, against the drift into endless searching that an independent port of the paper saw. Only
    right answers pay. If wrong ones paid too, they would lose to those that never answer, and a group of
    nothing but wrong answers would learn to give them sooner.
    """
    episode = rollout.episode
    cost = turn_cost * episode.num_turns if rollout.reward else 0.0
    is_void, tokens = episode.stop is StopReason.VOID, sum(episode.token_mask)
    return RolloutOutcome(rollout.reward, cost, episode.is_over_turn, is_void, tokens)

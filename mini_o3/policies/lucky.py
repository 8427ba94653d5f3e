"""A teacher that sometimes guesses, and is right: what a filter on correct answers cannot tell from a search.

Cold-start data are episodes whose answer was correct (arXiv 2509.07969). Where a budget of turns ends, a
model that must answer guesses, so lucky guesses are among them, and a model that imitates them guesses there.
This puts a known share of them into nano's data, for the question what reinforcement does to guessing.
"""

from __future__ import annotations

from collections.abc import Sequence

from mini_o3.episode import Message, Reply, Request
from mini_o3.kit.rng import stream
from mini_o3.policies.teacher import Teacher, TeacherConversation
from mini_o3.probes.shapes.questions import restate
from mini_o3.probes.shapes.truth import truth_of
from mini_o3.protocol import Answer, format_action

_TURN = 6  # in which it guesses: the last of the paper's training budget


class LuckyTeacher:
    """The teacher, but in a share `guesses` of its episodes it guesses in its sixth turn, if it has not found
    the answer by then.

    Broken turns that `policies.corrupted` puts around it do not count. That a target is not there is never
    guessed.
    """

    name = "guesser"
    context_tokens: int | None = None

    def __init__(self, teacher: Teacher, guesses: float) -> None:
        self.teacher, self.guesses = teacher, guesses
        self.budget, self.profile = teacher.budget, teacher.profile

    def open(self, request: Request) -> LuckyConversation:
        rng = stream("guesser", request.task_id, request.seed)
        return LuckyConversation(self.teacher.open(request), _TURN if rng.random() < self.guesses else None)


class LuckyConversation:
    def __init__(self, inner: TeacherConversation, turn: int | None) -> None:
        self.inner, self.turn, self.turns = inner, turn, 0

    async def reply(self, messages: Sequence[Message]) -> Reply:
        self.turns += 1
        task, reply = self.inner.task, await self.inner.reply(messages)
        if self.turns != self.turn or self.inner.searcher.found or task.answer is None:
            return reply
        truth = truth_of(task)
        if truth.absent:
            return reply
        thought = f"Find {restate(truth.goal)}; not seen; answer {task.answer}"
        return Reply(format_action(Answer(task.answer, thought)))

    def close(self) -> None:
        self.inner.close()

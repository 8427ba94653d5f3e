"""A teacher that sometimes guesses, and is right: what a filter on correct answers cannot tell from a search.

Cold-start data are episodes whose answer was correct (arXiv 2509.07969), so lucky guesses are among them, and a model that
imitates them guesses. This puts a known share of them into nano's data, for the question what reinforcement does to guessing.
"""

from __future__ import annotations

from collections.abc import Sequence

from mini_o3.episode import Message, Reply, Request
from mini_o3.kit.seed import stream
from mini_o3.policies.teacher import Teacher, TeacherConversation
from mini_o3.probes.questions import restate
from mini_o3.protocol import Answer, format_action

_TURNS = (2, 6)  # first and last turn in which it may guess: within the paper's training budget


class Guesser:
    """The teacher, but in a share `guesses` of its episodes it answers in some early turn without having seen the answer."""

    name = "guesser"
    context_tokens: int | None = None

    def __init__(self, teacher: Teacher, guesses: float) -> None:
        self.teacher, self.guesses = teacher, guesses
        self.budget, self.profile = teacher.budget, teacher.profile

    def open(self, request: Request) -> GuesserConversation:
        rng = stream("guesser", request.task_id, request.seed)
        turn = int(rng.integers(_TURNS[0], _TURNS[1] + 1)) if rng.random() < self.guesses else 0
        return GuesserConversation(self.teacher.open(request), turn)


class GuesserConversation:
    def __init__(self, inner: TeacherConversation, turn: int) -> None:
        self.inner, self.turn, self.turns = inner, turn, 0

    async def reply(self, messages: Sequence[Message]) -> Reply:
        self.turns += 1
        task = self.inner.search.task
        if self.turns == self.turn and task.goal is not None and task.answer is not None:
            return Reply(format_action(Answer(task.answer, f"Find {restate(task.goal)}; not seen; answer {task.answer}")))
        return await self.inner.reply(messages)

    def close(self) -> None:
        self.inner.close()

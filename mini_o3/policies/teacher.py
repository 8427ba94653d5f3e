"""The teacher: knows where everything is, but plays by the rules of one who does not (`policies.moves`).

Its search of a probe follows one of four patterns, drawn per episode:

- `trial_and_error`: list the candidates that show in the overview, look at one after the other;
- `depth_first`: descend into a quarter, try what shows there, come back to the original, descend into the
next;
- `self_correction`: some looks miss their aim, cut off what stands beside it, or go to a thing of another
colour; it notices,
  says so and looks wider or goes on;
- `second_look`: the first list of candidates lacks the right one; it runs out, and goes through the quarters.

Now and then a pass through the quarters overlooks the target as well, and a second one follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mini_o3.episode import Message, PolicyError, Reply, Request, SearchTask
from mini_o3.episode.task import read_tasks
from mini_o3.kit.errors import SettingError
from mini_o3.kit.rng import stream
from mini_o3.policies.moves import PATTERNS, Move, Moves, Search
from mini_o3.probes.scenes.play import is_world, play, tasks_folder
from mini_o3.probes.shapes.levels import EYE
from mini_o3.protocol import PromptProfile, format_action, load_profile
from mini_o3.vision import PixelBudget

_WEIGHTS = {
    "easy": (0.4, 0.08, 0.3, 0.22),
    "medium": (0.35, 0.2, 0.25, 0.2),
    "hard": (0.0, 0.7, 0.3, 0.0),  # nothing shows in the overview, so there is nothing to list there
}


class Teacher:
    """Policy over a known set of probes or worlds; `pattern` fixes the pattern of probes instead of drawing
    it."""

    name = "teacher"
    context_tokens: int | None = None

    def __init__(
        self,
        tasks: Sequence[SearchTask],
        *,
        pattern: str | None = None,
        budget: PixelBudget | None = None,
        profile: PromptProfile | None = None,
    ) -> None:
        self.tasks = {task.id: task for task in tasks}
        worlds = bool(tasks) and all(is_world(task) for task in tasks)
        self.pattern, self.budget = (
            pattern,
            budget or (PixelBudget() if worlds else EYE),
        )  # worlds are for real models
        self.profile = profile or load_profile("search" if worlds else "nano")

    @classmethod
    def for_picture(cls, picture: str, question: str) -> Teacher:
        """The teacher of the probes that lie beside `picture`.

        Raises:
            UserError: there are none, or none of them asks `question` of the picture.
        """
        folder = tasks_folder(Path(picture))
        if not (folder / "tasks.jsonl").is_file():
            raise SettingError(
                "policy",
                f"{folder}/tasks.jsonl is missing; the teacher only knows probes (mini-o3 probe make)",
                "teacher",
            )
        teacher = cls(read_tasks(folder))
        teacher.find("", picture, question)
        return teacher

    def open(self, request: Request) -> TeacherConversation:
        task = self.find(request.task_id, request.picture, request.question)
        if is_world(task):
            return WorldConversation(Move(action) for action in play(task, self.budget))
        rng = stream("teacher", request.task_id, request.seed)
        pattern = self.pattern or str(rng.choice(PATTERNS, p=_WEIGHTS.get(task.level, _WEIGHTS["easy"])))
        return TeacherConversation(Search(task, request.size, pattern, rng))

    def find(self, task_id: str, picture: str, question: str) -> SearchTask:
        """The probe of that id, or else (in `ask` nobody knows the id) the one that asks `question` of
        `picture`."""
        if task_id in self.tasks:
            return self.tasks[task_id]
        for task in self.tasks.values():
            if Path(task.picture).name == Path(picture).name and task.question == question:
                return task
        raise SettingError("policy", f"no probe asks {question!r} of {picture}; see tasks.jsonl", "teacher")


class TeacherConversation:
    """One episode: every reply takes the next move of the search."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.moves = search.moves()

    async def reply(self, messages: Sequence[Message]) -> Reply:
        try:
            move = next(self.moves)
        except StopIteration:
            raise PolicyError("the teacher has looked everywhere and found nothing") from None
        return Reply(format_action(move.action), learn=move.learn)

    def close(self) -> None:
        self.moves.close()


class WorldConversation(TeacherConversation):
    """One episode about a world: the moves are made elsewhere, and there is no `search`."""

    def __init__(self, moves: Moves) -> None:
        self.moves = moves

"""The teacher: a scripted searcher of `probes` as a policy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mini_o3.episode import Message, PolicyError, Reply, Request, SearchTask
from mini_o3.episode.task import read_tasks
from mini_o3.kit.errors import SettingError
from mini_o3.kit.rng import stream
from mini_o3.probes.scenes.eye import Eye
from mini_o3.probes.scenes.kinds import KINDS
from mini_o3.probes.scenes.search import ScenesSearcher
from mini_o3.probes.scenes.truth import tasks_folder
from mini_o3.probes.scenes.truth import truth_of as scene_truth_of
from mini_o3.probes.searcher import Searcher
from mini_o3.probes.shapes.levels import VIEW_BUDGET
from mini_o3.probes.shapes.search import PATTERNS, ShapesSearcher
from mini_o3.protocol import PromptProfile, format_action, load_profile
from mini_o3.vision import PixelBudget

_WEIGHTS = {
    "easy": (0.4, 0.08, 0.3, 0.22),
    "medium": (0.35, 0.2, 0.25, 0.2),
    "hard": (0.0, 0.7, 0.3, 0.0),  # nothing shows in the overview, so there is nothing to list there
}


class Teacher:
    """Policy over known probes, of shapes or of scenes; `pattern` fixes the pattern of the former instead of
    drawing it."""

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
        scenes = bool(tasks) and all(map(is_scene, tasks))  # which are for real models
        self.pattern, self.budget = pattern, budget or (PixelBudget() if scenes else VIEW_BUDGET)
        self.profile = profile or load_profile("search" if scenes else "nano")

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
                f"{folder}/tasks.jsonl is missing; the teacher only knows probes (`mini-o3 probe make`)",
                "teacher",
            )
        teacher = cls(read_tasks(folder))
        teacher.find("", picture, question)
        return teacher

    def open(self, request: Request) -> TeacherConversation:
        task = self.find(request.task_id, request.picture, request.question)
        return TeacherConversation(task, self.searcher(task, request), len(request.first) or 1)

    def searcher(self, task: SearchTask, request: Request) -> Searcher:
        """The searcher of a task.

        Raises:
            UserError: nothing is known about the task.
        """
        if is_scene(task):
            parts, question = scene_truth_of(task)
            return ScenesSearcher(parts, question, Eye(parts, self.budget), request.size)
        rng = stream("teacher", request.task_id, request.seed)
        pattern = self.pattern or str(rng.choice(PATTERNS, p=_WEIGHTS.get(task.level, _WEIGHTS["easy"])))
        return ShapesSearcher(task, request.size, pattern, rng, request.first)

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

    def __init__(self, task: SearchTask, searcher: Searcher, pictures: int = 1) -> None:
        self.task, self.searcher, self.pictures = task, searcher, pictures
        self.moves = searcher.moves()
        self.closed = False

    async def reply(self, messages: Sequence[Message]) -> Reply:
        move = None if self.closed else next(self.moves, None)
        if move is None:
            raise PolicyError("the teacher has looked everywhere and found nothing")
        return Reply(format_action(move.action, self.pictures), learn=move.learn)

    def close(self) -> None:
        self.closed = True


def is_scene(task: SearchTask) -> bool:
    """Whether a task asks about a scene: what is known about it lies in `scenes.jsonl`."""
    return not task.truth and task.category in KINDS

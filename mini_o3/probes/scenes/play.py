"""The scripted searcher's actions on a task: what `--policy teacher` does with a world."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from mini_o3.episode import SearchTask
from mini_o3.kit.errors import UserError
from mini_o3.probes.scenes.eye import Eye
from mini_o3.probes.scenes.kinds import KINDS
from mini_o3.probes.scenes.search import Look, Search
from mini_o3.probes.scenes.truth import SCENES_FILE, Truth
from mini_o3.protocol import Answer, Zoom
from mini_o3.vision import PixelBudget


def is_world(task: SearchTask) -> bool:
    """Whether a task asks about a world: it names no goal, what is known about it lies in `scenes.jsonl`."""
    return task.goal is None and task.category in KINDS


def tasks_folder(picture: Path) -> Path:
    """Where the tasks about a picture lie: beside it, or for a world in the folder above."""
    above = picture.parent.parent
    return above if (above / SCENES_FILE).is_file() else picture.parent


def play(task: SearchTask, budget: PixelBudget) -> Iterator[Zoom | Answer]:
    """The actions of the searcher on a task, seeing views of at most `budget`; none after a search that found
    nothing.

    Raises:
        UserError: what is known about the task is not where the build put it.
    """
    folder = Path(task.picture).parent.parent
    try:
        parts, question = _truth(folder).of(task.picture, task.question)
    except (OSError, KeyError):
        raise UserError(
            f"{task.picture}: {folder / SCENES_FILE} says nothing of it; keep the files of a set together"
        ) from None
    assert task.size is not None
    for move in Search(parts, question, Eye(parts, budget), task.size).moves():
        yield Zoom(move.region, move.thought) if isinstance(move, Look) else Answer(move.answer, move.thought)


@lru_cache(maxsize=4)
def _truth(folder: Path) -> Truth:
    return Truth(folder)

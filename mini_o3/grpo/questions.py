"""What is asked during training: an endless numbered list of questions, pure in the number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from PIL import Image

from mini_o3.episode import SearchTask, read_tasks
from mini_o3.grpo.config import GrpoConfig
from mini_o3.kit.errors import UserError
from mini_o3.kit.rng import stream
from mini_o3.probes.shapes import LEVELS, TRAINING_SEEDS, make_probe
from mini_o3.probes.shapes.generate import training_size
from mini_o3.probes.shapes.levels import are_shares, drawn
from mini_o3.vision import Picture, load_pictures

_SPAN = 1_000_000  # probes of one run
_RUNS = TRAINING_SEEDS // _SPAN - 20
VALIDATION_SEEDS = (
    _RUNS * _SPAN
)  # from here to TRAINING_SEEDS: never trained on by reinforcement, looked at while it goes on


class Question(NamedTuple):
    """A task with its upright picture."""

    task: SearchTask
    picture: Picture | Image.Image


class Questions(Protocol):
    def __call__(self, index: int) -> Question: ...


@dataclass(frozen=True)
class FreshProbes:
    """A new probe for every number, of the size that SFT trains on."""

    seed: int
    levels: Mapping[str, float]

    def __post_init__(self) -> None:
        if not are_shares(self.levels, LEVELS):
            raise UserError(
                f"levels: {dict(self.levels)} are not shares of {', '.join(LEVELS)} that sum to 1"
            )

    def __call__(self, index: int) -> Question:
        rng = stream("grpo probes", self.seed, index)
        level = drawn(rng, self.levels)
        return Question(*make_probe((self.seed % _RUNS) * _SPAN + index, level, size=training_size(rng)))


@dataclass(frozen=True)
class TaskFolder:
    """The tasks of a folder in a new order every time round."""

    seed: int
    tasks: Sequence[SearchTask]

    def __call__(self, index: int) -> Question:
        round_, place = divmod(index, len(self.tasks))
        order = stream("grpo tasks", self.seed, round_).permutation(len(self.tasks))
        task = self.tasks[order[place]]
        return Question(task, load_pictures(task.pictures))


def questions_of(config: GrpoConfig) -> Questions:
    """What a run asks: the tasks of its folder, or fresh probes."""
    if not config.tasks:
        return FreshProbes(config.seed, config.levels)
    return TaskFolder(config.seed, answered_tasks(config.tasks))


def answered_tasks(folder: str) -> list[SearchTask]:
    """The tasks of a folder that have an answer.

    Raises:
        UserError: there are none.
    """
    tasks = [task for task in read_tasks(folder) if task.answer is not None]
    if not tasks:
        raise UserError(f"{folder}: no task there has an answer; a reward needs one")
    return tasks


def validation_probe(level: str, index: int) -> Question:
    """A probe of a level that no run is trained on, pure in its number."""
    rng = stream("grpo validation", level, index)
    return Question(*make_probe(VALIDATION_SEEDS + index, level, size=training_size(rng)))

"""What is asked during training: an endless numbered list of questions, pure in the number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from mini_o3.episode import SearchTask
from mini_o3.kit.errors import UserError
from mini_o3.kit.seed import stream
from mini_o3.probes import LEVELS, TRAINING_SEEDS, make_probe
from mini_o3.vision import open_picture

_SPAN = 1_000_000  # probes of one run
_RUNS = TRAINING_SEEDS // _SPAN - 20
VALIDATION_SEEDS = _RUNS * _SPAN  # from here to TRAINING_SEEDS: never trained on by reinforcement, looked at while it goes on


class Question(NamedTuple):
    """A task with its upright picture."""

    task: SearchTask
    picture: Image.Image


class Questions(Protocol):
    def __call__(self, index: int) -> Question: ...


@dataclass(frozen=True)
class FreshProbes:
    """A new probe for every number, of about two megapixels, as in SFT: a larger one takes longer to paint than to search."""

    seed: int
    levels: Mapping[str, float]

    def __post_init__(self) -> None:
        shares = self.levels
        if not set(shares) <= set(LEVELS) or min(shares.values(), default=0) < 0 or abs(sum(shares.values()) - 1) > 1e-6:
            raise UserError(f"levels: {dict(shares)} are not shares of {', '.join(LEVELS)} that sum to 1")

    def __call__(self, index: int) -> Question:
        rng = stream("grpo probes", self.seed, index)
        level = str(rng.choice(list(self.levels), p=list(self.levels.values())))
        return Question(*make_probe((self.seed % _RUNS) * _SPAN + index, level, size=_size(rng)))


@dataclass(frozen=True)
class TaskFolder:
    """The tasks of a folder in a new order every time round."""

    seed: int
    tasks: Sequence[SearchTask]

    def __call__(self, index: int) -> Question:
        round_, place = divmod(index, len(self.tasks))
        order = stream("grpo tasks", self.seed, round_).permutation(len(self.tasks))
        task = self.tasks[order[place]]
        return Question(task, open_picture(task.picture))


def validation_probe(level: str, index: int) -> Question:
    rng = stream("grpo validation", level, index)
    return Question(*make_probe(VALIDATION_SEEDS + index, level, size=_size(rng)))


def _size(rng: np.random.Generator) -> tuple[int, int]:
    side, aspect = int(rng.integers(1344, 1600)), float(np.exp(rng.uniform(-0.5, 0.5)))
    return int(side * aspect**0.5), int(side / aspect**0.5)

"""Visual Probe generator: a seed and a level in, a picture with one question out. The same seed gives the
same probe."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mini_o3.episode.task import SearchTask
from mini_o3.kit.rng import stream
from mini_o3.probes import backgrounds
from mini_o3.probes.shapes import questions
from mini_o3.probes.shapes.absent import is_absent, without_target
from mini_o3.probes.shapes.draw import place
from mini_o3.probes.shapes.levels import LEVELS, Level
from mini_o3.probes.shapes.scene import FAMILIES, lay_out

ASPECTS = (1.0, 4 / 3, 3 / 4, 3 / 2, 16 / 9)


class Probe(NamedTuple):
    task: SearchTask
    picture: Image.Image


def training_size(rng: np.random.Generator) -> tuple[int, int]:
    """Width and height of a picture to train on: two megapixels; larger ones take longer to paint than to
    search."""
    side, aspect = int(rng.integers(1344, 1600)), float(np.exp(rng.uniform(-0.5, 0.5)))
    return int(side * aspect**0.5), int(side / aspect**0.5)


def make_probe(
    seed: int,
    level: str,
    *,
    family: str | None = None,
    photos: tuple[Path, ...] = (),
    size: tuple[int, int] | None = None,
    absent: float = 0.0,
) -> Probe:
    """One probe.

    Args:
        seed: below `TRAINING_SEEDS` for training, at or above it for measuring.
        family: one of `FAMILIES`; drawn when None.
        photos: photographs to hide things in; empty for a procedural scene.
        size: (width, height) in pixels; drawn from the level's range when None.
        absent: share of the seeds whose target is not there, see `absent`. The others give the usual probe.
    """
    rng = stream("probe", level, seed)
    rules = LEVELS[level]
    drawn_family = FAMILIES[rng.integers(len(FAMILIES))]
    drawn_size = draw_size(rng, rules)
    family, size = family or drawn_family, size or drawn_size
    scene = lay_out(rng, rules, family, size)
    question = questions.ask(rng, scene.goal)
    if is_absent(level, seed, absent):
        scene = without_target(scene, level, seed)
    task = SearchTask(
        picture=f"{level}_{seed}.jpg",
        question=question,
        answer=scene.answer,
        family=family,
        level=level,
        size=size,
        targets=scene.evidence,
        truth=scene.truth.to_dict(),
        seed=seed,
    )
    return Probe(task, place(rng, scene, backgrounds.paint(rng, size, photos)))


def draw_size(rng: np.random.Generator, level: Level) -> tuple[int, int]:
    """Sizes spread evenly in the logarithm; square pictures are the most common shape."""
    low, high = (np.log(value * 1e6) for value in level.megapixels)
    area = float(np.exp(rng.uniform(low, high)))
    aspect = ASPECTS[rng.integers(len(ASPECTS))]
    return int((area * aspect) ** 0.5), int((area / aspect) ** 0.5)

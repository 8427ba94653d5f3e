"""One scene: a kind, a level and a seed in; a sketch of it and its questions out. The same in, the same
out."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from mini_o3.kit.rng import stream
from mini_o3.probes.scenes.kinds import KINDS
from mini_o3.probes.scenes.levels import LEVELS, Level
from mini_o3.probes.scenes.questions import ask
from mini_o3.probes.scenes.sketch import Sketch
from mini_o3.probes.scenes.truth import Question, Scene

_ATTEMPTS = 60
_SHAPE = 21.0  # area of a usual target in squares of its capital letters' height
_ASPECTS = (1.0, 4 / 3, 4 / 3, 3 / 2, 16 / 9, 3 / 4)
HUGE = (7680, 4320)


def make_scene(
    kind: str,
    level: str,
    seed: int,
    count: int,
    photos: tuple[Path, ...] = (),
    size: tuple[int, int] | None = None,
) -> tuple[Sketch, list[Question]]:
    """A scene of `kind` at `level` with `count` questions; its sketch can be painted.

    Args:
        photos: photographs that the `photo` kind may use.
        size: (width, height) in pixels; None: drawn from the level's range.

    Raises:
        RuntimeError: no layout was found that holds so many questions; the size does not go with the level.
    """
    rules = LEVELS[level]
    for attempt in range(_ATTEMPTS):
        rng = stream("world", kind, level, seed, attempt)
        scene = Scene(kind, level, seed, size or scene_size(kind, level, seed))
        sketch = Sketch(scene, _unit(rng, rules, scene.size), rng, photos)
        KINDS[kind].lay_out(sketch)
        sketch("grain", sketch.key(), float(rng.uniform(6, 10) if kind == "photo" else rng.uniform(1.5, 4)))
        if not sketch.is_sound():
            continue
        questions = ask(rng, scene, KINDS[kind].families, count)
        if len(questions) == count:
            return sketch, questions
    raise RuntimeError(
        f"{kind} {level} {seed}: no layout with {count} questions at {size} found in {_ATTEMPTS} attempts"
    )


def scene_size(kind: str, level: str, seed: int) -> tuple[int, int]:
    """(width, height) of a scene in pixels; sizes are spread evenly in the logarithm."""
    rng, rules = stream("world size", kind, level, seed), LEVELS[level]
    huge = rng.random() < rules.huge
    low, high = rules.megapixels
    area = 1e6 * math.exp(rng.uniform(math.log(low), math.log(high)))
    aspect = _ASPECTS[int(rng.integers(len(_ASPECTS)))]
    return HUGE if huge else (int((area * aspect) ** 0.5), int((area / aspect) ** 0.5))


def _unit(rng: np.random.Generator, rules: Level, size: tuple[int, int]) -> float:
    """Height of the capital letters that makes targets as large as the level wants them."""
    low, high = rules.area
    share = math.exp(rng.uniform(math.log(low * 1.15), math.log(high * (0.5 if rules.huge else 0.7))))
    return math.sqrt(share * size[0] * size[1] / _SHAPE)

"""Probes of several pictures: one question, whose target is in one of them, or in none.

Every picture is laid out by the rules of its level, and all look for the same: what would be the target of
each further one is made to miss the goal in the way of `absent`. The candidates of a level are shared out
among the pictures, so that a search takes about as long as in one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from mini_o3.episode.task import SearchTask
from mini_o3.kit.rng import stream
from mini_o3.probes import backgrounds
from mini_o3.probes.shapes import questions
from mini_o3.probes.shapes.absent import is_absent, without_target
from mini_o3.probes.shapes.draw import place
from mini_o3.probes.shapes.generate import draw_size
from mini_o3.probes.shapes.levels import LEVELS, Level
from mini_o3.probes.shapes.scene import FAMILIES, Scene, lay_out
from mini_o3.probes.shapes.truth import Goal, Truth
from mini_o3.vision import Rect, Region
from mini_o3.vision.album import lay_out as canvas_of

MOST = 6  # pictures of nano's world


class SeveralProbe(NamedTuple):
    task: SearchTask
    pictures: tuple[Image.Image, ...]


def make_several(
    seed: int, level: str, count: int, *, photos: tuple[Path, ...] = (), absent: float = 0.0
) -> SeveralProbe:
    """One probe of `count` pictures; the other arguments are those of `make_probe`. Regions of the task are
    of the canvas on which the pictures lie (`vision.album`)."""
    rng = stream("several probe", level, seed, count)
    rules = shared_out(LEVELS[level], count)
    family, at = str(FAMILIES[rng.integers(len(FAMILIES))]), int(rng.integers(count))
    sizes = [draw_size(rng, rules) for _ in range(count)]
    main = lay_out(rng, rules, family, sizes[at])
    question = questions.ask(rng, main.goal)
    if is_absent(level, seed, absent):
        main = without_target(main, level, seed)
    scenes = [
        main
        if number == at
        else without_target(
            looking_for(lay_out(rng, rules, family, sizes[number]), main.goal), level, seed + number
        )
        for number in range(count)
    ]
    size, places = canvas_of(sizes)

    def moved(region: Region, number: int) -> Region:
        rect = region.to_rect(Rect(0, 0, *sizes[number]))
        left, top = places[number][:2]
        return Region.of_rect(
            Rect(rect.left + left, rect.top + top, rect.right + left, rect.bottom + top), size
        )

    things = [
        replace(thing, region=moved(thing.region, number))
        for number, scene in enumerate(scenes)
        for thing in scene.things
    ]
    names = [f"{level}_{seed}_{number + 1}.jpg" for number in range(count)]
    task = SearchTask(
        names[0],
        question,
        main.answer,
        family=family,
        level=level,
        size=size,
        targets=tuple(moved(region, at) for region in main.evidence),
        truth=Truth(main.goal, tuple(things), main.absent).to_dict(),
        seed=seed,
        others=tuple(names[1:]),
    )
    painted = (place(rng, scene, backgrounds.paint(rng, scene.size, photos)) for scene in scenes)
    return SeveralProbe(task, tuple(painted))


def shared_out(level: Level, count: int) -> Level:
    """The level for each of `count` pictures of one question."""

    def share(bounds: tuple[int, int]) -> tuple[int, int]:
        least = max(round(bounds[0] / count), 1)
        return least, max(math.ceil(bounds[1] / count), least)

    low, high = level.megapixels
    return replace(
        level,
        candidates=share(level.candidates),
        others=share(level.others),
        megapixels=(low, max(high / count, low)),
    )


def looking_for(scene: Scene, goal: Goal) -> Scene:
    """A scene whose goal becomes `goal`, of the same family: words change places in all its things."""
    swaps: Mapping[str, Mapping[str | None, str | None]] = {
        name: {getattr(scene.goal, name): getattr(goal, name), getattr(goal, name): getattr(scene.goal, name)}
        for name in ("colour", "shape", "digit")
    }
    things = tuple(
        replace(
            thing,
            colour=swaps["colour"].get(thing.colour) or thing.colour,
            shape=swaps["shape"].get(thing.shape) or thing.shape,
            digit=swaps["digit"].get(thing.digit) or thing.digit,
        )
        for thing in scene.things
    )
    return replace(scene, goal=goal, things=things)

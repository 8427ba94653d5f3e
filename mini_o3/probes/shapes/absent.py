"""Probes whose target is not there: the usual scene of a seed, but what was the target no longer fits.

Everything else stays as it was, so that a probe with its target and the one without can be compared in pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mini_o3.episode.status import NOT_THERE
from mini_o3.kit.rng import stream
from mini_o3.probes.shapes import eye
from mini_o3.probes.shapes.scene import Scene, other
from mini_o3.probes.shapes.truth import Goal, Thing, Truth
from mini_o3.probes.shapes.words import COLOURS, DIGITS, SHAPES
from mini_o3.vision import Rect

#: What is wrong with what comes nearest: seen from afar, seen from near only, or there is nothing like it.
KINDS = ("wrong_colour", "wrong_shape", "wrong_digit", "nothing_alike")


def is_absent(level: str, seed: int, share: float) -> bool:
    """Whether the target of a seed is absent where a `share` of them are; a larger share keeps them all."""
    return bool(stream("absent", level, seed).random() < share)


def without_target(scene: Scene, level: str, seed: int) -> Scene:
    """The scene with nothing in it that fits its goal; of the kinds that its goal allows one is drawn."""
    rng = stream("absent kind", level, seed)
    kinds = _kinds(scene.goal)
    kind = kinds[rng.integers(len(kinds))]
    changed = tuple(_changed(rng, scene.goal, kind, thing) for thing in scene.things)
    return replace(scene, answer=NOT_THERE, things=changed, evidence=(), absent=kind)


def candidates_told(truth: Truth, size: tuple[int, int], views: Sequence[Rect]) -> float | None:
    """Share of the things which could be it from afar that some of the views show as what they are.

    None if there are no such things. `views` are rectangles of the original of `size` pixels.
    """
    likely = [thing for thing in truth.things if truth.goal.colour in (None, thing.colour)]
    if not likely:
        return None
    told = set()
    for rect in views:
        for seen in eye.look(truth.things, size, rect):
            if seen.shape_shows if truth.goal.digit is None else seen.digit_shows:
                told.add(seen.thing)
    return sum(thing in told for thing in likely) / len(likely)


def _kinds(goal: Goal) -> tuple[str, ...]:
    """What can be wrong: without a colour in the goal everything looks like it from afar."""
    detail = "wrong_digit" if goal.shape is None else "wrong_shape"
    return (detail,) if goal.colour is None else ("wrong_colour", detail, "nothing_alike")


def _changed(rng: np.random.Generator, goal: Goal, kind: str, thing: Thing) -> Thing:
    if not (thing.colour == goal.colour if kind == "nothing_alike" else goal.fits(thing)):
        return thing
    if kind in ("wrong_colour", "nothing_alike"):
        return replace(thing, colour=other(rng, COLOURS, thing.colour))
    if kind == "wrong_shape":
        return replace(thing, shape=other(rng, SHAPES, thing.shape))
    return replace(thing, digit=other(rng, DIGITS, thing.digit))

"""Comparison drills: telling whether words are the same, which imitation teaches slowest.

Departs from the paper, whose model can compare words before it is trained. An episode holds two or three such
decisions among hundreds of tokens, and where a candidate stands in the list predicts them well enough to hide
what they are about. A
drill has no picture, several decisions and loss on nothing else: whether what was read is what is looked for
(as likely yes as no), or which of all things have the colour that is looked for.
"""

from __future__ import annotations

import numpy as np

from mini_o3.models.chat import ChatRenderer, Rendered
from mini_o3.probes.shapes import eye
from mini_o3.probes.shapes.questions import ask, restate
from mini_o3.probes.shapes.scene import FAMILIES
from mini_o3.probes.shapes.truth import Goal
from mini_o3.probes.shapes.words import COLOURS, DIGITS, SHAPES
from mini_o3.sft.perception import Sample

DECISIONS = 8
LISTS = 4
WEIGHT = 3.0  # of a decision's loss, in tokens of an episode


def comparison_drill(renderer: ChatRenderer, rng: np.random.Generator) -> Sample:
    """A question, then thoughts of `policies.teacher` up to a decision, each as if something else had been
    seen."""
    goal = _goal(rng)
    whole = renderer.message("user", [ask(rng, goal)])
    listing = goal.colour is not None and rng.random() < 0.6
    for _ in range(LISTS if listing else DECISIONS):
        seen, decision = _listing(rng, goal) if listing else _decision(rng, goal)
        whole.add(renderer.generation_prompt())
        given = renderer.encode(f"<think>Find {restate(goal)}; {seen}")
        decided = renderer.encode(decision)
        whole.add(Rendered(given + decided, [0] * len(given) + [1] * len(decided)))
        whole.add(renderer.turn_suffix([]))
    return Sample(whole.ids, [WEIGHT * wrote for wrote in whole.mask], [])


def _listing(rng: np.random.Generator, goal: Goal) -> tuple[str, str]:
    """Everything with its colour, and how a thought must go on: those of the colour that is looked for."""
    places = sorted((eye.snap(x), eye.snap(y)) for x, y in rng.uniform(0, 1, (int(rng.integers(4, 11)), 2)))
    others = [str(c) for c in rng.permutation([c for c in COLOURS if c != goal.colour])[: rng.integers(1, 6)]]
    likely = [rng.random() < 0.4 for _ in places]
    likely[rng.integers(len(likely))] = True
    words = [eye.spot_words(place) for place in places]
    named = (
        f"{w} {goal.colour if fits else _pick(rng, others)}" for w, fits in zip(words, likely, strict=True)
    )
    right = [w for w, fits in zip(words, likely, strict=True) if fits]
    return f"things at {' '.join(named)};", f" {goal.colour} at {' '.join(right)}; look at {right[0]}"


def _goal(rng: np.random.Generator) -> Goal:
    asked = FAMILIES[rng.integers(len(FAMILIES))]
    return Goal(
        asked,
        colour=None if asked == "colour" else _pick(rng, list(COLOURS)),
        shape=None if asked == "shape" else _pick(rng, SHAPES),
        digit=_pick(rng, DIGITS) if asked == "shape" else None,
    )


def _decision(rng: np.random.Generator, goal: Goal) -> tuple[str, str]:
    """What is seen of one thing, and how a thought must go on after it."""
    fits = rng.random() < 0.5
    if not fits and goal.colour and rng.random() < 0.4:
        return f"{_pick(rng, list(COLOURS), goal.colour)} {_pick(rng, SHAPES)}", " not it"
    colour = goal.colour or _pick(rng, list(COLOURS))
    shape = (
        _pick(rng, SHAPES) if goal.shape is None else goal.shape if fits else _pick(rng, SHAPES, goal.shape)
    )
    seen = f"{colour} {shape}"
    if goal.digit is not None:
        seen += f" {goal.digit if fits else _pick(rng, DIGITS, goal.digit)}"
    if not fits:
        return seen, " not it"
    goes_on = {"digit": " at", "beside": " at", "colour": f"; answer {colour}", "shape": f"; answer {shape}"}
    return seen, goes_on[goal.ask]


def _pick(rng: np.random.Generator, words: tuple[str, ...] | list[str], but: str | None = None) -> str:
    rest = [word for word in words if word != but]
    return rest[rng.integers(len(rest))]

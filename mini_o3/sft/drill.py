"""A drill in what imitation teaches slowest: whether what was just read is what is being looked for.

Departs from the paper, whose model can compare words before it is trained. An episode holds two or three such decisions
among hundreds of tokens, and where a candidate stands in the list predicts them well enough to hide what they are about. A
drill has no picture, eight decisions, each as likely yes as no, and loss on nothing else.
"""

from __future__ import annotations

import numpy as np

from mini_o3.episode.task import Goal
from mini_o3.models.render import ChatRenderer, Rendered
from mini_o3.probes.questions import ask, restate
from mini_o3.probes.scene import FAMILIES
from mini_o3.probes.sprites import COLOURS, DIGITS, SHAPES
from mini_o3.sft.perception import Sample

DECISIONS = 8
WEIGHT = 3.0  # of a decision's loss, in tokens of an episode


def drill(renderer: ChatRenderer, rng: np.random.Generator) -> Sample:
    """A question, then thoughts of `policies.teacher` up to the decision, each as if one more thing had been seen."""
    goal = _goal(rng)
    whole = renderer.message("user", [ask(rng, goal)])
    for _ in range(DECISIONS):
        seen, decision = _decision(rng, goal)
        whole.add(renderer.invitation())
        given = renderer.encode(f"<think>Find {restate(goal)}; {seen}")
        decided = renderer.encode(decision)
        whole.add(Rendered(given + decided, [0] * len(given) + [1] * len(decided)))
        whole.add(renderer.closing([]))
    return Sample(whole.ids, [WEIGHT * wrote for wrote in whole.mask], [])


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
    shape = _pick(rng, SHAPES) if goal.shape is None else goal.shape if fits else _pick(rng, SHAPES, goal.shape)
    seen = f"{colour} {shape}"
    if goal.digit is not None:
        seen += f" {goal.digit if fits else _pick(rng, DIGITS, goal.digit)}"
    if not fits:
        return seen, " not it"
    goes_on = {"digit": " at", "beside": " beside", "colour": f"; answer {colour}", "shape": f"; answer {shape}"}
    return seen, goes_on[goal.ask]


def _pick(rng: np.random.Generator, words: tuple[str, ...] | list[str], but: str | None = None) -> str:
    rest = [word for word in words if word != but]
    return rest[rng.integers(len(rest))]

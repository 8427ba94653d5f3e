"""A goal as a person would ask for it, in several wordings."""

from __future__ import annotations

import numpy as np

from mini_o3.probes.shapes.truth import Goal

_WORDINGS: dict[str, tuple[str, ...]] = {
    "digit": ("What digit is on the {colour} {shape}?", "Which digit does the {colour} {shape} carry?"),
    "colour": ("What colour is the {shape}?", "Which colour does the {shape} have?"),
    "shape": (
        "What shape is the {colour} thing with the digit {digit}?",
        "Which shape carries the digit {digit} on {colour}?",
    ),
    "beside": (
        "What shape is next to the {colour} {shape}?",
        "Which shape stands beside the {colour} {shape}?",
    ),
}


def ask(rng: np.random.Generator, goal: Goal) -> str:
    wordings = _WORDINGS[goal.ask]
    wording = wordings[rng.integers(len(wordings))]
    return wording.format(colour=goal.colour, shape=goal.shape, digit=goal.digit)


def restate(goal: Goal) -> str:
    """A goal in the fewest words, as thoughts restate it: `red star digit`."""
    return " ".join(word for word in (goal.colour, goal.shape, goal.digit, goal.ask) if word)


def is_probe_question(question: str) -> bool:
    """Whether nano was trained to understand this question: one of the wordings with known words in the
    gaps."""
    from mini_o3.probes.shapes.words import COLOURS, DIGITS, SHAPES

    words = question.strip()
    known = [
        wording.format(colour=colour, shape=shape, digit=digit)
        for wordings in _WORDINGS.values()
        for wording in wordings
        for colour in COLOURS
        for shape in SHAPES
        for digit in DIGITS
    ]
    return words in known

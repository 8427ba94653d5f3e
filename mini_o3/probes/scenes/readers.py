"""How much search a set needs: what readers that do not search get right, beside a searcher, level by level.

All see with the ideal eye. Where a reader has to guess, the chance that the guess is right is counted instead
of a draw:

- `text only`: knows no picture; says the most frequent answer of the family in the training questions.
- `no zoom`: the first view only. What it cannot read it guesses: the answer of a random one of those that
could still be it.
- `random zoom`: 12 turns, so 11 boxes with random places and sides; it remembers all it could read, then
guesses as above.
- `random tiles`: as before, but it knows the size to look at: the largest square in which everything is
legible.
- `searcher`: `search.ScenesSearcher`, 32 turns; its own answer counts, and no guess.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from mini_o3.episode import SearchTask
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.kit.rng import stream
from mini_o3.probes.scenes.eye import Eye
from mini_o3.probes.scenes.levels import BUDGETS
from mini_o3.probes.scenes.search import ScenesSearcher
from mini_o3.probes.scenes.truth import Part, Question
from mini_o3.vision import PixelBudget, Rect, Region

RANDOM_TURNS = 12
SEARCH_TURNS = 32
_SIDES = (0.05, 0.8)  # sides of random boxes, shares of the picture's, spread evenly in the logarithm

Known = tuple[list[Part], Question]


class Score(NamedTuple):
    """Of one reader on one question: chance of being right, and turns if it is one that searches."""

    right: float
    turns: int | None = None


def measure(
    tasks: Sequence[SearchTask],
    training: Sequence[SearchTask],
    truth: Callable[[SearchTask], Known],
    progress: OnProgress = no_progress,
) -> dict[str, Any]:
    """All readers on `tasks`: eye -> reader -> level -> {n, accuracy, stderr, turns}.

    `training` are the questions whose answers the text-only reader knows; `truth` gives what is known about
    a task.
    """
    favourites = favourite_answers(training)
    scores: dict[tuple[str, str, str], list[Score]] = defaultdict(list)
    for index, task in enumerate(tasks, start=1):
        parts, question = truth(task)
        scores["none", "text only", task.level].append(
            Score(float(favourites.get((task.category, task.family)) == task.answer))
        )
        for eye, budget in BUDGETS.items():
            for reader, score in read(parts, question, budget, _size(task), task.id):
                scores[eye, reader, task.level].append(score)
        progress(index, len(tasks))
    out: dict[str, Any] = defaultdict(lambda: defaultdict(dict))
    for (eye, reader, level), found in scores.items():
        out[eye][reader][level] = _sum_up(found)
    return {eye: dict(readers) for eye, readers in out.items()}


def read(
    parts: list[Part], question: Question, budget: PixelBudget, size: tuple[int, int], key: str
) -> Iterator[tuple[str, Score]]:
    """Every reader that sees, on one question; `key` names its random numbers."""
    eye = Eye(parts, budget)
    first = eye.reads(Rect(0, 0, *size))
    yield "no zoom", Score(chance(question, first))
    for reader, boxes in (
        ("random zoom", random_boxes(key)),
        ("random tiles", random_tiles(key, question, eye, size)),
    ):
        known = first.copy()
        for box in boxes:
            known |= eye.reads(box.to_rect(Rect(0, 0, *size)))
        yield reader, Score(chance(question, known))
    searcher = ScenesSearcher(parts, question, eye, size)
    turns = sum(1 for _ in searcher.moves())
    answered = searcher.found and turns <= SEARCH_TURNS
    yield "searcher", Score(float(answered), turns if answered else None)


def chance(question: Question, known: np.ndarray) -> float:
    """Chance of a right answer from what is `known`, (N,) bool over the scene's parts.

    1 if all the evidence is. Else a guess among the answers of what could be it: all spots of the last hop
    but those that were read to the end, if it is known what to look for; of a target that was told apart but
    not read to the end the guess is among all.
    """
    if known[list(question.evidence)].all():
        return 1.0
    last = question.hops[-1]
    clear = all(known[list(hop.aim)].all() for hop in question.hops[:-1])
    open_ = [not (clear and known[list(spot)].all()) for spot in last.spots]
    answers = [answer for answer, possible in zip(question.guesses, open_, strict=True) if possible]
    return sum(answer == question.answer for answer in answers) / len(answers)


def random_boxes(key: str) -> list[Region]:
    rng = stream("random zoom", key)
    sides = np.exp(rng.uniform(math.log(_SIDES[0]), math.log(_SIDES[1]), (RANDOM_TURNS - 1, 2)))
    return [_box(rng, float(width), float(height)) for width, height in sides]


def random_tiles(key: str, question: Question, eye: Eye, size: tuple[int, int]) -> list[Region]:
    rng = stream("random tiles", key)
    side = math.sqrt(0.93 * eye.budget.max_pixels) / float(eye.needs[list(question.evidence)].max())
    width, height = (min(side / extent, 1.0) for extent in size)
    return [_box(rng, width, height) for _ in range(RANDOM_TURNS - 1)]


def favourite_answers(training: Sequence[SearchTask]) -> dict[tuple[str, str], str]:
    """The most frequent answer of each (category, family); of equally frequent ones the first in the
    alphabet."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for task in training:
        counts[task.category, task.family][task.answer or ""] += 1
    return {
        family: min(answers, key=lambda answer: (-answers[answer], answer))
        for family, answers in counts.items()
    }


def table(found: dict[str, Any]) -> list[str]:
    """The figures as a Markdown table."""
    levels = list(next(iter(found["none"].values())))
    lines = [f"| reader | largest view | {' | '.join(levels)} |", f"| --- | --- |{' --- |' * len(levels)}"]
    for eye, readers in found.items():
        for reader, figures in readers.items():
            cells = [_cell(figures[level]) for level in levels]
            lines.append(f"| {reader} | {eye} | {' | '.join(cells)} |")
    return [
        *lines,
        "",
        "n = "
        + ", ".join(f"{figures['n']} {level}" for level, figures in found["none"]["text only"].items()),
    ]


def _cell(figures: dict[str, Any]) -> str:
    turns = f", {figures['turns']:.1f} turns" if figures.get("turns") is not None else ""
    return f"{100 * figures['accuracy']:.1f}% +- {100 * figures['stderr']:.1f}{turns}"


def _sum_up(scores: Sequence[Score]) -> dict[str, Any]:
    values = np.array([score.right for score in scores])
    turns = [score.turns for score in scores if score.turns is not None]
    error = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else 0.0
    figures = {"n": len(values), "accuracy": round(float(values.mean()), 4), "stderr": round(error, 4)}
    return figures | ({"turns": round(sum(turns) / len(turns), 2), "most_turns": max(turns)} if turns else {})


def _box(rng: np.random.Generator, width: float, height: float) -> Region:
    x, y = rng.random(2)
    left, top = float(x) * (1 - width), float(y) * (1 - height)
    return Region(left, top, min(left + width, 1.0), min(top + height, 1.0))


def _size(task: SearchTask) -> tuple[int, int]:
    assert task.size is not None
    return task.size

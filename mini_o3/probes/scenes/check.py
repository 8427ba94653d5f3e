"""What must be true of a finished set: nothing of the test questions is in the training questions, rules are
kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mini_o3.probes.scenes.levels import LEVELS, MOST_ZOOMS
from mini_o3.probes.shapes.levels import TRAINING_SEEDS

Row = dict[str, Any]


def check(train: Sequence[Row], test: Sequence[Row]) -> dict[str, int]:
    """Figures about a set: what training and test have in common, which must be nothing, and what breaks its
    level's rule.

    `worded alike` counts test questions whose words and answer also occur in training, about another scene
    with another layout; such pairs (`What colour is the lamp of PUMP 3?`, `red`) come about by chance and are
    no leak.

    Raises:
        RuntimeError: training and test share a seed, a layout, a picture, a photograph (if there are two or
            more) or a question about the same layout; a layout or a picture occurs twice; a question breaks
            its level's rule.
    """
    both = {
        "seeds in both": _common(train, test, lambda row: [row["seed"]]),
        "training seeds too large": sum(row["seed"] >= TRAINING_SEEDS for row in train),
        "test seeds too small": sum(row["seed"] < TRAINING_SEEDS for row in test),
        "layouts in both": _common(train, test, lambda row: [row["layout"]]),
        "questions about a layout in both": _common(
            train, test, lambda row: [(row["layout"], question["question"]) for question in row["questions"]]
        ),
        "pictures in both": _common(train, test, lambda row: [row["sha256"]]),
        "layouts twice": _twice([row["layout"] for row in (*train, *test)]),
        "pictures twice": _twice([row["sha256"] for row in (*train, *test)]),
        "rules broken": sum(
            _breaks(row, question) for row in (*train, *test) for question in row["questions"]
        ),
    }
    photos = {row["photo"] for row in (*train, *test)} - {""}
    if len(photos) > 1:
        both["photographs in both"] = _common(train, test, lambda row: [row["photo"]] if row["photo"] else [])
    wrong = [f"{what}: {count}" for what, count in both.items() if count]
    if wrong:
        raise RuntimeError(f"the set is not sound: {', '.join(wrong)}")
    alike = {(question["question"], question["answer"]) for row in train for question in row["questions"]}
    worded = sum(
        (question["question"], question["answer"]) in alike for row in test for question in row["questions"]
    )
    return {**both, "worded alike": worded}


def target_share(row: Row, question: Row) -> float:
    """Share of the picture that the target of a question takes."""
    left, top, right, bottom = row["parts"][question["hops"][-1]["aim"][0]][1]
    return (right - left) * (bottom - top) / (row["size"][0] * row["size"][1])


def _breaks(row: Row, question: Row) -> bool:
    level = LEVELS[row["level"]]
    return not (
        level.area[0] <= target_share(row, question) <= level.area[1]
        and level.candidates[0] <= len(question["guesses"]) <= level.candidates[1]
        and level.turns[0] <= question["turns"] <= level.turns[1]
        and question["zooms"] <= MOST_ZOOMS
    )


def _common(train: Sequence[Row], test: Sequence[Row], keys: Any) -> int:
    return len({key for row in train for key in keys(row)} & {key for row in test for key in keys(row)})


def _twice(values: Sequence[str]) -> int:
    return len(values) - len(set(values))

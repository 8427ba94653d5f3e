"""The data sheet of a set: `dataset_card.md` with plots and the readers' figures, all computed from its
files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mini_o3.episode import read_tasks
from mini_o3.kit.files import read_jsonl, write_json, write_text
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.probes.scenes.check import target_share
from mini_o3.probes.scenes.config import SPLITS
from mini_o3.probes.scenes.levels import (
    LEAST_LETTER,
    LEVELS,
    MOST_ZOOMS,
    RULE_BUDGET,
    SEE_DOT,
    SEE_ICON,
    SEE_TEXT,
)
from mini_o3.probes.scenes.readers import measure, table
from mini_o3.probes.scenes.truth import SCENES_FILE, SceneFile

CARD = "dataset_card.md"
READERS = "readers.json"
PLOT = "levels.png"

Row = dict[str, Any]
_ABOUT = """Generated pictures in which something small must be found among many things that look like it; a question asks
what stands on it. Everything is known: `targets` of a task are the exact regions that bear the answer (first) and the rest
of the evidence; `scenes.jsonl` holds all legible things of every picture, what each question rests on and what else could
have been meant."""
_READING = """All readers have an ideal eye; +- is one standard error over questions. Where it has read too little, a reader
guesses among what could be it from afar. `random zoom` has 12 turns: 11 boxes with random places and sides; `random tiles`
knows the right size of boxes, too. `searcher` is the script of `mini_o3/probes/scenes/search.py` with 32 turns, which sees
no more than its views show and never guesses; its turns are those of the questions it solved."""
_APART = """Training seeds lie below 500,000,000, test seeds from there on. The build refuses a set in which training and test
share a seed, a layout (what stands where, to a 64th of the picture), a picture, a question about the same layout, or a
photograph; `manifest.json` holds the figures and the SHA-256 of every file."""

_USE = (
    (
        "- measure: `mini-o3 eval --tasks DIR/test --policy api:URL#MODEL --out runs/NAME` (`--policy"
        " teacher` is the searcher)"
    ),
    "- train: `mini-o3 train grpo --config grpo_7b --tasks DIR/train`",
    (
        "- in the layout of the released VisualProbe files: `mini-o3 tasks export DIR/train --split train"
        " --out FOLDER`"
    ),
    (
        "- measure the readers again: `mini-o3 probe readers DIR`; check every file against its hash: the"
        " build's command again"
    ),
)


def write_card(out: Path, progress: OnProgress = no_progress) -> list[str]:
    """Measure the readers on the test questions and write card, plots and `readers.json`; returns the
    readers' table.

    A set without test questions is measured on its training questions.
    """
    rows = {split: read_jsonl(out / split / SCENES_FILE) for split in SPLITS}
    split = "test" if rows["test"] else "train"
    truth = SceneFile(out / split)
    found = measure(
        read_tasks(out / split),
        read_tasks(out / "train"),
        lambda task: truth.of(task.picture, task.question),
        progress,
    )
    write_json(out / READERS, {"split": split, "figures": found})
    _plot(rows["train"] + rows["test"], out / PLOT)
    readers = table(found)
    write_text(out / CARD, "\n".join(_lines(rows, split, readers)) + "\n")
    return readers


def _lines(rows: dict[str, list[Row]], split: str, readers: list[str]) -> list[str]:
    both = rows["train"] + rows["test"]
    photos = sorted({row["photo"] for row in both} - {""})
    own = (
        " Pictures of the photo kind contain these photographs, each under its own licence:"
        f" {', '.join(photos)}."
    )
    return [
        "# Visual Probe: worlds",
        "",
        _ABOUT,
        "",
        "## Contents",
        "",
        *_contents(rows),
        "",
        "## What makes a level",
        "",
        *_rule(),
        "",
        *_quantiles(both),
        "",
        f"![area, candidates, size and turns by level]({PLOT})",
        "",
        "## How much search it takes",
        "",
        f"Measured on the {split} questions. {_READING}",
        "",
        *readers,
        "",
        "## Questions",
        "",
        *_families(both),
        "",
        "## Training and test",
        "",
        _APART,
        "",
        "## Use",
        "",
        *_USE,
        "",
        "## Licence",
        "",
        f"Made by a program under Apache-2.0; names in the pictures are invented.{own if photos else ''}",
    ]


def _contents(rows: dict[str, list[Row]]) -> list[str]:
    lines = [
        "| | pictures | questions | " + " | ".join(LEVELS) + " | kinds |",
        "| --- |" + " --- |" * (len(LEVELS) + 3),
    ]
    for split, found in rows.items():
        counts = Counter(row["level"] for row in found for _ in row["questions"])
        kinds = Counter(row["kind"] for row in found for _ in row["questions"])
        levels = " | ".join(str(counts[level]) for level in LEVELS)
        listed = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        lines.append(f"| {split} | {len(found)} | {sum(counts.values())} | {levels} | {listed} |")
    return lines


def _rule() -> list[str]:
    lines = [
        (
            f"An ideal eye that is shown at most {RULE_BUDGET.max_pixels:,} pixels reads capital letters from"
            f" {SEE_TEXT:g} view pixels of height, emblems from {SEE_ICON:g}, and notices what is {SEE_DOT:g}"
            " wide. In the first view it can read nothing that a question needs; at native size, where the"
            f" smallest letters are {LEAST_LETTER:g} pixels high, it can read everything, and looking at all"
            f" that could be meant takes at most {MOST_ZOOMS} zooms."
        ),
        "",
        "| level | target, share of the picture | look alike from afar | least turns | megapixels |",
        "| --- | --- | --- | --- | --- |",
    ]
    for level in LEVELS.values():
        area, (few, many), turns, sizes = level.area, level.candidates, level.turns, level.megapixels
        huge = f", {level.huge:.0%} 33" if level.huge else ""
        lines.append(
            f"| {level.name} | {area[0]:.2%} to {area[1]:.2%} | {few} to {many} |"
            f" {turns[0] if turns[0] == turns[1] else f'{turns[0]} to {turns[1]}'} | {sizes[0]:g} to"
            f" {sizes[1]:g}{huge} |"
        )
    return lines


def _quantiles(rows: Sequence[Row]) -> list[str]:
    lines = [
        "Found in this set (least, median, greatest):",
        "",
        "| level | target | candidates | least turns | megapixels |",
        "| --- |" + " --- |" * 4,
    ]
    for level in LEVELS:
        found = _figures(rows, level)
        if len(found["area"]):
            low, middle, high = (
                {name: float(np.quantile(values, q)) for name, values in found.items()} for q in (0, 0.5, 1)
            )
            cells = [
                " / ".join(f"{point['area']:.3%}" for point in (low, middle, high)),
                *(
                    " / ".join(f"{point[name]:.3g}" for point in (low, middle, high))
                    for name in ("candidates", "turns", "megapixels")
                ),
            ]
            lines.append(f"| {level} | {' | '.join(cells)} |")
    return lines


def _families(rows: Sequence[Row]) -> list[str]:
    """Every family with how often it is asked, how many different answers it has, and the first question
    asked."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in rows:
        for question in row["questions"]:
            found.setdefault((row["kind"], question["family"]), []).append(
                (question["question"], question["answer"])
            )
    lines = ["| kind | family | questions | answers | for example |", "| --- | --- | --- | --- | --- |"]
    for (kind, family), asked in sorted(found.items()):
        answers = len({answer for _, answer in asked})
        lines.append(f"| {kind} | {family} | {len(asked)} | {answers} | {asked[0][0]} *{asked[0][1]}* |")
    return lines


def _figures(rows: Sequence[Row], level: str) -> dict[str, np.ndarray]:
    asked = [(row, question) for row in rows if row["level"] == level for question in row["questions"]]
    return {
        "area": np.array([target_share(row, question) for row, question in asked]),
        "candidates": np.array([len(question["guesses"]) for _, question in asked]),
        "turns": np.array([question["turns"] for _, question in asked]),
        "megapixels": np.array(
            [row["size"][0] * row["size"][1] / 1e6 for row in rows if row["level"] == level]
        ),
    }


def _plot(rows: Sequence[Row], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7))
    FigureCanvasAgg(figure)
    axes = figure.subplots(
        2, 2, gridspec_kw={"left": 0.07, "right": 0.98, "bottom": 0.08, "top": 0.97}
    ).ravel()
    bins = {
        "area": np.geomspace(8e-5, 4e-3, 40),
        "candidates": np.arange(0.5, 42),
        "turns": np.arange(0.5, 5),
        "megapixels": np.geomspace(2.5, 36, 40),
    }
    names = {
        "area": "target, share of the picture",
        "candidates": "candidates",
        "turns": "least turns",
        "megapixels": "megapixels",
    }
    for axis, (name, edges) in zip(axes, bins.items(), strict=True):
        for index, (level, colour) in enumerate(zip(LEVELS, ("#2a9d5c", "#e0a020", "#c0392b"), strict=True)):
            counts = np.histogram(_figures(rows, level)[name], edges)[0]
            if name == "turns":
                axis.bar(np.arange(1, 5) + 0.25 * (index - 1), counts, 0.25, label=level, color=colour)
            else:
                axis.stairs(counts, edges, alpha=0.6, label=level, color=colour, fill=True)
        axis.set_xlabel(names[name])
        axis.set_ylabel("pictures" if name == "megapixels" else "questions")
    axes[0].set_xscale("log")
    axes[2].set_xticks([1, 2, 3, 4])
    axes[3].set_xscale("log")
    axes[3].set_xticks([3, 6, 12, 24, 33], ["3", "6", "12", "24", "33"])
    axes[3].set_xticks([], minor=True)
    axes[0].legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})

"""What was answered to questions whose right answer nobody knows, as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from mini_o3.evaluate.metrics import Judged
from mini_o3.kit.files import write_text
from mini_o3.vision import Rect

ANSWERS_FILE = "answers.csv"  # in the folder of an evaluation without expected answers
ANSWER_COLUMNS = ("picture", "question", "sample", "status", "answer", "box", "evidence", "confidence")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run what begins so


def are_labelled(rows: Sequence[Judged]) -> bool:
    """Whether an expected answer is known to any of the tasks."""
    return any(row.task.answer is not None for row in rows)


def answer_rows(rows: Sequence[Judged]) -> list[tuple[str, ...]]:
    """A row of texts for each episode, in the order of `ANSWER_COLUMNS`; unknown is empty.

    `box` is left, top, right and bottom of the evidence in pixels of the original, `evidence` says what it is
    (`Episode.evidence_source`).
    """
    found: list[tuple[str, ...]] = []
    for task, episode, _ in rows:
        region, sure = episode.evidence, episode.meta.get("confidence")
        rect = () if region is None else region.to_rect(Rect(0, 0, *episode.size))
        found.append(
            (
                Path(task.picture).name,
                task.question,
                str(episode.seed),
                episode.status.value,
                episode.answer or "",
                " ".join(map(str, rect)),
                episode.evidence_source or "",
                "" if sure is None else f"{sure:g}",
            )
        )
    return found


def write_answers(folder: Path, rows: Sequence[Judged]) -> None:
    """Write `answers.csv`; cells that a spreadsheet would run get an apostrophe before them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(ANSWER_COLUMNS)
    for row in answer_rows(rows):
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in row])
    write_text(folder / ANSWERS_FILE, text.getvalue())

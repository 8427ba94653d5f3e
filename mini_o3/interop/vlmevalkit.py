"""VLMEvalKit's two files: tasks as its table, and an evaluation of ours as predictions for it to score.

A data set of VLMEvalKit is one table `NAME.tsv` in `$LMUData`, with the columns `index, image, question, A,
B, ..., answer, category, l2-category, split`; `image` is base64, or the index of the row that has the same
picture. Its scoring reads a file `MODEL_NAME.tsv` (or `.json`, `.xlsx`) with the columns of the table but for
`image`, and `prediction` (VLMEvalKit, vlmeval/dataset/image_base.py and vlmeval/smp/file.py).
"""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mini_o3.benchmarks.pictures import check
from mini_o3.benchmarks.rows import BadRow
from mini_o3.episode import SearchTask, StopReason, read_tasks
from mini_o3.episode.task import LETTERS
from mini_o3.evaluate.report import read_judged, read_manifest
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.files import make_folder, write_atomically, write_json
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.vision import open_picture

KINDS = ("choice", "open")
SUFFIXES = (".tsv", ".json", ".xlsx")

#: The prediction of an episode that ended without an answer. VLMEvalKit takes it for a refusal, which is
#: wrong without any guess or judge (vlmeval/utils/matching_util.py); an empty cell would be read as the word
#: `nan`.
UNANSWERED = "Cannot determine the answer"

# What pandas, with which VLMEvalKit reads tables, takes for an empty cell (its documented `na_values`).
_NOTHING = {
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
    "NA",
    "NULL",
    "NaN",
    "None",
    "n/a",
    "nan",
    "null",
}
_AS_THEY_ARE = ("JPEG", "MPO", "PNG")
_NOT_IN_XLSX = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # Excel refuses the whole file for one of them


class Written(NamedTuple):
    """What a table came to: its rows, the pictures in it, and rows with a text that VLMEvalKit reads as an
    empty cell."""

    rows: int
    pictures: int
    lost: int


class Predicted(NamedTuple):
    """What a file of predictions came to.

    Attributes:
        rows: predictions in it.
        unanswered: those of episodes that ended without an answer.
        failed: tasks left out because the policy failed at them: they would be scored as wrong.
        missing: tasks left out because they were not asked.
    """

    rows: int
    unanswered: int
    failed: int
    missing: int


def write_tasks(
    tasks: Sequence[SearchTask], path: Path, *, only: str | None = None, progress: OnProgress = no_progress
) -> Written:
    """Write tasks as a table of VLMEvalKit; `index` is the place of a task in `tasks`, from 0.

    Pictures that are JPEG or PNG files go in byte for byte, one in memory at a time, each once; others, and
    those whose EXIF turns them (VLMEvalKit shows them unturned), go in as PNG of their upright pixels. `only`
    takes the questions with options (`choice`) or without (`open`): VLMEvalKit treats a whole table as the
    one or the other. Of a category in three parts or more the last is `l2-category`; for probes these are
    family and level. Target boxes and groups have no column.

    Raises:
        UserError: `path` does not end in .tsv, tasks of both kinds are there and `only` is None, none is
            left, one has no answer, or a picture cannot be used.
    """
    if path.suffix != ".tsv":
        raise SettingError("out", f"VLMEvalKit finds its tables by the ending; name it {path.stem}.tsv", path)
    chosen = _chosen(tasks, only)
    columns = ["index", "image", *_columns([task for _, task in chosen])]
    make_folder(path.parent)
    lost = 0
    at: dict[str, int] = {}  # in which row a picture is

    def write(part: Path) -> None:
        nonlocal lost
        with part.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
            table.writerow(columns)
            for done, (index, task) in enumerate(chosen, start=1):
                cells = _cells(task)
                lost += any(text in _NOTHING for text in cells.values())
                image = str(at[task.picture]) if task.picture in at else _encoded(task)
                at.setdefault(task.picture, index)
                table.writerow([index, image, *(cells.get(column, "") for column in columns[2:])])
                progress(done, len(chosen))

    try:
        write_atomically(path, write)
    except UnicodeEncodeError:
        raise UserError(f"{path}: a task is not text in UTF-8; mend tasks.jsonl") from None
    return Written(len(chosen), len(at), lost)


def write_predictions(
    folder: Path, path: Path, *, seed: int = 0, tasks: Path | None = None, only: str | None = None
) -> Predicted:
    """Write what an evaluation answered as predictions for VLMEvalKit to score, in the rows of `write_tasks`'
    table.

    Args:
        folder: what `mini-o3 eval` wrote.
        path: a .tsv, .json or .xlsx file (the last needs openpyxl), which VLMEvalKit expects as `MODEL_NAME`.
        seed: which of an evaluation's samples, counted from 0.
        tasks: folder of the tasks; None: the one that was measured on.
        only: as the table was written.

    Raises:
        UserError: the folder is not an evaluation, has no such sample, or the file cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise SettingError("out", f"name a file that ends in {', '.join(SUFFIXES)}", path)
    known = read_tasks(tasks or read_manifest(folder)["tasks"])
    episodes = {(row.task.id, row.episode.seed): row.episode for row in read_judged(folder, known)}
    seeds = sorted({seed for _, seed in episodes})
    if seed not in seeds:
        there = f"{seeds[0]} to {seeds[-1]}" if seeds else "none: give the folder of its tasks as `tasks`"
        raise SettingError("seed", f"{folder} has no such sample (there are {there})", seed)
    chosen = _chosen(known, only)
    rows: list[dict[str, Any]] = []
    unanswered = failed = missing = 0
    columns = _columns([task for _, task in chosen])
    for index, task in chosen:
        episode = episodes.get((task.id, seed))
        if episode is None:
            missing += 1
        elif episode.stop in (StopReason.POLICY_ERROR, StopReason.INTERRUPTED):
            failed += 1
        else:
            answer = (episode.answer or "").strip()
            unanswered += not answer
            cells = _cells(task)
            row = {"index": index, **{column: cells.get(column, "") for column in columns}}
            rows.append({**row, "prediction": answer or UNANSWERED})
    if not rows:
        raise UserError(
            f"{folder}: holds no prediction for these tasks ({failed} failed, {missing} not asked)"
        )
    make_folder(path.parent)
    _WRITERS[path.suffix](path, rows)
    return Predicted(len(rows), unanswered, failed, missing)


def _chosen(tasks: Sequence[SearchTask], only: str | None) -> list[tuple[int, SearchTask]]:
    """Tasks of one kind, each with its index."""
    if only not in (None, *KINDS):
        raise SettingError("only", f"choose {' or '.join(KINDS)}", only)
    choice = sum(bool(task.options) for task in tasks)
    if only is None and 0 < choice < len(tasks):
        raise SettingError(
            "only",
            f"{choice} tasks have options and {len(tasks) - choice} have none, and VLMEvalKit treats a table"
            f" as the one or the other; write two, one with {KINDS[0]} and one with {KINDS[1]}",
        )
    found = [
        (index, task)
        for index, task in enumerate(tasks)
        if only is None or bool(task.options) == (only == "choice")
    ]
    if not found:
        if not tasks:
            raise UserError("there are no tasks in that folder")
        raise SettingError("only", "there is no such task", only)
    for index, task in found:
        if task.answer is None:
            raise UserError(
                f"task {index + 1} ({task.question[:60]!r}) has no answer; VLMEvalKit has nothing to score"
                " it by"
            )
    return found


def _columns(tasks: Sequence[SearchTask]) -> list[str]:
    """Columns of a table of these tasks, but for `index` and `image`."""
    cells = [_cells(task) for task in tasks]
    letters = LETTERS[: max(len(task.options) for task in tasks)]
    divided = [name for name in ("category", "l2-category") if any(name in row for row in cells)]
    return ["question", *letters, "answer", *divided, "split"]


def _cells(task: SearchTask) -> dict[str, str]:
    first, second = task.category or task.family, "" if task.category else task.level
    if task.category.count("/") >= 2:  # as MME-RealWorld's are read: task/subtask/category
        first, _, second = task.category.rpartition("/")
    cells = {
        "question": task.question,
        **dict(zip(LETTERS, task.options, strict=False)),
        "answer": task.answer or "",
    }
    divided = {"category": first, "l2-category": second}
    return {**cells, **{name: text for name, text in divided.items() if text}, "split": task.source or "test"}


def _encoded(task: SearchTask) -> str:
    path = Path(task.picture)
    try:
        header = check(path)
    except BadRow as error:
        raise UserError(f"{path}: {error}") from None
    if header.format in _AS_THEY_ARE and header.turn == 1:
        content = path.read_bytes()
    else:
        buffer = io.BytesIO()
        open_picture(path).save(buffer, "PNG")
        content = buffer.getvalue()
    return base64.b64encode(content).decode("ascii")


def _write_tsv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
            table = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
            table.writerow(rows[0])
            table.writerows(row.values() for row in rows)

    write_atomically(path, write)


def _write_xlsx(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
    except ImportError:
        raise SettingError(
            "out", "needs openpyxl; `pip install openpyxl`, or name a .tsv or .json file", path
        ) from None
    book = Workbook(write_only=True)
    sheet = book.create_sheet()

    def cells(values: Sequence[Any]) -> Iterator[Any]:
        for value in values:
            cell = WriteOnlyCell(sheet, _NOT_IN_XLSX.sub("", value) if isinstance(value, str) else value)
            if isinstance(value, str):
                cell.data_type = "s"  # an answer that begins with `=` is no formula
            yield cell

    for values in (list(rows[0]), *(list(row.values()) for row in rows)):
        sheet.append(list(cells(values)))
    write_atomically(path, book.save)


_WRITERS: dict[str, Callable[[Path, Sequence[dict[str, Any]]], None]] = {
    ".tsv": _write_tsv,
    ".json": write_json,
    ".xlsx": _write_xlsx,
}

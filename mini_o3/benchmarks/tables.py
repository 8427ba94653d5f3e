"""Tables in the form of VLMEvalKit: `index, image (base64), question, A, B, ..., answer, category`; also as
parquet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mini_o3.benchmarks.boxes import NO_BOXES, Boxes
from mini_o3.benchmarks.layout import Draft, Job
from mini_o3.benchmarks.options import literal
from mini_o3.benchmarks.pictures import Picture, SameAs, from_base64, from_cell
from mini_o3.benchmarks.rows import (
    BadRow,
    Record,
    read_files,
    read_parquet,
    read_tabs,
    take,
    take_any,
    text_of,
)
from mini_o3.episode.task import LETTERS

_REFERENCE = 64  # characters; VLMEvalKit takes a shorter cell for the index of the row that has the picture


def table_rows(job: Job) -> Iterator[Record]:
    """The rows of all tables of a job, by the ending of each."""
    return read_files(
        job.files, lambda path: (read_parquet if path.suffix == ".parquet" else read_tabs)(path)
    )


def table_draft(
    record: Record,
    job: Job,
    *,
    source: str,
    category: str = "",
    least: int = 0,
    boxes: Boxes | None = None,
    group: str = "",
) -> Draft:
    """The task of a row, which must have `least` options or more.

    Raises:
        BadRow: a field is missing, a picture is no base64, options have a gap or are too few, the answer is
            out of range.
    """
    data = record.data
    options = option_columns(data)
    text = str(take(data, "question"))
    hint = text_of(data, "hint")
    return Draft.read(
        cell_picture(data, job),
        f"{hint}\n{text}" if hint not in ("", "nan") else text,
        options,
        take(data, "answer"),
        least=least,
        boxes=boxes or NO_BOXES,
        source=source,
        category=category or text_of(data, "category"),
        group=group,
        name=text_of(data, "index", "question_id"),
    )


def option_columns(data: dict[str, Any]) -> tuple[str, ...]:
    """The columns A, B, ... up to the first empty one. Some tables have `nan` in the last ones for nothing.

    Raises:
        BadRow: an option follows an empty one.
    """
    cells = [take_any(data, letter) for letter in LETTERS if letter in data]
    while cells and cells[-1] in (None, "nan"):
        cells.pop()
    options = [str(cell) for cell in cells if cell is not None]
    if any(cell is None for cell in cells[: len(options)]):
        raise BadRow(f"option {LETTERS[cells.index(None)]} is empty, a later one is not")
    return tuple(options)


def cell_picture(data: dict[str, Any], job: Job) -> Picture:
    """The picture of a row: bytes, base64, the index of another row, or a path in `image_path`.

    Raises:
        BadRow: it has none, or several.
    """
    value = take_any(data, "image", "bytes")
    if value is None:
        return from_cell(take(data, "image_path", "image"), job.root, job.root / "images")
    if not isinstance(value, str):
        return from_cell(value, job.root)
    if value.startswith("[") and len(pictures := literal(value)) == 1:
        value = str(pictures[0])
    if len(value) <= _REFERENCE:
        return SameAs(value)
    return from_base64(value)

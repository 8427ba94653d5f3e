"""Your own questions: JSON lines (or one JSON array) and tables in the form of VLMEvalKit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mini_o3.benchmarks.boxes import Boxes, xyxy
from mini_o3.benchmarks.layout import Draft, Job, Layout, Loader, first_keys, has_columns
from mini_o3.benchmarks.options import read_options
from mini_o3.benchmarks.pictures import from_cell
from mini_o3.benchmarks.rows import Record, read_array, read_files, read_lines, take, take_any, text_of
from mini_o3.benchmarks.tables import table_draft, table_rows

_PICTURE = ("image", "images", "file_name", "picture")
_QUESTION = ("question", "query", "problem")
_ANSWER = ("answer", "response", "solution")


def _item(record: Record, job: Job) -> list[Draft]:
    """`image` (or `images`, `file_name`), `question`, and if there are any `answer`, `options`, `bboxes`,
    `category`, `id`.

    `bboxes` are [x0, y0, x1, y1] of the upright picture: fractions if no number is above 1, else pixels.
    Options are a list, a mapping of letters or a block of lines; the answer is then a letter or the text of
    one of them.
    """
    data, folder = record.data, record.file.parent
    boxes = xyxy(take_any(data, "bboxes", "bbox", "boxes"))
    shares = bool(boxes) and all(value <= 1 for box in boxes for value in box)
    draft = Draft.read(
        from_cell(take(data, *_PICTURE), folder, folder / "images"),
        str(take(data, *_QUESTION)),
        read_options(take_any(data, "options")),
        take_any(data, *_ANSWER),
        strict=False,
        boxes=Boxes(boxes, shares),
        source=str(take_any(data, "source") or record.file.stem),
        category=text_of(data, "category", "subset"),
        group=text_of(data, "group"),
        name=text_of(data, "id", "question_id", "doc_id"),
    )
    return [draft]


def _records(job: Job) -> Iterator[Record]:
    return read_files(job.files, lambda path: (read_array if path.suffix == ".json" else read_lines)(path))


def _is_ours(path: Path) -> bool:
    keys = first_keys(path)
    return bool(keys & set(_PICTURE)) and bool(keys & set(_QUESTION))


def _table(record: Record, job: Job) -> list[Draft]:
    return [table_draft(record, job, source=record.file.stem)]


LOADER = Loader(
    "user",
    "your own questions",
    "write a JSON object per line: image, question, and if you have them answer, options, bboxes, id",
    (Layout(("*.jsonl|*.json",), _records, _item, _is_ours),),
)

TABLE = Loader(
    "table",
    "a table of VLMEvalKit",
    "any multiple-choice or open table: index, image (base64), question, A, B, ..., answer",
    (Layout(("*.tsv",), table_rows, _table, has_columns("question", "answer")),),
)

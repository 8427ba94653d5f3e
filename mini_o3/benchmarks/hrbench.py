"""HR-Bench 4K and 8K (Wang et al., arXiv 2408.15556): 200 questions, each asked four times with its options
rotated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from mini_o3.benchmarks.layout import Draft, Job, Layout, Loader, has_columns, has_keys
from mini_o3.benchmarks.options import read_options
from mini_o3.benchmarks.pictures import find
from mini_o3.benchmarks.rows import (
    BadRow,
    Record,
    read_array,
    read_files,
    read_lines,
    take,
    take_any,
    text_of,
)
from mini_o3.benchmarks.tables import option_columns, table_draft, table_rows
from mini_o3.episode.task import LETTERS

_ROTATIONS = 4
_GROUP = "_rotations"  # field of a record that says which question it rotates


def _grouped(records: Iterator[Record]) -> Iterator[Record]:
    """Rows with the number of their question: rotations have the same question and the same options in
    another order.

    `cycle_category` names the rotation, not the question, and the four rows each carry their own copy of the
    picture. When an order comes a second time, a second picture has the same question.
    """
    open_groups: dict[tuple[str, ...], tuple[int, set[tuple[str, ...]]]] = {}
    count = 0
    for record in records:
        try:
            options = _options(record.data)
            key = (str(record.file), str(take_any(record.data, "question")), *sorted(options))
        except BadRow:
            yield record  # whoever converts it says what is wrong
            continue
        number, orders = open_groups.get(key, (0, set()))
        if not orders or options in orders or len(orders) == _ROTATIONS:
            number, orders, count = count, set(), count + 1
        open_groups[key] = number, orders | {options}
        yield replace(record, data={**record.data, _GROUP: number})


def _options(data: dict[str, Any]) -> tuple[str, ...]:
    return read_options(data["options"]) if take_any(data, "options") else option_columns(data)


def _table(record: Record, job: Job) -> list[Draft]:
    source = _source(record.file)
    draft = table_draft(
        record, job, source=source, category=_category(record.data), group=_group(record, source)
    )
    return [_whole(draft)]


def _line(record: Record, job: Job) -> list[Draft]:
    """A line of InSight-o3's copy: options in one block, pictures in `images_4k/` or `images_8k/`."""
    data, source, folder = record.data, _source(record.file), record.file.parent
    picture = find(str(take(data, "image")), folder, folder / f"images_{source[-2:]}", folder / "images")
    draft = Draft.read(
        picture,
        str(take(data, "question")),
        read_options(take(data, "options")),
        take(data, "answer"),
        source=source,
        category=_category(data),
        group=_group(record, source),
        name=text_of(data, "question_id", "index"),
    )
    return [_whole(draft)]


def _annotation(record: Record, job: Job) -> list[Draft]:
    """An item of ZoomEye's copy: all rotations of a question, a list of option blocks and one of letters."""
    data, source = record.data, _source(record.file)
    blocks, answers = take(data, "options"), take(data, "answer")
    if not (isinstance(blocks, list) and isinstance(answers, list) and len(blocks) == len(answers)):
        raise BadRow("its options and answers are not two lists of one length")
    picture = find(str(take(data, "input_image")), record.file.parent, record.file.parent / "images")
    return [
        _whole(
            Draft.read(
                picture,
                str(take(data, "question")),
                read_options(block),
                answer,
                source=source,
                category=_category(data),
                group=f"{source}/{record.row - 1}",
                name=f"{record.row - 1}_{rotation}",
            )
        )
        for rotation, (block, answer) in enumerate(zip(blocks, answers, strict=True))
    ]


def _whole(draft: Draft) -> Draft:
    if len(draft.options) != _ROTATIONS:
        raise BadRow(
            f"has {len(draft.options)} options; {_ROTATIONS} are expected, {LETTERS[0]} to"
            f" {LETTERS[_ROTATIONS - 1]}"
        )
    return draft


def _group(record: Record, source: str) -> str:
    return f"{source}/{record.data[_GROUP]}" if _GROUP in record.data else ""


def _source(file: Path) -> str:
    """By the file's name, or its folder's: `hrbench_4k`, `hrbench_8k`, or `hrbench`."""
    names = f"{file.parent.name} {file.name}".lower()
    return next((f"hrbench_{size}" for size in ("8k", "4k") if size in file.name.lower()), "") or next(
        (f"hrbench_{size}" for size in ("8k", "4k") if size in names), "hrbench"
    )


def _category(data: dict[str, Any]) -> str:
    return text_of(data, "category")


_COLUMNS = has_columns("index", "question", "A", "answer", "image", "cycle_category")

LOADER = Loader(
    "hrbench",
    "HR-Bench",
    "hub data set DreamMr/HR-Bench (hr_bench_4k.tsv, hr_bench_8k.tsv)",
    (
        Layout(("*.tsv",), lambda job: _grouped(table_rows(job)), _table, _COLUMNS),
        Layout(("*.parquet|*/*.parquet",), lambda job: _grouped(table_rows(job)), _table, _COLUMNS),
        Layout(
            ("*hr*bench*.jsonl|*/*hr*bench*.jsonl",),
            lambda job: _grouped(read_files(job.files, read_lines)),
            _line,
            has_keys("image", "question", "options", "answer"),
        ),
        Layout(
            ("annotation_hr-bench*.json|*/annotation_hr-bench*.json",),
            lambda job: read_files(job.files, read_array),
            _annotation,
            has_keys("input_image", "question", "options", "answer"),
        ),
    ),
)

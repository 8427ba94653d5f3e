"""V* Bench (Wu and Xie, arXiv 2312.14135): 115 questions on attributes, 76 on relative positions, with target
boxes.

It lies about in the original folders, as parquet, as a table of VLMEvalKit, and as `Vstar_Bench/val.json` in
the layout of VisualProbe, which that loader reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mini_o3.benchmarks.boxes import Boxes, xywh
from mini_o3.benchmarks.layout import Draft, Job, Layout, Loader, has_columns
from mini_o3.benchmarks.pictures import find, from_cell
from mini_o3.benchmarks.rows import BadRow, Record, read_files, read_lines, take, take_any, text_of
from mini_o3.benchmarks.tables import table_draft, table_rows
from mini_o3.episode.task import LETTERS
from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import read_json
from mini_o3.kit.rng import stream

_FOLDERS = ("direct_attributes", "relative_position")


def _lines(record: Record, job: Job) -> list[Draft]:
    """A line of `test_questions.jsonl`; the boxes come from the JSON beside the picture."""
    data = record.data
    picture = find(str(take(data, "image")), record.file.parent)
    beside = picture.with_suffix(".json")
    target = _read(beside) if beside.is_file() else {}
    return [
        Draft.read(
            picture,
            str(take(data, "text")),
            (),
            take(data, "label"),
            least=2,
            boxes=Boxes(xywh(target.get("bbox"))),
            source="vstar",
            category=str(take_any(data, "category") or picture.parent.name),
            name=text_of(data, "question_id") or picture.stem,
        )
    ]


def _pairs(job: Job) -> Iterator[Record]:
    files = [path for folder in _FOLDERS for path in sorted(job.root.glob(f"{folder}/*.json"))] or job.files
    for number, path in enumerate(files, start=1):
        try:
            yield Record(path, 1, _read(path), number / len(files))
        except BadRow as error:
            yield Record(path, 1, share=number / len(files), error=str(error))


def _pair(record: Record, job: Job) -> list[Draft]:
    """A JSON file beside its picture. Its first option is always the right one, so the options are shuffled;
    the seed is kept with the task."""
    data, path = record.data, record.file
    options = take(data, "options")
    if not isinstance(options, list):
        raise BadRow("its options are no list")
    order = [int(i) for i in stream("vstar options", job.seed, path.stem).permutation(len(options))]
    beside = sorted(other for other in path.parent.glob(f"{path.stem}.*") if other.suffix.lower() != ".json")
    if not beside:
        raise BadRow(f"there is no picture {path.stem} beside it")
    shuffled = tuple(str(options[i]) for i in order)
    return [
        Draft.read(
            beside[0].absolute(),
            str(take(data, "question")),
            shuffled,
            LETTERS[order.index(0)],
            least=2,
            boxes=Boxes(xywh(data.get("bbox"))),
            source="vstar",
            category=path.parent.name,
            name=path.stem,
            seed=job.seed,
        )
    ]


def _parquet(record: Record, job: Job) -> list[Draft]:
    data = record.data
    return [
        Draft.read(
            from_cell(take(data, "image"), job.root),
            str(take(data, "text")),
            (),
            take(data, "label"),
            least=2,
            source="vstar",
            category=text_of(data, "category"),
            name=text_of(data, "question_id"),
        )
    ]


def _table(record: Record, job: Job) -> list[Draft]:
    return [table_draft(record, job, source="vstar", least=2)]


def _read(path: Path) -> dict[str, Any]:
    try:
        data = read_json(path)
    except UserError as error:
        raise BadRow(f"{path.name} is not valid JSON ({' '.join(str(error).split())[:120]})") from None
    if not isinstance(data, dict):
        raise BadRow(f"{path.name} is no JSON object")
    return data


LOADER = Loader(
    "vstar",
    "V* Bench",
    "hub data set craigwu/vstar_bench (test_questions.jsonl and both folders)",
    (
        Layout(("test_questions.jsonl", *_FOLDERS), lambda job: read_files(job.files, read_lines), _lines),
        Layout((f"{_FOLDERS[0]}/*.json", f"{_FOLDERS[1]}/*.json"), _pairs, _pair),
        Layout(
            ("*.parquet|*/*.parquet",),
            table_rows,
            _parquet,
            has_columns("image", "text", "label", "category", "question_id"),
        ),
        Layout(
            ("*[vV][sS]tar*.tsv|*[vV]_[sS]tar*.tsv",),
            table_rows,
            _table,
            has_columns("index", "image", "question", "A"),
        ),
    ),
)

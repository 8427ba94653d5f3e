"""Mini-o3-Coldstart-Dataset as tasks: the question, the first picture and the final answer of its
conversations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mini_o3.benchmarks.layout import Draft, Job, Layout, Loader, has_columns
from mini_o3.benchmarks.options import literal
from mini_o3.benchmarks.pictures import from_cell
from mini_o3.benchmarks.rows import BadRow, Record, take, take_any
from mini_o3.benchmarks.tables import table_rows

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.S)
_ASKED = (
    "_asked"  # field of a record: question and answer of its conversation, None if there is none to be had
)


def _records(job: Job) -> Iterator[Record]:
    """Rows with what they ask. Only the first answered conversation about a sample counts: others are
    further rollouts of it, or the same one cut off at an earlier turn."""
    seen: set[tuple[Any, Any]] = set()
    for record in table_rows(job):
        try:
            asked = _asked(record)
        except BadRow as error:
            yield replace(record, data={}, error=record.error or str(error))
            continue
        sample = (record.data.get("data_source"), record.data.get("sample_index"))
        if asked and sample[1] is not None:
            asked = None if sample in seen else asked
            seen.add(sample)
        yield replace(record, data={**record.data, _ASKED: asked})


def _asked(record: Record) -> tuple[str, str] | None:
    if record.error:
        raise BadRow(record.error)
    said = take(record.data, "conversations")
    turns = literal(said) if isinstance(said, str) else said
    if not isinstance(turns, list) or not all(
        isinstance(turn, dict) and {"from", "value"} <= set(turn) for turn in turns
    ):
        raise BadRow("its conversations are not a list of `from` and `value`")
    questions = [str(turn["value"]) for turn in turns if turn["from"] == "human"]
    replies = [str(turn["value"]) for turn in turns if turn["from"] == "gpt"]
    if not questions or not replies:
        raise BadRow("its conversation has no question or no reply")
    answers = _ANSWER.findall(replies[-1])
    return (questions[0], answers[-1].strip()) if answers else None


def _row(record: Record, job: Job) -> list[Draft]:
    data = record.data
    if data[_ASKED] is None:
        return []
    question, answer = data[_ASKED]
    pictures = take(data, "images")
    if not isinstance(pictures, list):
        raise BadRow("its images are no list")
    source = str(take_any(data, "data_source") or "mini_o3_coldstart")
    name = f"{source}_{record.row - 1 if data.get('sample_index') is None else data['sample_index']}"
    picture = from_cell(pictures[0], record.file.parent, job.root)
    return [Draft.read(picture, question, (), answer, strict=False, source=source, name=name)]


LOADER = Loader(
    "coldstart",
    "Mini-o3-Coldstart-Dataset",
    "hub data set Mini-o3/Mini-o3-Coldstart-Dataset (its parquet files)",
    (
        Layout(
            ("*.parquet|*/*.parquet",), _records, _row, has_columns("conversations", "images", "image_names")
        ),
    ),
)

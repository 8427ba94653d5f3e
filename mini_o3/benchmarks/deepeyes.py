"""DeepEyes-Datasets-47k (arXiv 2505.14362) and other sets in verl's parquet convention; InSight-o3's have
boxes."""

from __future__ import annotations

import re
from typing import Any

from mini_o3.benchmarks.boxes import NO_BOXES, Boxes, xyxy
from mini_o3.benchmarks.layout import Draft, Job, Layout, Loader, has_columns
from mini_o3.benchmarks.pictures import from_cell
from mini_o3.benchmarks.rows import BadRow, Record, take, take_any, text_of
from mini_o3.benchmarks.tables import table_rows


def _row(record: Record, job: Job) -> list[Draft]:
    """The question is `extra_info.question`, else the last user message; the answer
    `reward_model.ground_truth`."""
    data = record.data
    extra, reward = _fields(data, "extra_info"), _fields(data, "reward_model")
    answer = take_any({"ground_truth": reward.get("ground_truth"), **extra}, "ground_truth", "answer")
    if answer is None:
        raise BadRow("has no reward_model.ground_truth")
    boxes = take_any(extra, "bboxes", "bbox")
    draft = Draft.read(
        from_cell(take(data, "images", "image"), record.file.parent, job.root),
        str(take_any(extra, "question") or _asked(data)),
        (),
        answer,
        strict=False,
        boxes=Boxes(xyxy(boxes), clip=True) if boxes is not None else NO_BOXES,
        source=str(take_any(data, "data_source") or "deepeyes"),
        category=text_of(data, "ability"),
        name=_name(record, extra),
    )
    return [draft]


def _asked(data: dict[str, Any]) -> str:
    messages = take(data, "prompt")
    users = (
        [m for m in messages if isinstance(m, dict) and m.get("role") == "user"]
        if isinstance(messages, list)
        else []
    )
    if not users:
        raise BadRow("has neither extra_info.question nor a user message")
    content = users[-1].get("content")
    if isinstance(content, list):  # in parts
        content = " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return re.sub(r"^\s*<image>\s*", "", str(content or ""))


def _fields(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _name(record: Record, extra: dict[str, Any]) -> str:
    """Indices are counted per file and split, so the file belongs to the name."""
    index = take_any(extra, "index", "id")
    return f"{record.file.stem}_{record.row - 1 if index is None else index}"


LOADER = Loader(
    "deepeyes",
    "DeepEyes",
    "hub data set ChenShawn/DeepEyes-Datasets-47k (its parquet files)",
    (
        Layout(
            ("*.parquet|*/*.parquet",),
            table_rows,
            _row,
            has_columns("data_source", "prompt", "images", "reward_model"),
        ),
    ),
)

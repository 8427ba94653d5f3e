"""The results as files for other programs: JSON lines, a table, boxes in the format of COCO."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mini_o3.finding.result import Result
from mini_o3.kit.files import write_json, write_jsonl, write_text
from mini_o3.kit.printable import one_line

COLUMNS = (
    *("rank", "picture", "status", "answer", "confidence", "left", "top", "right", "bottom"),
    *("width", "height", "turns", "tokens", "cost", "error", "copy_of", "similarity", "time"),
)
_FORMULA = re.compile(r"[=+\-@\t\r]")  # with these a spreadsheet takes a text for a formula


def write_results(folder: Path, query: str, results: Sequence[Result]) -> None:
    """Write `hits.jsonl`, `hits.csv` and `coco.json`."""
    write_jsonl(folder / "hits.jsonl", (result.to_dict() for result in results))
    write_text(folder / "hits.csv", to_csv(results))
    write_json(folder / "coco.json", to_coco(query, results))


def to_csv(results: Sequence[Result]) -> str:
    """A table with a head (RFC 4180). A text that a spreadsheet would compute gets a quote in front."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for result in results:
        box = result.box or ("", "", "", "")
        row = (
            *(result.rank, result.picture, result.status, result.answer, result.confidence, *box),
            *(*result.size, result.turns, result.tokens, result.cost, result.error, result.copy_of),
            *(result.similarity, result.time),
        )
        table.writerow(_cell(value) for value in row)
    return text.getvalue()


def to_coco(query: str, results: Sequence[Result]) -> dict[str, Any]:
    """Images and boxes of what was found, as COCO writes detections and their images
    (https://cocodataset.org/#format-data); `bbox` is left, top, width, height in pixels."""
    readable = [result for result in results if result.size != (0, 0)]
    boxes = [
        (number, result, result.box) for number, result in enumerate(readable, start=1) if result.is_found
    ]
    return {
        "info": {"description": f"mini-o3 find: {query}"},
        "images": [
            {"id": number, "file_name": result.picture, "width": result.size[0], "height": result.size[1]}
            for number, result in enumerate(readable, start=1)
        ],
        "annotations": [
            {
                "id": place,
                "image_id": number,
                "category_id": 1,
                "bbox": [box.left, box.top, box.width, box.height],
                "area": box.width * box.height,
                "iscrowd": 0,
                "score": result.confidence,
                "caption": result.answer,
            }
            for place, (number, result, box) in enumerate(boxes, start=1)
            if box is not None
        ],
        "categories": [{"id": 1, "name": query}],
    }


def table_lines(results: Sequence[Result], most: int = 20, width: int = 100) -> list[str]:
    """The best results as a table for a terminal; `width` is in characters."""
    shown = [result for result in results if result.status != "failed"][:most]
    rows = [("", "status", "sure", "answer", "box", "picture"), *(_row(result) for result in shown)]
    sides = [max(len(row[column]) for row in rows) for column in range(5)]
    room = max(width - sum(sides) - 10, 24)
    return [
        "  ".join(
            [*(cell.ljust(side) for cell, side in zip(row, sides, strict=False)), _end(row[5], room)]
        ).rstrip()
        for row in rows
    ]


def _row(result: Result) -> tuple[str, ...]:
    box = result.box
    answer = one_line(result.answer or "")
    return (
        str(result.rank),
        result.status.replace("_", " "),
        "" if result.confidence is None else f"{result.confidence:.2f}",
        answer if len(answer) <= 30 else f"{answer[:27]}...",
        "" if box is None else f"{box.left},{box.top} {box.width}x{box.height}",
        one_line(result.picture) + (" (copy)" if result.copy_of else ""),
    )


def _end(name: str, room: int) -> str:
    return name if len(name) <= room else f"...{name[3 - room :]}"


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        value = one_line(value)
        return f"'{value}" if _FORMULA.match(value) else value
    return "" if value is None else value

"""Open Images boxes CSV: normalised, the pair of X before the pair of Y."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

from mini_o3.grounding.data.samples import GroundingSample, GroundingSet, check_box
from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import open_text
from mini_o3.vision.picture import open_picture

COLUMNS = ("ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax", "IsGroupOf", "IsDepiction")


def read_open_images(boxes: Path, classes: Path, pictures: Path, *, depictions: bool = True) -> GroundingSet:
    """The set of a file of boxes such as `validation-annotations-bbox.csv`.

    A box of a group counts as crowd. Pictures get ids in the order of their names.

    Args:
        classes: lines `/m/0abc,Name`, such as `class-descriptions-boxable.csv`.
        pictures: folder with `ImageID.jpg`.
        depictions: whether boxes of drawings and the like are kept.

    Raises:
        UserError: a file is of another form, or a row of it cannot be used; the message names file and line.
    """
    names = _names(classes)
    order = {code: place for place, code in enumerate(names)}
    rows: dict[str, list[tuple[int, dict[str, str]]]] = defaultdict(list)
    with open_text(boxes, newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise UserError(f"{boxes}: has no column {missing[0]}; give a file of Open Images boxes")
        for row in reader:
            if row["LabelName"] not in order:
                raise UserError(f"{boxes}, line {reader.line_num}: {row['LabelName']} is not in {classes}")
            rows[row["ImageID"]].append((reader.line_num, row))
    samples, dropped = [], 0
    for number, name in enumerate(sorted(rows), start=1):
        file_path = pictures / f"{name}.jpg"
        if not file_path.is_file():
            raise UserError(f"{boxes}: the picture {name} is not in {pictures}; get it or remove its rows")
        size = open_picture(file_path).size
        kept = [(line, row) for line, row in rows[name] if depictions or row["IsDepiction"] != "1"]
        dropped += len(rows[name]) - len(kept)
        samples.append(
            GroundingSample(
                id=number,
                path=file_path,
                size=size,
                boxes=np.array([_box(boxes, line, row, size) for line, row in kept]).reshape(-1, 4),
                labels=np.array([order[row["LabelName"]] for _, row in kept], dtype=np.int64),
                crowd=np.array([row["IsGroupOf"] == "1" for _, row in kept], dtype=bool),
                hidden=np.zeros(len(kept)),
            )
        )
    notes = [f"{dropped} boxes of depictions left out"] if dropped else []
    return GroundingSet(list(names.values()), samples, notes)


def _names(path: Path) -> dict[str, str]:
    names: dict[str, str] = {}
    with open_text(path, newline="") as file:
        for line, row in enumerate(csv.reader(file), start=1):
            if len(row) != 2 or not row[1].strip():
                raise UserError(f"{path}, line {line}: is not a code and a name; give Open Images' classes")
            if row[0] != "LabelName":
                names[row[0]] = row[1].strip().lower()
    return names


def _box(
    path: Path, line: int, row: dict[str, str], size: tuple[int, int]
) -> tuple[float, float, float, float]:
    where = f"{path}, line {line}"
    try:
        x0, x1, y0, y1 = (float(row[name]) for name in ("XMin", "XMax", "YMin", "YMax"))
    except (TypeError, ValueError):
        raise UserError(f"{where}: a coordinate is not a number; mend or remove the line") from None
    width, height = size
    return check_box([x0 * width, y0 * height, x1 * width, y1 * height], size, where)

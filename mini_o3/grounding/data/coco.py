"""COCO instances JSON: read and written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mini_o3.grounding.data.samples import GroundingSample, GroundingSet, check_box
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import write_json
from mini_o3.kit.reading import made_of, read_object, typed

Row = dict[str, Any]


def read_coco(path: Path, pictures: Path | None = None) -> GroundingSet:
    """The set of an instances file; categories in the order of their ids.

    Args:
        pictures: the folder that `file_name` is relative to; by default the folder of the file, or one in it
            or beside it with the name of the split or `images`.

    Raises:
        UserError: not such a file; a picture that is missing; a box that is empty or outside its picture, an
            unknown category or picture. The message names the file and the id.
    """
    data = read_object(path)
    categories = _rows(data, path, "categories", "id")
    images = _rows(data, path, "images", "id")
    order = sorted(categories)
    names = [
        made_of(categories[i], f"{path}, category {i}", lambda row: typed(row, "name", str), "a category")
        for i in order
    ]
    index = {category: place for place, category in enumerate(order)}
    labelled: dict[int, list[Row]] = defaultdict(list)
    for number, row in _rows(data, path, "annotations", "id").items():
        where = f"{path}, annotation {number}"
        if row.get("image_id") not in images:
            raise UserError(f"{where}: there is no picture {row.get('image_id')!r}; mend or remove it")
        if row.get("category_id") not in index:
            raise UserError(f"{where}: there is no category {row.get('category_id')!r}; mend or remove it")
        labelled[row["image_id"]].append(row)
    folders = [pictures] if pictures else _folders(path)
    samples = [_sample(path, row, labelled[i], index, folders) for i, row in sorted(images.items())]
    return GroundingSet(names, samples)


def _rows(data: Row, path: Path, key: str, by: str) -> dict[int, Row]:
    rows = data.get(key)
    if not isinstance(rows, list):
        raise UserError(f"{path}: has no list of {key}; give a COCO instances file")
    found: dict[int, Row] = {}
    for place, row in enumerate(rows):
        if not isinstance(row, dict) or not isinstance(row.get(by), int):
            raise UserError(
                f"{path}: item {place} of {key} has no whole number as its {by}; mend or remove it"
            )
        if row[by] in found:
            raise UserError(f"{path}: two of the {key} have the {by} {row[by]}; give each its own")
        found[row[by]] = row
    return found


def _folders(path: Path) -> list[Path]:
    split = path.stem.removeprefix("instances_")
    return [
        base / sub
        for base in (path.parent, path.parent.parent)
        for sub in (".", split, "images", f"images/{split}")
    ]


def _sample(
    path: Path, image: Row, labels: list[Row], index: dict[int, int], folders: list[Path]
) -> GroundingSample:
    where = f"{path}, picture {image['id']}"

    def header(row: Row) -> tuple[str, tuple[int, int]]:
        return typed(row, "file_name", str), (typed(row, "width", int), typed(row, "height", int))

    name, size = made_of(image, where, header, "a picture")
    file = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if file is None:
        raise UserError(f"{where}: {name} is not in {folders[0]}; give the folder of the pictures")
    boxes, hidden = [], []
    for row in labels:
        box = row.get("bbox")
        if isinstance(box, list) and len(box) == 4 and all(isinstance(v, (int, float)) for v in box):
            box = [box[0], box[1], box[0] + box[2], box[1] + box[3]]
        boxes.append(check_box(box, size, f"{path}, annotation {row['id']}"))
        hidden.append(float(row.get("occluded", 0.0)))
    return GroundingSample(
        id=image["id"],
        path=file,
        size=size,
        boxes=np.array(boxes, dtype=np.float64).reshape(-1, 4),
        labels=np.array([index[row["category_id"]] for row in labels], dtype=np.int64),
        crowd=np.array([bool(row.get("iscrowd", 0)) for row in labels], dtype=bool),
        hidden=np.array(hidden, dtype=np.float64),
    )


def to_coco(data: GroundingSet, name_of: Callable[[GroundingSample], str] = lambda s: s.path.name) -> Row:
    """The set as the content of an instances file; category ids are places in `names` plus one."""
    annotations: list[Row] = []
    for sample in data.samples:
        for box, label, crowd, hidden in zip(
            sample.boxes.tolist(), sample.labels, sample.crowd, sample.hidden, strict=True
        ):
            x0, y0, x1, y1 = box
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": sample.id,
                    "category_id": int(label) + 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": int(crowd),
                    "occluded": round(float(hidden), 4),
                }
            )
    return {
        "images": [
            {"id": s.id, "file_name": name_of(s), "width": s.size[0], "height": s.size[1]}
            for s in data.samples
        ],
        "annotations": annotations,
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(data.names)],
    }


def write_coco(path: Path, data: GroundingSet, folder: str) -> None:
    """Write an instances file beside the folder `folder` that holds the pictures."""
    write_json(path, to_coco(data, lambda sample: f"{folder}/{sample.path.name}"))

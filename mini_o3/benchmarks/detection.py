"""COCO instances and Open Images boxes, read as scenes and asked about."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mini_o3.benchmarks.boxes import Boxes, xywh, xyxy
from mini_o3.benchmarks.jsonstream import JsonStream
from mini_o3.benchmarks.layout import Draft, Job, Layout, Loader
from mini_o3.benchmarks.pictures import Header, check, find
from mini_o3.benchmarks.rows import BadRow, Record, read_commas, take
from mini_o3.benchmarks.scenes import Labelled, Scene, questions
from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import open_file, open_text
from mini_o3.kit.tables import table_header

_COCO_KEYS = ("info", "licenses", "images", "annotations", "categories", "type")
_OPEN_COLUMNS = {"ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax", "IsGroupOf", "IsDepiction"}


def _coco(job: Job) -> Iterator[Record]:
    """A record per picture that is there, with all its labels. Outlines, the bulk of such a file, are never
    kept."""
    for path in job.files:
        images, labels, names = _read_coco(path)
        split = path.stem.removeprefix("instances_")
        folders = [
            base / sub
            for base in (path.parent, path.parent.parent)
            for sub in (split, "images", f"images/{split}", ".")
        ]
        for number, image in enumerate(images, start=1):
            try:
                file = _find(str(take(image, "file_name")), folders)
            except BadRow as error:
                yield Record(path, number, share=number / len(images), error=str(error))
                continue
            things = [
                (names.get(kind, ""), box, crowd) for kind, box, crowd in labels.get(str(image.get("id")), [])
            ]
            data = {**image, "picture": file, "things": things, "source": f"coco_{split}"}
            yield Record(path, number, data, number / len(images))


def _read_coco(
    path: Path,
) -> tuple[list[dict[str, Any]], dict[str, list[tuple[str, Any, bool]]], dict[str, str]]:
    images: list[dict[str, Any]] = []
    labels: dict[str, list[tuple[str, Any, bool]]] = defaultdict(list)
    names: dict[str, str] = {}
    with open_file(path) as file:
        stream = JsonStream(file, path)
        for key in stream.keys():  # noqa: SIM118 - not a mapping
            if key not in ("images", "annotations", "categories"):
                stream.value()
                continue
            for item in stream.items():
                if not isinstance(item, dict):
                    raise UserError(f"{path}: an item of {key!r} is no object; get a fresh copy")
                if key == "images":
                    images.append({name: item.get(name) for name in ("id", "file_name", "width", "height")})
                elif key == "annotations":
                    label = (str(item.get("category_id")), item.get("bbox"), bool(item.get("iscrowd")))
                    labels[str(item.get("image_id"))].append(label)
                else:
                    names[str(item.get("id"))] = str(item.get("name", "")).lower()
    if not images or not names:
        raise UserError(
            f"{path}: has no images or no categories; give an instances file, such as instances_val2017.json"
        )
    return images, labels, names


def _coco_scene(record: Record, job: Job) -> list[Draft]:
    data = record.data
    if data["picture"] is None:
        return []
    size = (_pixels(data, "width"), _pixels(data, "height"))
    header = check(data["picture"])
    things: list[Labelled] = []
    unsure: set[str] = set()
    for name, box, crowd in data["things"]:
        if not name:
            raise BadRow("a label has a category that is not in the file")
        try:
            things.append(
                Labelled(name, Boxes(xywh([box]), frame=size, clip=True).regions(header)[0].xyxy, crowd)
            )
        except BadRow:
            if size not in (header.size, header.stored):
                raise
            unsure.add(name)
    name = str(data.get("id", record.row))
    return questions(_scene(data, name, header, things, unsure), job.seed)


def _pixels(data: dict[str, Any], side: str) -> int:
    value = take(data, side)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadRow(f"its {side} is {value!r}, not a number of pixels")
    return value


def _open_images(job: Job) -> Iterator[Record]:
    """A record per picture that is there; its rows follow each other, as they do in the published files.

    Raises:
        UserError: they do not, or the names of the labels are missing.
    """
    names = _label_names(job.root)
    folders = [job.root / sub for sub in (".", "images", "train", "validation", "test", "data")]
    for path in job.files:
        seen: set[str] = set()
        current, first, share = "", 1, 0.0
        things: list[tuple[str, dict[str, Any]]] = []
        picture: Path | None = None
        for record in read_commas(path):
            image = str(record.data.get("ImageID", ""))
            if record.error or not image:
                yield Record(path, record.row, share=record.share, error=record.error or "has no ImageID")
                continue
            if image != current:
                if picture is not None:
                    yield Record(path, first, _open_data(current, picture, things, path), share)
                current, things, first = image, [], record.row
                picture = _find(f"{image}.jpg", folders)
                if picture is not None and image in seen:
                    raise UserError(
                        f"{path}, row {record.row}: rows of {image} are not together; sort them by ImageID"
                    )
                seen |= {image} if picture is not None else set()
            things.append((names.get(record.data.get("LabelName", ""), ""), record.data))
            share = record.share
        if picture is not None:
            yield Record(path, first, _open_data(current, picture, things, path), share)


def _open_data(image: str, picture: Path, things: list[Any], path: Path) -> dict[str, Any]:
    return {
        "id": image,
        "picture": picture,
        "things": things,
        "source": f"open_images_{path.stem.partition('-')[0]}",
    }


def _open_scene(record: Record, job: Job) -> list[Draft]:
    data, header = record.data, check(record.data["picture"])
    things: list[Labelled] = []
    unsure: set[str] = set()
    for name, row in data["things"]:
        if not name:
            raise BadRow(f"label {row.get('LabelName')} is not in the class descriptions")
        try:
            corners = xyxy([[row[column] for column in ("XMin", "YMin", "XMax", "YMax")]])
            box = Boxes(corners, shares=True, clip=True).regions(header)[0].xyxy
        except BadRow:
            unsure.add(name)
            continue
        things.append(Labelled(name, box, row.get("IsGroupOf") == "1" or row.get("IsDepiction") == "1"))
    return questions(_scene(data, data["id"], header, things, unsure), job.seed)


def _label_names(root: Path) -> dict[str, str]:
    """`/m/01g317` is `person`: the class descriptions, with or without a header."""
    files = sorted(path for pattern in _DESCRIPTIONS.split("|") for path in root.glob(pattern))
    names = {}
    with open_text(files[0]) as file:
        for row in csv.reader(file):
            if len(row) >= 2:
                names[row[0]] = row[1].strip().lower()
    return names


def _scene(
    data: dict[str, Any], name: str, header: Header, things: list[Labelled], unsure: set[str]
) -> Scene:
    return Scene(data["picture"], name, data["source"], header.size, tuple(things), frozenset(unsure))


def _find(name: str, folders: list[Path]) -> Path | None:
    """A picture of the annotations; None if it was not downloaded: few people have all of them."""
    try:
        return find(name, *folders)
    except BadRow:
        return None


def _is_coco(path: Path) -> bool:
    try:
        with open_file(path) as file:
            stream = JsonStream(file, path)
            return stream.peek() == "{" and next(stream.keys(), "") in _COCO_KEYS
    except (OSError, ValueError):
        return False


def _is_open_images(path: Path) -> bool:
    return set(table_header(path, ",")) >= _OPEN_COLUMNS


_DESCRIPTIONS = "*class-descriptions*.csv|*/*class-descriptions*.csv"

COCO = Loader(
    "coco",
    "COCO instances",
    "instances_val2017.json (or train) of the COCO annotations, in `annotations/` beside the folder of"
    " pictures",
    (Layout(("*.json|annotations/*.json",), _coco, _coco_scene, _is_coco),),
)

OPEN_IMAGES = Loader(
    "openimages",
    "Open Images boxes",
    "validation-annotations-bbox.csv (or another split), class-descriptions-boxable.csv and the pictures,"
    " ID.jpg",
    (Layout(("*.csv|*/*.csv", _DESCRIPTIONS), _open_images, _open_scene, _is_open_images),),
)

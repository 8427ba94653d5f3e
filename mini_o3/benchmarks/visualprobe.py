"""VisualProbe (arXiv 2509.07969) as released, read and written: a JSON array of `images, doc_id, problem,
solution, data_source` beside a folder `data`. DeepEyes_train_4K and Mini-o3's copy of V* Bench have the same
layout."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mini_o3.benchmarks.layout import Draft, Job, Layout, Loader, has_keys
from mini_o3.benchmarks.pictures import from_cell
from mini_o3.benchmarks.rows import Record, read_array, read_files, take, take_any, text_of
from mini_o3.episode import SearchTask
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.files import make_folder, write_atomically, write_json
from mini_o3.vision import open_picture

SPLITS = ("train", "easy", "medium", "hard")


def _item(record: Record, job: Job) -> list[Draft]:
    """Paths start with the data set's own folder; copies without that prefix are found too."""
    data, folder = record.data, record.file.parent
    source = str(take_any(data, "data_source") or folder.name.lower())
    split = source.rpartition("_")[2]
    draft = Draft.read(
        from_cell(take(data, "images", "image"), folder.parent, folder),
        str(take(data, "problem")),
        (),
        take(data, "solution"),
        strict=False,
        source=source,
        category=split if split in SPLITS else "",
        name=text_of(data, "doc_id"),
    )
    return [draft]


def write_visualprobe(tasks: Sequence[SearchTask], folder: Path, split: str) -> Path:
    """Write `folder/VisualProbe_SPLIT/` with `val.json` (`train.json` of the training split) and `data/`;
    return the JSON.

    Pictures keep their file names where these are unique; a picture that several tasks share is written once.
    What the
    layout has no field for is left out: target boxes, groups, categories. Options stand in the problem, a
    line each. The file
    is written last, so a folder that has it is complete.

    Raises:
        UserError: the split is unknown, a task has no answer or its picture is not there.
    """
    if split not in SPLITS:
        raise SettingError("split", f"unknown; choose one of {', '.join(SPLITS)}", split)
    source, name = f"visual_probe_{split}", f"VisualProbe_{split if split == 'train' else split.capitalize()}"
    data = make_folder(folder / name / "data")
    written: dict[str, str] = {}
    taken: set[str] = set()
    rows: list[dict[str, Any]] = []
    for number, task in enumerate(tasks, start=1):
        if task.answer is None:
            raise UserError(
                f"task {number} ({task.question[:60]!r}) has no answer; the layout needs a solution for each"
            )
        if task.picture not in written:
            written[task.picture] = _copy(Path(task.picture), data, taken)
        rows.append(
            {
                "images": [f"{name}/data/{written[task.picture]}"],
                "doc_id": task.name or f"{source}_{number}",
                "problem": f"<image>\n{task.asked}",
                "solution": task.answer,
                "data_source": source,
            }
        )
    path = folder / name / ("train.json" if split == "train" else "val.json")
    write_json(path, rows)
    return path


def _copy(picture: Path, data: Path, taken: set[str]) -> str:
    """Copy a picture under its own name, or with a number if another one has that name."""
    name, number = picture.name, 1
    while name in taken:
        number += 1
        name = f"{picture.stem}_{number}{picture.suffix}"
    taken.add(name)
    if not picture.is_file():
        open_picture(picture)  # says what is wrong with it
    if not (data / name).exists() or (data / name).stat().st_size != picture.stat().st_size:
        write_atomically(data / name, lambda part: _copy_file(picture, part))
    return name


def _copy_file(picture: Path, part: Path) -> None:
    shutil.copyfile(picture, part)


LOADER = Loader(
    "visualprobe",
    "VisualProbe",
    "hub data sets Mini-o3/VisualProbe_Easy, _Medium, _Hard and _train, Mini-o3/DeepEyes_train_4K (val.json"
    " or train.json, and data/)",
    (
        Layout(
            ("val.json|train.json|*/val.json|*/train.json",),
            lambda job: read_files(job.files, read_array),
            _item,
            has_keys("images", "problem", "solution"),
        ),
    ),
)

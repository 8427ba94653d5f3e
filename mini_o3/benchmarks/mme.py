"""MME-RealWorld, its Lite and its Chinese version (Zhang et al., arXiv 2408.13257), in the four forms it is
published in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mini_o3.benchmarks.layout import Draft, Job, Layout, Loader, has_columns, has_keys
from mini_o3.benchmarks.options import narrow, read_options
from mini_o3.benchmarks.pictures import Picture, find
from mini_o3.benchmarks.rows import Record, read_array, read_files, take, take_any, text_of
from mini_o3.benchmarks.tables import cell_picture, table_rows

_CHOICES = "multi-choice options"


def _raw(record: Record, job: Job) -> list[Draft]:
    """An item of the first release: pictures are files, fields have names such as `Answer choices`."""
    data, folder = record.data, record.file.parent
    category = "/".join(
        str(value) for key in ("Task", "Subtask", "Category") if (value := take_any(data, key))
    )
    picture = find(str(take(data, "Image")), folder, folder / "imgs", folder / "images", job.root)
    draft = _draft(
        record,
        picture,
        str(take(data, "Text")),
        take(data, "Answer choices"),
        take(data, "Ground truth"),
        category,
    )
    return [draft]


def _encoded(record: Record, job: Job) -> list[Draft]:
    """A row of the Base64 folders, of VLMEvalKit's table, or of lmms-eval's parquet."""
    data = record.data
    second = take_any(data, "l2-category")
    category = "/".join(str(value) for value in (take_any(data, "category"), second) if value)
    choices = take_any(data, _CHOICES) or [data[letter] for letter in "ABCDE" if take_any(data, letter)]
    return [
        _draft(
            record,
            cell_picture(data, job),
            str(take(data, "question")),
            choices,
            take(data, "answer"),
            category,
        )
    ]


def _draft(record: Record, picture: Picture, text: str, choices: Any, answer: Any, category: str) -> Draft:
    options = tuple(narrow(option) for option in read_options(choices))
    return Draft.read(
        picture,
        narrow(text),
        options,
        narrow(str(answer)),
        least=2,
        source=_source(record.file),
        category=_plain(category),
        name=text_of(record.data, "Question_id", "index"),
    )


def _plain(category: str) -> str:
    """`perception/Autonomous Driving` and `Perception/Autonomous_Driving` are one category."""
    task, slash, rest = category.replace(" ", "_").partition("/")
    return task.capitalize() + slash + rest


def _source(file: Path) -> str:
    names = f"{file.parent.name} {file.name}".lower().replace("-", "_")
    return (
        "mme_realworld_cn" if "_cn" in names else "mme_realworld_lite" if "lite" in names else "mme_realworld"
    )


LOADER = Loader(
    "mme",
    "MME-RealWorld",
    "hub data sets yifanzhang114/MME-RealWorld (archives, MME_RealWorld.json),"
    " yifanzhang114/MME-RealWorld-Base64, or the -Lmms-eval versions",
    (
        Layout(
            ("*.json|*/*.json",),
            lambda job: read_files(job.files, read_array),
            _raw,
            has_keys("Question_id", "Image", "Answer choices"),
        ),
        Layout(
            ("*.json|*/*.json",),
            lambda job: read_files(job.files, read_array),
            _encoded,
            has_keys("image", _CHOICES),
        ),
        Layout(("*.tsv|*/*.tsv",), table_rows, _encoded, has_columns("image", "question", _CHOICES)),
        Layout(("*.parquet|*/*.parquet",), table_rows, _encoded, has_columns("bytes", "question", _CHOICES)),
    ),
)

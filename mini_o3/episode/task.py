"""SearchTask: one picture, one question, and what is known about the answer. Everything that asks is turned
into this."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import json_lines, kind_of, made_of, typed
from mini_o3.vision import Region

TASKS_FILE = "tasks.jsonl"
_TRUTH = ("goal", "things", "absent")  # keys of a row that belong to `truth`
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class SearchTask:
    """A question about a picture.

    Attributes:
        picture: path of the picture file; of a question about several the first.
        others: paths of the further pictures of a question about several. Regions are then of the canvas on
            which they all lie (`vision.album`), and `size` is the canvas's.
        question: what is asked, as a person would write it, without its options.
        answer: the expected answer; None when nobody knows it (`mini-o3 ask`). With options: the letter of
            the right one.
        options: texts of a multiple choice, in the order of their letters A, B, ...; empty for an open
            question.
        source, category: benchmark or data set a task was read from, and its own division of it; empty if
            there is none.
        group: tasks that are rotations of one question share it, tasks that are not have none.
        name: what the task is called where it comes from.
        family, level: where a probe comes from; empty for other tasks.
        size: (width, height) of the upright picture in pixels; None if not recorded.
        targets: regions of the original that hold the evidence; empty when unknown.
        truth: what the maker of a probe knows, plain JSON that only `probes` reads; empty for other tasks.
            Only the scripted teacher and the scorer may look at targets and truth; a policy under test sees
            the picture and the question.
    """

    picture: str
    question: str
    answer: str | None = None
    options: tuple[str, ...] = ()
    source: str = ""
    category: str = ""
    group: str = ""
    name: str = ""
    family: str = ""
    level: str = ""
    size: tuple[int, int] | None = None
    targets: tuple[Region, ...] = ()
    truth: Mapping[str, Any] = field(default_factory=dict, hash=False)
    seed: int | None = None
    others: tuple[str, ...] = ()

    @property
    def pictures(self) -> tuple[str, ...]:
        """Paths of all pictures, in their order."""
        return (self.picture, *self.others)

    @property
    def id(self) -> str:
        """Twelve hex digits of the content: the same question about the same file name always has the same
        id."""
        content: list[Any] = [Path(self.picture).name, self.question, self.answer, self.seed]
        content += [list(self.options)] if self.options else []
        content += [[Path(other).name for other in self.others]] if self.others else []
        return hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()[:12]

    @property
    def asked(self) -> str:
        """The question as a policy reads it: its options follow, a line each, as `A. text`."""
        return "\n".join(
            [
                self.question,
                *(f"{letter}. {text}" for letter, text in zip(LETTERS, self.options, strict=False)),
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; regions become [x0, y0, x1, y1] of the original; fractions are rounded to 1e-6."""
        data: dict[str, Any] = {"id": self.id, "picture": self.picture, "question": self.question}
        optional = ("answer", "source", "category", "group", "name", "family", "level", "seed")
        data.update({key: value for key in optional if (value := getattr(self, key)) not in (None, "")})
        if self.others:
            data["pictures"] = list(self.pictures)
        if self.options:
            data["options"] = list(self.options)
        if self.size:
            data["size"] = list(self.size)
        if self.targets:
            data["targets"] = _rounded([region.xyxy for region in self.targets])
        data.update({key: _rounded(value) for key, value in self.truth.items()})
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any], folder: Path | None = None) -> SearchTask:
        """Read what `to_dict` wrote; a relative picture path is taken from `folder`.

        Raises:
            KeyError, TypeError, ValueError: for a row that is not a task.
        """
        named = typed(data, "pictures", list, default=None) or [typed(data, "picture", str)]
        picture, *others = (_beside(folder, path) for path in named)
        words = {
            key: typed(data, key, str, default="")
            for key in ("source", "category", "group", "name", "family", "level")
        }
        question = typed(data, "question", str)
        if not question.strip():
            raise ValueError("question is empty; write what is asked")
        options = tuple(_option(option) for option in typed(data, "options", list, tuple, default=()))
        if len(options) > len(LETTERS):
            raise ValueError(
                f"options are {len(options)}, at most {len(LETTERS)} have a letter; leave some out"
            )
        answer = _answer(typed(data, "answer", str, int, float, type(None), default=None), options)
        size = typed(data, "size", list, tuple, type(None), default=None)
        return cls(
            picture=picture,
            question=question,
            answer=answer,
            options=options,
            size=_size(size) if size else None,
            targets=tuple(Region(*_corners(box)) for box in typed(data, "targets", list, tuple, default=())),
            truth={key: data[key] for key in _TRUTH if key in data},
            seed=typed(data, "seed", int, type(None), default=None),
            others=tuple(others),
            **words,
        )


def read_tasks(folder: str | Path) -> list[SearchTask]:
    """All tasks of a folder that holds `tasks.jsonl` and its pictures.

    Raises:
        UserError: there is no such file, a line of it is not a task, or two ask the same of two pictures of
            one name.
    """
    path = Path(folder) / TASKS_FILE
    if not path.is_file():
        raise UserError(
            f"{path}: no such file; make tasks with `mini-o3 probe make` or `mini-o3 tasks import`"
        )
    tasks: list[SearchTask] = []
    pictures: dict[str, str] = {}
    for line in json_lines(path):
        number, where = line.number, f"{path}, line {line.number}"
        if line.error:
            raise UserError(f"{where}: not a task, {line.error}; remove or mend the line")
        tasks.append(made_of(line.row, where, lambda row: SearchTask.from_dict(row, Path(folder)), "a task"))
        picture = tasks[-1].picture
        if (other := pictures.setdefault(tasks[-1].id, picture)) != picture:
            raise UserError(
                f"{path}, line {number}: asks the same of {picture} as another line of {other}; "
                "pictures are told apart by their file names, so rename one"
            )
    return tasks


def _beside(folder: Path | None, path: Any) -> str:
    """A path of a row, taken from `folder` if it is relative."""
    if not isinstance(path, str):
        raise TypeError(f"pictures should be texts, one is {kind_of(path)}")
    return path if folder is None or Path(path).is_absolute() else str(folder / path)


def _option(value: Any) -> str:
    if not isinstance(value, str | int | float):
        raise TypeError(f"options should be texts, one is {kind_of(value)}")
    return str(value)


def _answer(value: str | float | None, options: Sequence[str]) -> str | None:
    """An answer as text; with options a number that may be the place of one is refused, as is a letter of
    none."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"answer is {value}, which is no answer; write a text, or null if nobody knows it")
    if value is None or not options:
        return None if value is None else str(value)
    if not isinstance(value, str):
        if any(value in (place, place + 1) for place in range(len(options))):
            raise ValueError(
                f"answer is the number {value}, which may be the text or the place of an option; "
                "write its letter in quotes"
            )
        return str(value)
    letter = value.strip().strip("().").upper()
    texts = {option.strip().strip("().").upper() for option in options}
    if len(letter) == 1 and letter in LETTERS[len(options) :] and letter not in texts:
        raise ValueError(f"answer {letter} is the letter of none of the {len(options)} options; correct it")
    return value


def _size(value: Any) -> tuple[int, int]:
    width, height = value
    if not (isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0):
        raise ValueError("size should be [width, height] in pixels")
    return width, height


def _corners(value: Any) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = value
    if not all(isinstance(number, int | float) for number in value):
        raise TypeError("targets should be boxes of four numbers")
    return x0, y0, x1, y1


def _rounded(value: Any) -> Any:
    """JSON with its fractions rounded to 1e-6."""
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value

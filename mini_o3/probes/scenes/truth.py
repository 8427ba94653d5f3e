"""What is known about a scene: every legible thing in it and exactly where, and what each question rests on.

One row of `scenes.jsonl` per picture. Readers, the scripted searcher and the checks work on this; policies
never see it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from mini_o3.episode.task import SearchTask
from mini_o3.kit.errors import UserError
from mini_o3.vision import Rect

SCENES_FILE = "scenes.jsonl"
_PICTURE = re.compile(rb'\{"picture": "(?:[^"]*/)?([^"/]+)"')


@dataclass(frozen=True, slots=True)
class Part:
    """Something legible: a tag, a badge, a plate.

    Attributes:
        what: what it is, as a person would say: `price tag`.
        rect: all of it and nothing else, pixels of the original.
        needs: view pixels per pixel of the original from which on everything on it can be made out, 0..1.
        facts: what can be made out then, by name.
    """

    what: str
    rect: Rect
    needs: float
    facts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Mark:
    """One of many alike: a house, a person, a tag. `parts` are indexes into the scene's parts.

    `afar` is what shows of it however small it is drawn: colour, kind, row.
    """

    kind: str
    afar: dict[str, str]
    parts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Hop:
    """One thing to be found: `aim` are the parts that must be read, `spots` the same parts of all that could
    be it.

    The aim is one of the spots. `look` names what the spots look like.
    """

    look: str
    aim: tuple[int, ...]
    spots: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a scene.

    `guesses` are the answers that the spots of the last hop would give, in their order; `goal` is what to
    find, in a few words; `turns` the least number of turns at the rule's eye; `zooms` how many looks a
    search of everything takes there.
    """

    family: str
    text: str
    answer: str
    goal: str
    hops: tuple[Hop, ...]
    guesses: tuple[str, ...]
    turns: int = 0
    zooms: int = 0

    @property
    def evidence(self) -> tuple[int, ...]:
        """Parts that must be read: first the one that bears the answer, each named once."""
        return tuple(dict.fromkeys(part for hop in reversed(self.hops) for part in hop.aim))


@dataclass(slots=True)
class Scene:
    """A scene: everything about a picture but its pixels."""

    kind: str
    level: str
    seed: int
    size: tuple[int, int]
    parts: list[Part] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    photo: str = ""

    def layout(self) -> str:
        """Sixteen hex digits of what stands where, to a 64th of the picture: the same for scenes that are
        alike."""
        width, height = self.size
        cells = sorted(
            (
                part.what,
                64 * part.rect.left // width,
                64 * part.rect.top // height,
                *sorted(part.facts.items()),
            )
            for part in self.parts
        )
        return hashlib.sha256(repr((self.kind, cells)).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "level": self.level,
            "seed": self.seed,
            "size": list(self.size),
            "photo": self.photo,
            "layout": self.layout(),
            "parts": [[part.what, list(part.rect), round(part.needs, 4), part.facts] for part in self.parts],
        }


def question_dict(question: Question) -> dict[str, Any]:
    return {
        "family": question.family,
        "question": question.text,
        "answer": question.answer,
        "goal": question.goal,
        "hops": [
            {"look": hop.look, "aim": list(hop.aim), "spots": [list(spot) for spot in hop.spots]}
            for hop in question.hops
        ],
        "guesses": list(question.guesses),
        "turns": question.turns,
        "zooms": question.zooms,
    }


def read_parts(row: dict[str, Any]) -> list[Part]:
    """The parts of a row of `scenes.jsonl`."""
    return [Part(what, Rect(*rect), needs, facts) for what, rect, needs, facts in row["parts"]]


class SceneFile:
    """What is known about the questions of one folder of a set; rows are read when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / SCENES_FILE
        self.starts: dict[str, int] = {}
        start = 0
        with self.path.open("rb") as file:
            for line in file:
                picture = _PICTURE.match(line)
                if picture:
                    self.starts[picture[1].decode()] = start
                start += len(line)

    @property
    def pictures(self) -> list[str]:
        """The pictures of the set, as its tasks name them."""
        return [f"pictures/{name}" for name in self.starts]

    def of(self, picture: str, question: str) -> tuple[list[Part], Question]:
        """The parts of the scene of a picture (its file's name counts), and a question about it.

        Raises:
            KeyError: the set has no such picture or asks no such question about it.
        """
        parts, questions = self._row(Path(picture).name)
        return parts, questions[question]

    @lru_cache(maxsize=8)  # noqa: B019 - lives as long as the few objects of this class
    def _row(self, name: str) -> tuple[list[Part], dict[str, Question]]:
        with self.path.open("rb") as file:
            file.seek(self.starts[name])
            row = json.loads(file.readline())
        return read_parts(row), {data["question"]: read_question(data) for data in row["questions"]}


def read_question(data: dict[str, Any]) -> Question:
    """What `question_dict` wrote."""
    hops = tuple(
        Hop(hop["look"], tuple(hop["aim"]), tuple(tuple(spot) for spot in hop["spots"]))
        for hop in data["hops"]
    )
    return Question(
        data["family"],
        data["question"],
        data["answer"],
        data["goal"],
        hops,
        tuple(data["guesses"]),
        data["turns"],
        data["zooms"],
    )


def tasks_folder(picture: Path) -> Path:
    """Where the tasks about a picture lie: beside it, or for a scene in the folder above."""
    above = picture.parent.parent
    return above if (above / SCENES_FILE).is_file() else picture.parent


def truth_of(task: SearchTask) -> tuple[list[Part], Question]:
    """What is known about a task: the parts of its scene, and its question.

    Raises:
        UserError: what is known about it is not where the build put it.
    """
    folder = Path(task.picture).parent.parent
    try:
        return _scene_file(folder).of(task.picture, task.question)
    except (OSError, KeyError):
        raise UserError(
            f"{task.picture}: {folder / SCENES_FILE} says nothing of it; keep the files of a set together"
        ) from None


@lru_cache(maxsize=4)
def _scene_file(folder: Path) -> SceneFile:
    return SceneFile(folder)

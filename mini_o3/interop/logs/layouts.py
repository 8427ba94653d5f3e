"""Layouts of other people's logs: which one a file has, and what each says of question, turns, picture and
score.

| layout | told by | pictures |
| --- | --- | --- |
| Mini-o3 | `traj.jsonl`: a line with `initial_prompt`, then lines with `text_output`, `error_info` |
`original_image.jpg` |
| OpenAI messages | a list of `{role, content}`, or `{"messages": ...}`, .json or .jsonl | data URLs or paths
in them |
| verl rollouts | lines with `input`, `output`, `gts`, `score` (`trainer.rollout_data_dir`) | none: they must
be given |
| episodes | our own `episodes.jsonl` | paths in the records |

(`reference`: Mini-o3 section 1.7; peers section 2.) All is read as data: no picture is fetched from anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mini_o3.interop.logs.chat import (
    NotAChat,
    Said,
    question_of,
    read_messages,
    read_rollout,
    split_chat,
    texts_of,
)
from mini_o3.interop.logs.pictures import Pictures
from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import json_lines, read_json

TRAJ_FILE = "traj.jsonl"
FIGURES = ("stats.json", "metrics.json")
_PICTURE_KEYS = ("images", "image", "image_path", "picture", "doc_id", "index", "id", "uid")
LAYOUTS = (
    "a folder with episodes.jsonl, a Mini-o3 traj.jsonl or a folder of them, OpenAI messages, or a verl dump"
)


@dataclass(frozen=True)
class Recorded:
    """One search as a log tells it.

    Attributes:
        where: file and line (or record), for messages.
        question, texts: what was asked, and the policy's turns, word for word.
        picture: file with the original picture.
        expected: the right answer, if the log knows it.
        score: the log's own score of the answer; None if it has none.
        name: what tells its task from others that have the same question; searches with equal names are
            samples of a task.
        observations: how many there were, if the log tells.
        notes: what a reader should know of this log, a sentence each.
    """

    where: str
    question: str
    texts: tuple[str, ...]
    picture: Path
    expected: str | None = None
    score: float | None = None
    name: str = ""
    observations: int | None = None
    notes: tuple[str, ...] = ()


def files_of(log: Path) -> tuple[str, list[Path]]:
    """The name of the layout and the files that are in it.

    Raises:
        UserError: there is nothing there that is known.
    """
    if log.is_file():
        return _layout(log), [log]
    if not log.is_dir():
        raise UserError(f"{log}: no such file or folder; give {LAYOUTS}")
    found = sorted(log.rglob(TRAJ_FILE), key=lambda path: _by_number(path.parent.name))
    if found:
        return "Mini-o3", found
    found = sorted(log.glob("*.jsonl"), key=lambda path: _by_number(path.stem))
    found = [path for path in found if _layout(path, strict=False) == "verl"]
    if found:
        return "verl", found
    raise UserError(f"{log}: no log in it that can be read; give {LAYOUTS}")


def read_records(layout: str, path: Path, pictures: Pictures) -> Iterator[Recorded]:
    """The searches of one file.

    Raises:
        UserError: a line cannot be read, or its picture is not known; names the file and the line.
    """
    readers = {"Mini-o3": _traj, "messages": _messages, "verl": _verl}
    yield from readers[layout](path, pictures)


def _layout(path: Path, *, strict: bool = True) -> str:
    """Which layout a file has, by its first record."""
    try:
        first = next((row for _, row in _records(path)), None)
    except UserError:
        if strict:
            raise
        return ""
    if isinstance(first, dict):
        if "initial_prompt" in first or path.name == TRAJ_FILE:
            return "Mini-o3"
        if {"task_id", "turns"} <= set(first):
            return "episodes"
        if {"input", "output"} <= set(first):
            return "verl"
        if "messages" in first or "conversations" in first:
            return "messages"
    if strict:
        raise UserError(f"{path}, record 1: of no layout that is known; give {LAYOUTS}")
    return ""


def _records(path: Path) -> Iterator[tuple[str, Any]]:
    """Where and what: every line of a .jsonl file; of a .json file the conversation, or every one in its
    list."""
    if path.suffix == ".json":
        data = read_json(path)
        if isinstance(data, list) and data and isinstance(data[0], dict) and {"role", "from"} & set(data[0]):
            data = [{"messages": data}]
        for number, row in enumerate(data if isinstance(data, list) else [data], start=1):
            yield f"{path}, record {number}", row
        return
    for line in json_lines(path):
        if line.error:
            raise UserError(f"{path}, line {line.number}: {line.error}; mend or remove the line")
        yield f"{path}, line {line.number}", line.row


def _traj(path: Path, pictures: Pictures) -> Iterator[Recorded]:
    """A new search begins at every line with a prompt: the released code appends searches with equal ids to
    one file."""
    heads: list[tuple[str, dict[str, Any], list[str], list[str]]] = []
    last = -1
    for where, row in _records(path):
        if not isinstance(row, dict):
            raise UserError(f"{where}: not an object")
        if "initial_prompt" in row:
            heads.append((where, row, [], []))
            last = -1
        elif not heads:
            raise UserError(
                f"{where}: comes before a line with initial_prompt; is that a Mini-o3 {TRAJ_FILE}?"
            )
        _, _, texts, notes = heads[-1]
        if "text_output" in row:
            if not isinstance(row["text_output"], str):
                raise UserError(f"{where}: text_output is not text")
            texts.append(row["text_output"])
            turn = row.get("turn_idx")
            if isinstance(turn, int) and turn <= last:
                notes.append("The turns are not in order: several searches wrote into this file.")
            last = turn if isinstance(turn, int) else last
        if row.get("error_info"):
            notes.append(f"The log tells of an error: {row['error_info']}")
    if not heads:
        raise UserError(f"{path}, line 1: the log is empty")
    for where, head, texts, notes in heads:
        if not texts:
            raise UserError(f"{where}: no turn follows (no line with text_output)")
        prompt = head["initial_prompt"]
        chat = (
            _chat(where, prompt)
            if isinstance(prompt, list)
            else split_chat(str(prompt)) or [Said("user", str(prompt))]
        )
        if len(heads) > 1:
            notes.append(f"{len(heads)} searches share this file; the pictures are those of the last.")
        seen = len(list(path.parent.glob("observation_*_original_image.jpg")))
        name = str(head.get("doc_id", path.parent.name))
        yield Recorded(
            where,
            question_of(chat),
            tuple(texts),
            pictures.find(where, ("original_image.jpg",), path.parent, name),
            _text(head.get("ground_truth")),
            _score(head),
            name,
            seen if len(heads) == 1 and seen else None,
            tuple(dict.fromkeys(notes)),
        )


def _messages(path: Path, pictures: Pictures) -> Iterator[Recorded]:
    for number, (where, row) in enumerate(_records(path), start=1):
        if not isinstance(row, dict):
            raise UserError(f"{where}: not an object with messages")
        chat = _chat(where, row.get("messages", row.get("conversations")))
        if not texts_of(chat):
            raise UserError(f"{where}: nobody answers in it (no message of the assistant)")
        shown = [picture for said in chat if said.role == "user" for picture in said.pictures]
        named = [str(image) for image in row.get("images") or () if isinstance(image, str)]
        yield Recorded(
            where,
            question_of(chat),
            texts_of(chat),
            pictures.find(where, (*shown, *named)[:1], path.parent, *_names(row), str(number)),
            _text(row.get("ground_truth", row.get("answer", row.get("solution")))),
            _score(row),
        )


def _verl(path: Path, pictures: Pictures) -> Iterator[Recorded]:
    for number, (where, row) in enumerate(_records(path), start=1):
        if not (
            isinstance(row, dict) and isinstance(row.get("input"), str) and isinstance(row.get("output"), str)
        ):
            raise UserError(f"{where}: no rollout, which has the texts input and output")
        chat = read_rollout(row["input"], row["output"])
        named = tuple(name for name in _names(row) if "." in name)
        yield Recorded(
            where,
            question_of(chat),
            texts_of(chat),
            pictures.find(where, named, path.parent, *_names(row), str(number)),
            _text(row.get("gts", row.get("ground_truth"))),
            _score(row),
        )


def _chat(where: str, messages: Any) -> list[Said]:
    try:
        return read_messages(messages)
    except NotAChat as error:
        raise UserError(f"{where}: {error}") from None


def _names(row: dict[str, Any]) -> tuple[str, ...]:
    """Whatever may be the name of a record's picture."""
    found = [row[key] for key in _PICTURE_KEYS if row.get(key) is not None]
    found = [part for one in found for part in (one if isinstance(one, list) else [one])]
    return tuple(str(one) for one in found if isinstance(one, str | int))


def _text(value: Any) -> str | None:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("ground_truth", value)
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _score(row: dict[str, Any]) -> float | None:
    """Whether the answer was right, if the log says that; else its reward, which may count other things as
    well."""
    value = next(
        (row[key] for key in ("acc", "correct", "score") if isinstance(row.get(key), bool | int | float)),
        None,
    )
    return None if value is None else float(value)


def _by_number(name: str) -> tuple[tuple[int, str], ...]:
    """So that 2 comes before 10."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in name.replace("_", " ").split())

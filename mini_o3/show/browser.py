"""The data of a report's episode browser: which episodes, what is told of each, and their pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mini_o3.episode import Episode, StopReason, Turn
from mini_o3.evaluate.metrics import Judged
from mini_o3.kit.errors import UserError
from mini_o3.protocol import Answer, Malformed
from mini_o3.show.page import zoom_words
from mini_o3.vision import Picture, Rect, load_picture
from mini_o3.vision.draw import data_url, shrink

PICTURE_BYTES, CROP_BYTES = 20_000_000, 8_000_000  # on the whole page, as data URLs
_TEXT_CHARACTERS = 6_000_000  # on the whole page
_SIDES, _CROP_SIDES = (1400, 1100, 800, 560, 400), (280, 200, 140)  # longest sides to try, in pixels
_LEAST_TEXT, _MOST_TEXT = 300, 20_000  # characters of one turn

#: What episodes can be filtered by: name -> what it says on the page.
TAGS = {
    "wrong": "wrong",
    "right": "right",
    "unjudged": "unjudged",
    "over-turn": "over-turn",
    "void": "void",
    "malformed": "malformed turns",
}


def choose(rows: Sequence[Judged], most: int) -> list[Judged]:
    """At most `most` rows: the wrong ones first, then the unjudged, then the right ones, each in order."""
    return sorted(rows, key=lambda row: row.verdict.is_correct + (not row.verdict.is_judged) * 0.5)[:most]


def tags_of(row: Judged) -> list[str]:
    """The names in `TAGS` that hold for an episode; exactly one of them is the verdict."""
    verdict = "unjudged" if not row.verdict.is_judged else "right" if row.verdict.is_correct else "wrong"
    also = {
        "over-turn": row.episode.is_over_turn,
        "void": row.episode.stop is StopReason.VOID,
        "malformed": any(turn.malformed for turn in row.episode.turns),
    }
    return [verdict, *(name for name, is_so in also.items() if is_so)]


def entries(rows: Sequence[Judged], crops: bool) -> Iterator[dict[str, Any]]:
    """What the page knows of each row, JSON-ready. Boxes are [left, top, right, bottom] in pixels of the
    original.

    Texts are cut to an equal share of what a page may hold. `crops` is False if the policy was not shown
    what it asked for.
    """
    turns = sum(row.episode.num_turns for row in rows)
    length = min(max(_TEXT_CHARACTERS // max(turns, 1), _LEAST_TEXT), _MOST_TEXT)
    for number, (task, episode, verdict) in enumerate(rows):
        yield {
            "n": number,
            "task": episode.task_id,
            "seed": episode.seed,
            "kind": task.category or task.family,
            "picture": Path(episode.picture).name,
            "size": list(episode.size),
            "question": _cut(episode.question, _MOST_TEXT),
            "expected": episode.expected,
            "answer": None if episode.answer is None else _cut(episode.answer, length),
            "reason": verdict.reason,
            "ending": ending(episode),
            "tags": tags_of(Judged(task, episode, verdict)),
            "targets": [list(target.to_rect(Rect(0, 0, *episode.size))) for target in task.targets],
            "notes": [str(note) for note in episode.meta.get("notes", ())],
            "where": str(episode.meta.get("where", "")),
            "turns": [_turn(turn, length, crops) for turn in episode.turns],
        }


def ending(episode: Episode) -> str:
    """In words, how an episode ended."""
    words = episode.stop.value.replace("_", " ")
    return f"{words}: {episode.error}" if episode.error else words


class Album:
    """Pictures and crops as data URLs within the page's budget; each file is opened once.

    `left_out` counts the pictures that cannot be opened or for which there is no room.
    """

    def __init__(self, rows: Sequence[Judged], crops: bool) -> None:
        self.rows, self.crops, self.left_out = rows, crops, 0
        self.by_path: dict[str, list[int]] = {}
        for number, row in enumerate(rows):
            self.by_path.setdefault(row.episode.picture, []).append(number)

    def __len__(self) -> int:
        return len(self.by_path)

    def __iter__(self) -> Iterator[list[tuple[str, str]]]:
        """For every file its data blocks (name, text), with one picture in memory at a time.

        `picture-N` is a data URL for episode N, or the name of the block that holds the same picture;
        `crop-N-T` is the observation of its turn T, counted from 1. A file that cannot be opened has none.
        """
        zooms = sum(turn.rect is not None for row in self.rows for turn in row.episode.turns)
        pictures = _Shares(PICTURE_BYTES, len(self.by_path), _SIDES)
        crops = _Shares(CROP_BYTES, zooms, _CROP_SIDES)
        known: dict[str, str] = {}  # hash of a file -> its block; copies of a file are packed once
        for path, numbers in self.by_path.items():
            blocks: list[tuple[str, str]] = []
            try:
                digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
                original = None if digest in known and not self.crops else load_picture(path)
            except (OSError, UserError):
                self.left_out += 1
                yield blocks
                continue
            if digest not in known and original and (url := pictures.pack(original)) is not None:
                known[digest] = f"picture-{numbers[0]}"
                blocks.append((known[digest], url))
            if digest in known:
                blocks += [
                    (f"picture-{n}", known[digest]) for n in numbers if f"picture-{n}" != known[digest]
                ]
            else:
                self.left_out += 1
            if self.crops and original is not None:
                blocks += self._crops(original, numbers, crops)
            yield blocks

    def _crops(self, original: Picture, numbers: Sequence[int], shares: _Shares) -> list[tuple[str, str]]:
        blocks = []
        for number in numbers:
            for turn, one in enumerate(self.rows[number].episode.turns, start=1):
                if one.rect is not None and (url := shares.pack(original, one.rect)) is not None:
                    blocks.append((f"crop-{number}-{turn}", url))
        return blocks


class _Shares:
    """A budget of bytes for a number of pictures: each gets an equal share of what is left."""

    def __init__(self, budget: int, count: int, sides: Sequence[int]) -> None:
        self.budget, self.count, self.sides = budget, count, sides

    def pack(self, picture: Picture, rect: Rect | None = None) -> str | None:
        """A data URL of the picture or a part of it, as large as its share allows; None if nothing fits."""
        share = self.budget / max(self.count, 1)
        self.count -= 1
        view = picture.thumbnail(self.sides[0], rect)
        for side in self.sides:
            view = shrink(view, side)
            url = data_url(view, quality=80)
            if len(url) <= share:
                break
        if len(url) > self.budget:
            return None
        self.budget -= len(url)
        return url


def script_json(data: Any) -> str:
    """JSON for a script element: no text in it can end the element or begin a comment."""
    text = json.dumps(data, ensure_ascii=False)
    text = text.encode("utf-8", "backslashreplace").decode()  # lone surrogates become \\udcXX, which is JSON
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


def _turn(turn: Turn, length: int, crops: bool) -> dict[str, Any]:
    data: dict[str, Any] = {"thought": _cut(turn.thought, length)}
    action = turn.action
    if isinstance(action, Malformed):
        data.update(fault=action.kind.value, detail=action.detail, text=_cut(turn.text, length))
    elif isinstance(action, Answer):
        data["answer"] = _cut(action.text, length)
    else:
        data["zoom"] = zoom_words(action)
    if turn.rect is not None and turn.shown is not None:
        data.update(box=list(turn.rect), shown=list(turn.shown), observation=turn.observation, crop=crops)
    return data


def _cut(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    return f"{text[:length]} [{len(text) - length} more characters are not on this page]"

"""The data of a report's episode browser: which episodes, what is told of each, and their pictures."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from mini_o3.episode import Episode, StopReason, Turn
from mini_o3.evaluate.metrics import Judged
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import make_folder
from mini_o3.protocol import Answer, Malformed
from mini_o3.show.page import zoom_words
from mini_o3.show.result import confidence_of
from mini_o3.vision import Picture, Rect, load_pictures
from mini_o3.vision.draw import data_url, shrink

PICTURE_BYTES, CROP_BYTES = 9_000_000, 4_000_000  # on the whole page, as data URLs
_FIRST = 60  # pictures that share what there is; the others lie beside the page once it is used up
_TEXT_CHARACTERS = 4_000_000  # on the whole page
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


_PACKED = re.compile(r"picture-\d+\.jpg|crop-\d+-\d+\.jpg")


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
            "picture": ", ".join(Path(one).name for one in episode.pictures),
            "size": list(episode.size),
            "question": _cut(episode.question, _MOST_TEXT),
            "expected": episode.expected,
            "evidence": _rect_of(episode),
            "confidence": confidence_of(episode),
            "answer": None if episode.answer is None else _cut(episode.answer, length),
            "reason": verdict.reason,
            "ending": ending(episode),
            "tags": tags_of(Judged(task, episode, verdict)),
            "targets": [list(target.to_rect(Rect(0, 0, *episode.size))) for target in task.targets],
            "notes": [str(note) for note in episode.meta.get("notes", ())],
            "where": str(episode.meta.get("where", "")),
            "turns": [_turn(turn, length, crops, episode.first_views) for turn in episode.turns],
        }


def _rect_of(episode: Episode) -> list[int] | None:
    region = episode.evidence
    return None if region is None else list(region.to_rect(Rect(0, 0, *episode.size)))


def ending(episode: Episode) -> str:
    """In words, how an episode ended."""
    words = episode.stop.value.replace("_", " ")
    return f"{words}: {episode.error}" if episode.error else words


class Album:
    """Pictures and crops: as data URLs within the page's budget, then as files in a folder.

    Each is opened once. `left_out` counts those that cannot be opened, `beside` the files in the folder.
    """

    def __init__(self, rows: Sequence[Judged], crops: bool, folder: Path) -> None:
        self.rows, self.crops, self.folder, self.left_out, self.beside = rows, crops, folder, 0, 0
        self.by_path: dict[tuple[str, ...], list[int]] = {}
        for number, row in enumerate(rows):
            self.by_path.setdefault(row.episode.pictures, []).append(number)

    def __len__(self) -> int:
        return len(self.by_path)

    def __iter__(self) -> Iterator[list[tuple[str, str]]]:
        """For every file its data blocks (name, text), with one picture in memory at a time.

        `picture-N` is where the picture of episode N is: a data URL, a file in the folder, or the name of the
        block that holds the same picture; `crop-N-T` is where the observation of its turn T is, counted from
        1. A file that cannot be opened has none.
        """
        for old in self.folder.glob("*.jpg"):
            if _PACKED.fullmatch(old.name):
                old.unlink()  # of an earlier report
        zooms = sum(turn.rect is not None for row in self.rows for turn in row.episode.turns)
        pictures = _Shares(PICTURE_BYTES, len(self.by_path), _SIDES)
        crops = _Shares(CROP_BYTES, zooms, _CROP_SIDES)
        known: dict[str, str] = {}  # hash of a file -> its block; copies of a file are packed once
        for paths, numbers in self.by_path.items():
            blocks: list[tuple[str, str]] = []
            try:
                digest = hashlib.sha256(b"".join(Path(path).read_bytes() for path in paths)).hexdigest()
                original = None if digest in known and not self.crops else load_pictures(paths)
            except (OSError, UserError):
                self.left_out += 1
                yield blocks
                continue
            if digest not in known and original:
                known[digest] = f"picture-{numbers[0]}"
                blocks.append((known[digest], self._place(known[digest], original, pictures)))
            blocks += [(f"picture-{n}", known[digest]) for n in numbers if f"picture-{n}" != known[digest]]
            if self.crops and original is not None:
                blocks += self._crops(original, numbers, crops)
            yield blocks

    def _crops(self, original: Picture, numbers: Sequence[int], shares: _Shares) -> list[tuple[str, str]]:
        return [
            (name := f"crop-{number}-{turn}", self._place(name, original, shares, one.rect))
            for number in numbers
            for turn, one in enumerate(self.rows[number].episode.turns, start=1)
            if one.rect is not None
        ]

    def _place(self, name: str, picture: Picture, shares: _Shares, rect: Rect | None = None) -> str:
        """A data URL, or where the file that was written to the folder is, seen from the page."""
        view = picture.thumbnail(shares.sides[0], rect).convert("RGB")
        url = shares.pack(view)
        if url is not None:
            return url
        self.beside += 1
        view.info = {}
        view.save(make_folder(self.folder) / f"{name}.jpg", "JPEG", quality=80)
        return f"{quote(self.folder.name)}/{name}.jpg"


class _Shares:
    """A budget of bytes for a number of pictures: the first get an equal share each, while it lasts."""

    def __init__(self, budget: int, count: int, sides: Sequence[int]) -> None:
        self.budget, self.count, self.sides = budget, min(count, _FIRST), sides

    def pack(self, picture: Image.Image) -> str | None:
        """A data URL of the picture, as large as its share allows; None if nothing is left for it."""
        share = self.budget / max(self.count, 1)
        self.count -= 1
        for side in self.sides:
            view = shrink(picture, side)
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


def _turn(turn: Turn, length: int, crops: bool, pictures: int) -> dict[str, Any]:
    data: dict[str, Any] = {"thought": _cut(turn.thought, length)}
    action = turn.action
    if isinstance(action, Malformed):
        data.update(fault=action.kind.value, detail=action.detail, text=_cut(turn.text, length))
    elif isinstance(action, Answer):
        data["answer"] = _cut(action.text, length)
    else:
        data["zoom"] = zoom_words(action, pictures)
    if turn.rect is not None and turn.shown is not None:
        data.update(box=list(turn.rect), shown=list(turn.shown), observation=turn.observation, crop=crops)
    return data


def _cut(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    return f"{text[:length]} [{len(text) - length} more characters are not on this page]"

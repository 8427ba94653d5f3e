"""The Mini-o3 dialect: text to action and back.

It is stricter than the released system, which takes the last of several calls, ignores an answer beside a
call, clips boxes and reads `observation_2abc` as 2 (`reference`: Mini-o3 sections 1.2-1.4). Here each of
these costs the turn and is explained.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

from mini_o3.protocol.actions import TAGS, Action, Answer, Fault, Zoom, frame_of, is_number, source_name
from mini_o3.protocol.dialects.base import Dialect, Frame, pictures_in
from mini_o3.protocol.dialects.reading import refuse, write_answer, write_thought
from mini_o3.vision import Region

_ACTION = re.compile(r"<(grounding|answer)>")
_SOURCE = re.compile(r"original_image|(?:image|observation)_[1-9][0-9]{0,3}")
_EXAMPLE = '<grounding>{"bbox_2d": [0.1, 0.2, 0.3, 0.4], "source": "original_image"}</grounding>'


@dataclass(frozen=True)
class MiniO3(Dialect):
    """Boxes are fractions of the source; the session says whether that source exists."""

    profile: ClassVar[str] = "search"
    ends: ClassVar[tuple[str, ...]] = ("</grounding>", "</answer>")
    picture_label: ClassVar[str] = "image_{number}: "
    several: ClassVar[str] = (
        "There are {count} pictures. In place of original_image the sources are image_1 to image_{count}."
    )

    def _read(self, text: str, frames: Sequence[Frame], finished: bool) -> Zoom | Answer:
        return _read(text, pictures_in(frames))

    def _write(self, action: Zoom | Answer, frames: Sequence[Frame]) -> str:
        return (
            write_answer(action) if isinstance(action, Answer) else _write_zoom(action, pictures_in(frames))
        )

    def _region_of(self, arguments: dict[str, Any], frames: Sequence[Frame]) -> Region:
        pictures = pictures_in(frames)
        region = _region({"source": source_name(0, pictures), **arguments}, pictures)
        if frames and region.frame >= len(frames):
            refuse(Fault.UNKNOWN_SOURCE, f"There is no {source_name(region.frame, pictures)}.")
        return region

    def _box_of(self, region: Region, frames: Sequence[Frame]) -> dict[str, Any]:
        return {"bbox_2d": list(region.xyxy), "source": source_name(region.frame, pictures_in(frames))}


_DIALECT = MiniO3("mini_o3")


def parse(text: str) -> Action:
    """The one action that `text`, a policy's whole turn, stands for.

    Any text gives an action; nothing is evaluated and nothing is raised. Before the action may stand a
    thought, in think tags or without. The region of a `Zoom` has the frame that its source names; whether
    that observation exists is for the session to say.
    """
    return _DIALECT.parse(text, ())


def format_action(action: Zoom | Answer, pictures: int = 1) -> str:
    """The canonical text of an action in an episode that began with so many pictures; with one of them
    `parse(format_action(a)) == a`.

    Raises:
        ValueError: the words of an answer would be misread.
    """
    if isinstance(action, Zoom):
        return _write_zoom(action, pictures)
    return _DIALECT.format_action(action, ())


def _write_zoom(action: Zoom, pictures: int) -> str:
    box = ", ".join(_number(value) for value in action.region.xyxy)
    call = f'{{"bbox_2d": [{box}], "source": "{source_name(action.region.frame, pictures)}"}}'
    return f"{write_thought(action)}<grounding>{call}</grounding>"


def _read(text: str, pictures: int) -> Zoom | Answer:
    start, thought = _thought(text)
    opening = _ACTION.search(text, start)
    if opening is None:
        detail = "There is no <grounding> and no <answer> in your turn; end it with exactly one of them."
        refuse(Fault.NO_ACTION, detail)
    name, closing = opening.group(1), f"</{opening.group(1)}>"
    if thought is None:
        thought = text[: opening.start()].strip()
        start = opening.start()
    between = text[start : opening.start()].strip()
    if between or any(tag in thought for tag in TAGS):
        detail = "Put your whole thought into one pair of <think> and </think>, right before the action."
        refuse(Fault.BAD_THOUGHT, detail)
    end = text.find(closing, opening.end())
    if _ACTION.search(text, opening.end()):
        refuse(Fault.SEVERAL_ACTIONS, "There is more than one action in your turn; give exactly one.")
    if end < 0:
        refuse(Fault.UNFINISHED, f"The closing {closing} is missing.")
    if text[end + len(closing) :].strip():
        refuse(Fault.TRAILING_TEXT, f"There is text after {closing}; end your turn there.")
    content = text[opening.end() : end].strip()
    return _answer(content, thought) if name == "answer" else _zoom(content, thought, pictures)


def _thought(text: str) -> tuple[int, str | None]:
    """Where the thought ends and what it says; None for a thought that is not in tags."""
    lead = len(text) - len(text.lstrip())
    if not text.startswith("<think>", lead):
        return 0, None
    end = text.find("</think>", lead)
    if end < 0:
        refuse(Fault.UNFINISHED, "The closing </think> is missing.")
    return end + len("</think>"), text[lead + len("<think>") : end].strip()


def _answer(content: str, thought: str) -> Answer:
    if not content:
        refuse(Fault.EMPTY_ANSWER, "The answer is empty.")
    if any(tag in content for tag in TAGS):
        refuse(Fault.SEVERAL_ACTIONS, "There is a tag inside your answer; give only the answer's text.")
    return Answer(content, thought)


def _zoom(content: str, thought: str, pictures: int) -> Zoom:
    try:
        call = json.loads(content, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        refuse(Fault.BAD_JSON, f"The grounding is not valid JSON; write it like {_EXAMPLE}.")
    if not isinstance(call, dict) or set(call) != {"bbox_2d", "source"}:
        detail = f"The grounding needs exactly the fields bbox_2d and source, like {_EXAMPLE}."
        refuse(Fault.BAD_FIELDS, detail)
    return Zoom(_region(call, pictures), thought)


def _region(call: dict[str, Any], pictures: int) -> Region:
    """The region that `bbox_2d` and `source` name."""
    box, source = call["bbox_2d"], call["source"]
    if not (isinstance(box, list) and len(box) == 4 and all(is_number(value) for value in box)):
        refuse(Fault.BAD_BOX, "bbox_2d must be a list of four numbers [x0, y0, x1, y1].")
    x0, y0, x1, y1 = (float(value) for value in box)
    if not all(0.0 <= value <= 1.0 for value in (x0, y0, x1, y1)):
        detail = "Coordinates are fractions of the source's width and height, from 0 to 1, not pixels."
        refuse(Fault.OUTSIDE, detail)
    if x1 <= x0 or y1 <= y0:
        refuse(Fault.EMPTY_BOX, "The box is empty: x0 must be less than x1, and y0 less than y1.")
    try:
        frame = frame_of(source if _SOURCE.fullmatch(source) else "", pictures)
    except (TypeError, ValueError):
        first = "original_image" if pictures == 1 else f"image_1 to image_{pictures}"
        detail = f"source must be {first} or observation_i with the number of an observation."
        refuse(Fault.BAD_SOURCE, detail)
    return Region(x0, y0, x1, y1, frame)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a field is given twice")
    return dict(pairs)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _number(value: float) -> str:
    """Two decimals where that is exact, else as many as it takes."""
    short = f"{value:.2f}"
    return short if float(short) == value else repr(float(value))

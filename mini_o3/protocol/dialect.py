"""The Mini-o3 dialect: text to action and back.

`parse` is total: any string gives `Zoom | Answer | Malformed`, nothing is evaluated, nothing is raised. It is
stricter than the released system, which takes the last of several calls, ignores an answer beside a call,
clips boxes and reads `observation_2abc` as 2 (`reference`: Mini-o3 sections 1.2-1.4): here each of these
costs the turn and is explained.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from mini_o3.protocol.actions import TAGS, Action, Answer, Fault, Malformed, Zoom, is_number, source_name
from mini_o3.vision import Region

_ACTION = re.compile(r"<(grounding|answer)>")
_SOURCE = re.compile(r"original_image|observation_([1-9][0-9]{0,3})")
_EXAMPLE = '<grounding>{"bbox_2d": [0.1, 0.2, 0.3, 0.4], "source": "original_image"}</grounding>'


def parse(text: str) -> Action:
    """The one action that `text`, a policy's whole turn, stands for.

    Before the action may stand a thought, in think tags or bare. A `Zoom`'s region has the frame its source
    names; whether that observation exists is the session's to say.
    """
    try:
        return _parse(text)
    except _Refused as refused:
        return Malformed(refused.kind, refused.detail)


def format_action(action: Zoom | Answer) -> str:
    """The canonical text of an action; `parse(format_action(a)) == a`."""
    thought = f"<think>{action.thought}</think>"
    if isinstance(action, Answer):
        return f"{thought}<answer>{action.text}</answer>"
    box = ", ".join(_number(value) for value in action.region.xyxy)
    return (
        f'{thought}<grounding>{{"bbox_2d": [{box}], "source":'
        f' "{source_name(action.region.frame)}"}}</grounding>'
    )


class _Refused(Exception):
    def __init__(self, kind: Fault, detail: str) -> None:
        self.kind, self.detail = kind, detail


def _refuse(kind: Fault, detail: str) -> NoReturn:
    raise _Refused(kind, detail)


def _parse(text: str) -> Zoom | Answer:
    start, thought = _thought(text)
    opening = _ACTION.search(text, start)
    if opening is None:
        _refuse(
            Fault.NO_ACTION,
            "There is no <grounding> and no <answer> in your turn; end it with exactly one of them.",
        )
    name, closing = opening.group(1), f"</{opening.group(1)}>"
    if thought is None:
        thought = text[: opening.start()].strip()
        start = opening.start()
    between = text[start : opening.start()].strip()
    if between or any(tag in thought for tag in TAGS):
        _refuse(
            Fault.BAD_THOUGHT,
            "Put your whole thought into one pair of <think> and </think>, right before the action.",
        )
    end = text.find(closing, opening.end())
    if _ACTION.search(text, opening.end()):
        _refuse(Fault.SEVERAL_ACTIONS, "There is more than one action in your turn; give exactly one.")
    if end < 0:
        _refuse(Fault.UNFINISHED, f"The closing {closing} is missing.")
    if text[end + len(closing) :].strip():
        _refuse(Fault.TRAILING_TEXT, f"There is text after {closing}; end your turn there.")
    content = text[opening.end() : end].strip()
    return _answer(content, thought) if name == "answer" else _zoom(content, thought)


def _thought(text: str) -> tuple[int, str | None]:
    """Where the thought ends and what it says; None for a thought that is not in tags."""
    lead = len(text) - len(text.lstrip())
    if not text.startswith("<think>", lead):
        return 0, None
    end = text.find("</think>", lead)
    if end < 0:
        _refuse(Fault.UNFINISHED, "The closing </think> is missing.")
    return end + len("</think>"), text[lead + len("<think>") : end].strip()


def _answer(content: str, thought: str) -> Answer:
    if not content:
        _refuse(Fault.EMPTY_ANSWER, "The answer is empty.")
    if any(tag in content for tag in TAGS):
        _refuse(Fault.SEVERAL_ACTIONS, "There is a tag inside your answer; give only the answer's text.")
    return Answer(content, thought)


def _zoom(content: str, thought: str) -> Zoom:
    try:
        call = json.loads(content, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        _refuse(Fault.BAD_JSON, f"The grounding is not valid JSON; write it like {_EXAMPLE}.")
    if not isinstance(call, dict) or set(call) != {"bbox_2d", "source"}:
        _refuse(
            Fault.BAD_FIELDS, f"The grounding needs exactly the fields bbox_2d and source, like {_EXAMPLE}."
        )
    box, source = call["bbox_2d"], call["source"]
    if not (isinstance(box, list) and len(box) == 4 and all(is_number(value) for value in box)):
        _refuse(Fault.BAD_BOX, "bbox_2d must be a list of four numbers [x0, y0, x1, y1].")
    x0, y0, x1, y1 = (float(value) for value in box)
    if not all(0.0 <= value <= 1.0 for value in (x0, y0, x1, y1)):
        _refuse(
            Fault.OUTSIDE,
            "Coordinates are fractions of the source's width and height, from 0 to 1, not pixels.",
        )
    if x1 <= x0 or y1 <= y0:
        _refuse(Fault.EMPTY_BOX, "The box is empty: x0 must be less than x1, and y0 less than y1.")
    match = _SOURCE.fullmatch(source) if isinstance(source, str) else None
    if match is None:
        _refuse(
            Fault.BAD_SOURCE,
            "source must be original_image or observation_i with the number of an observation.",
        )
    return Zoom(Region(x0, y0, x1, y1, int(match.group(1) or 0)), thought)


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

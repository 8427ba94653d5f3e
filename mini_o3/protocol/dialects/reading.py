"""What several dialects read and write alike: thoughts, marked answers, function calls, boxes, numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from mini_o3.protocol.actions import TAGS, Answer, Fault, Zoom, is_number
from mini_o3.vision import Region

CALL, CALL_END = "<tool_call>", "</tool_call>"
ANSWER, ANSWER_END = "<answer>", "</answer>"
Box = tuple[float, float, float, float]  # x0, y0, x1, y1
_TAG = re.compile("|".join(TAGS))
_FUNCTION = re.compile(r"<function=")
_BOXED = re.compile(r"(\\+)(boxed\s{0,9}\{)?|[{}]")


class Refused(Exception):
    """A turn is not an action; `detail` is one sentence that a policy can act on."""

    def __init__(self, kind: Fault, detail: str) -> None:
        self.kind, self.detail = kind, detail


def refuse(kind: Fault, detail: str) -> NoReturn:
    raise Refused(kind, detail)


class Marked(NamedTuple):
    """The first action of a turn: its opening mark, the text before it and the text between its marks."""

    mark: str
    before: str
    content: str


def without_tags(text: str) -> str:
    """The text without protocol tags and without white space around it, as `Zoom` and `Answer` demand."""
    return _TAG.sub(" ", text).strip()


def split_thought(text: str) -> tuple[str, str]:
    """The thought that ends in `</think>`, and the rest.

    The opening tag may be missing, since some chat templates write it themselves.
    """
    thought, closed, rest = text.partition("</think>")
    return (thought, rest) if closed else ("", text)


def join_thoughts(thought: str, more: str) -> str:
    """The thought in tags and the words before the action, as one thought."""
    return f"{thought}\n{more}"


def first_action(rest: str, marks: Sequence[str] = (CALL, ANSWER)) -> Marked | None:
    """The action whose opening mark comes first; None if there is no mark.

    Raises:
        Refused: its closing mark is missing.
    """
    at, mark = min(((rest.find(mark), mark) for mark in marks if mark in rest), default=(-1, ""))
    if at < 0:
        return None
    closing = mark.replace("<", "</")
    end = rest.find(closing, at)
    if end < 0:
        refuse(Fault.UNFINISHED, f"The closing {closing} is missing.")
    return Marked(mark, rest[:at], rest[at + len(mark) : end])


def marked_answer(content: str, thought: str) -> Answer:
    """An answer from what stands between its marks.

    Raises:
        Refused: there is nothing.
    """
    words = without_tags(content)
    if not words:
        refuse(Fault.EMPTY_ANSWER, "The answer is empty.")
    return Answer(words, without_tags(thought))


def free_answer(thought: str, rest: str, finished: bool) -> Answer:
    """An answer from any text: that of the last `<answer>`, else of the last `\\boxed{}`, else all of it.

    Raises:
        Refused: the text is empty, or was cut off before an answer was marked.
    """
    opened = rest.rfind(ANSWER)
    if opened >= 0:
        content, closed, _ = rest[opened + len(ANSWER) :].partition(ANSWER_END)
        if closed or finished:
            return marked_answer(content, join_thoughts(thought, rest[:opened]))
    box = boxed(rest)
    if box is not None and without_tags(box[1]):
        return marked_answer(box[1], join_thoughts(thought, rest[: box[0]]))
    if not finished:
        refuse(Fault.UNFINISHED, "Your turn was cut off before an answer.")
    if not without_tags(rest):
        refuse(Fault.NO_ACTION, "There is no answer in your turn.")
    return marked_answer(rest, thought)


def split_box(text: str) -> tuple[str, dict[str, Any] | None]:
    """The words of an answer, and the JSON object with a `bbox_2d` that ends it (None if none does).

    An answer that is nothing but such an object has it as its words.
    """
    start = text.rfind("{") if text.endswith("}") else -1
    try:
        found = json.loads(text[start:]) if start >= 0 else None
    except (ValueError, RecursionError):
        found = None
    words = text[:start].strip()
    if not words or not isinstance(found, dict) or "bbox_2d" not in found:
        return text, None
    return words, found


def boxed(text: str) -> tuple[int, str] | None:
    """Where the last whole `\\boxed{...}` begins and what is in it; None if there is none.

    Escaped braces do not count. Takes linear time.
    """
    # Of each open brace: where its \boxed begins and where its content begins; None for other braces.
    opened: list[tuple[int, int] | None] = []
    found: tuple[int, str] | None = None
    escaped = -1  # place of a character that an odd number of backslashes escapes
    for match in _BOXED.finditer(text):
        if match[2]:
            opened.append((match.start(), match.end()))
        elif match[1]:
            escaped = match.end() if len(match[1]) % 2 else -1
        elif match.start() == escaped:
            continue
        elif match[0] == "{":
            opened.append(None)
        elif (brace := opened.pop() if opened else None) and (found is None or brace[0] > found[0]):
            found = brace[0], text[brace[1] : match.start()]
    return found


def read_call(content: str, tool: str) -> dict[str, Any]:
    """The arguments of a function call, as one model or another writes it.

    Read are `{"name": ..., "arguments": {...}}`, also with `parameters` for `arguments`, with arguments that
    are JSON in a string, in a code block, or as the only one of a list; and the form of Qwen3-Coder,
    `<function=NAME><parameter=KEY>VALUE</parameter></function>`.

    Raises:
        Refused: it is not JSON, not such a call, or calls another function than `tool`.
    """
    call = _tagged_call(content) if _FUNCTION.match(content.strip()) else _json(content)
    if isinstance(call, list) and len(call) == 1:
        call = call[0]
    if isinstance(call, dict) and isinstance(call.get("function"), dict):
        call = call["function"]  # as in the list `tool_calls` of a server
    arguments = call.get("arguments", call.get("parameters")) if isinstance(call, dict) else None
    if isinstance(arguments, str):
        arguments = _json(arguments)
    if not isinstance(call, dict) or not isinstance(arguments, dict):
        detail = "The call needs the fields name and arguments, and arguments must be an object."
        refuse(Fault.BAD_FIELDS, detail)
    if call.get("name") != tool:
        refuse(Fault.BAD_FIELDS, f"There is no function of that name; the one there is is {tool}.")
    return dict(arguments)


def _json(content: str) -> Any:
    text = content.strip()
    if text.startswith("```") and text.endswith("```"):
        text = text.strip("`").strip().removeprefix("json")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        detail = f"The call is not valid JSON; write it between {CALL} and {CALL_END} as one object."
        refuse(Fault.BAD_JSON, detail)


def _tagged_call(content: str) -> dict[str, Any]:
    """A call in the form of Qwen3-Coder; a value that is not JSON is a text."""
    arguments: dict[str, Any] = {}
    head, *parts = content.strip().split("<parameter=")
    for part in parts:
        key, _, value = part.partition(">")
        value = value.partition("</parameter>")[0].strip()
        try:
            arguments[key.strip()] = json.loads(value)
        except (ValueError, RecursionError):
            arguments[key.strip()] = value
    return {"name": head.removeprefix("<function=").partition(">")[0].strip(), "arguments": arguments}


def read_box(arguments: dict[str, Any]) -> Box:
    """The four finite numbers of `bbox_2d`, in the unit in which they were written.

    Raises:
        Refused: it is not four finite numbers.
    """
    box = arguments.get("bbox_2d")
    if not (isinstance(box, list) and len(box) == 4 and all(is_number(value) for value in box)):
        refuse(Fault.BAD_BOX, "bbox_2d must be a list of four numbers [x1, y1, x2, y2].")
    x0, y0, x1, y1 = (float(value) for value in box)
    return x0, y0, x1, y1


def read_index(arguments: dict[str, Any], field: str, first: int, count: int) -> int:
    """The frame that `field` names, where the whole picture has the number `first`; it is the default.

    Raises:
        Refused: it is not a whole number, or not one of the `count` frames.
    """
    value = arguments.get(field, first)
    if not is_number(value) or float(value) != int(value):
        refuse(Fault.BAD_SOURCE, f"{field} must be a whole number; {first} is the whole picture.")
    if not 0 <= int(value) - first < count:
        known = f"they go from {first} to {first + count - 1}"
        refuse(Fault.UNKNOWN_SOURCE, f"There is no picture with {field} {float(value):g}; {known}.")
    return int(value) - first


def clipped(box: Box, size: tuple[float, float]) -> Box:
    """The part of a box that lies in a picture of that size (width, height), in the same unit.

    Raises:
        Refused: no part does.
    """
    (x0, y0, x1, y1), (width, height) = box, size
    x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, width), min(y1, height)
    if x0 >= x1 or y0 >= y1:
        detail = "The box is empty or outside the picture: x1 must be less than x2, and y1 less than y2."
        refuse(Fault.EMPTY_BOX, detail)
    return x0, y0, x1, y1


def zoom_to(box: Box, size: tuple[float, float], frame: int, thought: str) -> Zoom:
    """The zoom to a box that `clipped` returned for that size.

    Raises:
        Refused: it is so small that it is empty as fractions of the picture.
    """
    (x0, y0, x1, y1), (width, height) = box, size
    x0, y0, x1, y1 = x0 / width, y0 / height, min(x1 / width, 1.0), min(y1 / height, 1.0)
    if x0 >= x1 or y0 >= y1:
        refuse(Fault.EMPTY_BOX, "The box is empty.")
    return Zoom(Region(x0, y0, x1, y1, frame), without_tags(thought))


def write_thought(action: Zoom | Answer) -> str:
    return f"<think>{action.thought}</think>"


def write_answer(answer: Answer) -> str:
    return f"{write_thought(answer)}{ANSWER}{answer.text}{ANSWER_END}"


def write_call(tool: str, arguments: dict[str, Any]) -> str:
    return f"{CALL}\n{json.dumps({'name': tool, 'arguments': arguments})}\n{CALL_END}"


def rounded(value: float, digits: int = 3) -> int | float:
    """Whole numbers have no decimal point, as models write them."""
    number = round(value, digits)
    return int(number) if number == int(number) else number

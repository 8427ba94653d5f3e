"""Mini-o3's dialect as the released code reads it, for its weights: lenient where ours is strict.

Facts are those of the released rollout (`vllm_async_engine.py`, `function_tools.py`): a call counts before an
answer, the last of several calls counts, boxes are cut to whole pixels and clipped, and the last row and
column of a source cannot be reached. The box is read as a literal and never evaluated.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from mini_o3.protocol.actions import Answer, Fault, Zoom, source_name
from mini_o3.protocol.dialects.base import Dialect, Frame
from mini_o3.protocol.dialects.reading import (
    ANSWER,
    ANSWER_END,
    join_thoughts,
    marked_answer,
    refuse,
    rounded,
    split_thought,
    without_tags,
    write_answer,
    write_thought,
)
from mini_o3.vision import MAX_ASPECT, PixelBudget, Region

CALL, CALL_END = "<grounding>", "</grounding>"
_BOX, _BOX_END, _SOURCE = CALL + '{"bbox_2d": ', ",", '"source": '
_QUOTES = "',\""  # the class of the released expression holds a comma too
_OBSERVATION = re.compile(r"observation_([0-9]*)")


@dataclass(frozen=True)
class Released(Dialect):
    """Observations are told with the number of the turn, as there, and asked for by their place in the list:
    after an error the two differ, and the weights were trained with that."""

    profile: ClassVar[str] = "search"
    ends: ClassVar[tuple[str, ...]] = (CALL_END, ANSWER_END)
    budget: ClassVar[PixelBudget | None] = PixelBudget(released=True)
    labels_turns: ClassVar[bool] = True
    names_boxes: ClassVar[bool] = False

    def _read(self, text: str, frames: Sequence[Frame], finished: bool) -> Zoom | Answer:
        opened = text.find(CALL)
        if opened >= 0 and text.find(CALL_END, opened + len(CALL)) >= 0:
            return _zoom(text, frames)
        start = text.find(ANSWER)
        is_answer = start >= 0 and text.removesuffix("\n").endswith(ANSWER_END)
        if not is_answer or not finished:
            kind = Fault.NO_ACTION if finished else Fault.UNFINISHED
            refuse(kind, "There is no <grounding> in your turn, and it does not end with an <answer>.")
        content = text[start + len(ANSWER) :].partition(ANSWER_END)[0]
        if not without_tags(content):
            refuse(Fault.NO_ACTION, "The answer is empty.")
        thought, rest = split_thought(text[:start])
        return marked_answer(content, join_thoughts(thought, rest))

    def _write(self, action: Zoom | Answer, frames: Sequence[Frame]) -> str:
        if isinstance(action, Answer):
            return write_answer(action)
        frame = frames[action.region.frame]
        rect = action.region.to_rect(frame.rect)
        (left, top), (width, height) = frame.rect[:2], frame.size
        # Half a pixel further, so that cutting to whole pixels gives back the same ones.
        xs = [min((x - left + 0.5) / width, 1.0) for x in (rect.left, rect.right)]
        ys = [min((y - top + 0.5) / height, 1.0) for y in (rect.top, rect.bottom)]
        box = ", ".join(str(rounded(value, 9)) for value in (xs[0], ys[0], xs[1], ys[1]))
        source = source_name(action.region.frame)
        return f'{write_thought(action)}{CALL}{{"bbox_2d": [{box}], "source": "{source}"}}{CALL_END}'


def _zoom(text: str, frames: Sequence[Frame]) -> Zoom:
    start, box, source = _parts(text)
    frame = _frame(source, len(frames))
    width, height = frames[frame].size
    x0, y0, x1, y1 = _pixels(box, width, height)
    shown = f"[{x0}, {y0}, {x1}, {y1}]"
    for side, low, high in (("width", x0, x1), ("height", y0, y1)):
        if low > high - 1:
            refuse(Fault.EMPTY_BOX, f"The bounding box is not valid in {side}: {shown}")
    if max(x1 - x0, y1 - y0) / min(x1 - x0, y1 - y0) >= MAX_ASPECT:
        detail = f"The absolute aspect ratio of the bounding box exceeds {MAX_ASPECT}, which is too large."
        refuse(Fault.TOO_THIN, detail)
    thought, rest = split_thought(text[:start])
    region = Region(x0 / width, y0 / height, x1 / width, y1 / height, frame)
    return Zoom(region, without_tags(join_thoughts(thought, rest)))


def _parts(text: str) -> tuple[int, str, str]:
    """Where the last call begins that can be read, its box and its source, as they are written.

    Said without the expression of the release, which takes more than linear time: of all openings the last
    one after which a source follows that is closed; then the last such end, the last source before it, and
    the last comma before that.
    """
    end = -1
    for quote in _QUOTES:
        end = max(end, text.rfind(quote + "}" + CALL_END))
    label = -1
    for quote in _QUOTES:
        label = max(label, text.rfind(_SOURCE + quote, 0, max(end, 0)))
    comma = text.rfind(_BOX_END, 0, label) if label >= 0 else -1
    start = text.rfind(_BOX, 0, comma) if comma >= 0 else -1
    if start < 0:
        refuse(Fault.BAD_JSON, "'NoneType' object has no attribute 'group'")
    return start, text[start + len(_BOX) : comma], text[label + len(_SOURCE) + 1 : end]


def _frame(source: str, count: int) -> int:
    if source == "original_image":
        return 0
    match = _OBSERVATION.match(source)
    number = match[1] if match else ""
    if not number:
        detail = f"The 'source' argument \"{source}\" does not match the pattern '{_OBSERVATION.pattern}'."
        refuse(Fault.BAD_SOURCE, detail)
    if len(number.lstrip("0")) > 4 or int(number) >= count:
        refuse(Fault.UNKNOWN_SOURCE, f'Error in predicting the source observation: "{source}".')
    return int(number)


def _pixels(text: str, width: int, height: int) -> tuple[int, int, int, int]:
    """The box in whole pixels of its source of `width` x `height`, cut and clipped as in the release."""
    try:
        box: Any = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        refuse(Fault.BAD_BOX, str(error).splitlines()[0] if str(error) else "the box cannot be read")
    if not (isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) for v in box)):
        refuse(Fault.BAD_BOX, "bbox_2d must be a list of four numbers [x0, y0, x1, y1]")
    try:
        x0, y0, x1, y1 = (int(v * side) for v, side in zip(box, (width, height) * 2, strict=True))
    except (ValueError, OverflowError) as error:
        refuse(Fault.BAD_BOX, str(error))
    return max(x0, 0), max(y0, 0), min(x1, width - 1), min(y1, height - 1)

"""DeepEyes (github.com/Visual-Agent/DeepEyes): one function, boxes in pixels of the original, answers in
tags.

The box rules are those of its environment (`visual_toolbox_v2.py`, `validate_bbox`; `reference`: Mini-o3
section 10.1). Its function schema requires a field `bbox` that it does not have; the shipped prompts repeat
that slip, the weights saw it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from mini_o3.protocol.actions import Answer, Fault, Zoom
from mini_o3.protocol.dialects.base import Dialect, Frame
from mini_o3.protocol.dialects.reading import (
    ANSWER,
    ANSWER_END,
    CALL_END,
    both,
    clipped,
    first_action,
    marked_answer,
    read_box,
    read_call,
    refuse,
    short,
    split_thought,
    write_call,
    zoom,
)
from mini_o3.vision import PixelBudget

TOOL = "image_zoom_in_tool"
_MAX_ASPECT, _MIN_SIDE = 100, 30


@dataclass(frozen=True)
class DeepEyes(Dialect):
    """Pixels of the original, always; it cannot look into what it has been shown.

    Its environment crops the picture as it is stored, while the model counts pixels of the picture as it is
    shown. With its own budget these differ little up to 12.8 megapixels, and then more and more (an open
    question, #141 there). `shown` takes boxes as pixels of the view. The rules hold for the part of the
    stored picture that is cut out, either way.
    """

    shown: bool = False
    profile: ClassVar[str] = "deepeyes"
    ends: ClassVar[tuple[str, ...]] = (CALL_END, ANSWER_END)
    budget: ClassVar[PixelBudget | None] = PixelBudget(max_pixels=16384 * 28 * 28, min_pixels=4 * 28 * 28)

    def _read(self, text: str, frames: Sequence[Frame], finished: bool) -> Zoom | Answer:
        thought, rest = split_thought(text)
        action = first_action(rest)
        if action is None:
            refuse(
                Fault.NO_ACTION,
                f"There is neither a call of {TOOL} nor an <answer> in your turn; give one of them.",
            )
        thought = both(thought, action.before)
        if action.mark == ANSWER:
            return marked_answer(action.content, thought)
        x0, y0, x1, y1 = read_box(read_call(action.content, TOOL))
        width, height = frames[0].size
        across, down = self._scale(frames[0])
        box = clipped((x0 * across, y0 * down, x1 * across, y1 * down), (width, height))
        sides = box[2] - box[0], box[3] - box[1]
        if max(sides) > _MAX_ASPECT * min(sides):
            refuse(
                Fault.TOO_THIN,
                f"The sides of the box differ more than {_MAX_ASPECT} times; make it wider or higher.",
            )
        if min(sides) <= _MIN_SIDE:
            refuse(
                Fault.TOO_SMALL,
                f"Both sides of the box must be more than {_MIN_SIDE} pixels; make it larger.",
            )
        return zoom(box, (width, height), 0, thought)

    def _write(self, action: Zoom | Answer, frames: Sequence[Frame]) -> str:
        thought = f"<think>{action.thought}</think>"
        if isinstance(action, Answer):
            return f"{thought}<answer>{action.text}</answer>"
        rect = action.region.to_rect(
            frames[action.region.frame].rect
        )  # of the original, whatever it was a part of
        across, down = self._scale(frames[0])
        box = [rect.left / across, rect.top / down, rect.right / across, rect.bottom / down]
        arguments: dict[str, Any] = {"bbox_2d": [short(value) for value in box], "label": "region"}
        return thought + write_call(TOOL, arguments)

    def _scale(self, original: Frame) -> tuple[float, float]:
        """Pixels of the original per pixel that it counts, across and down."""
        if not self.shown:
            return 1.0, 1.0
        return original.rect.width / original.shown[0], original.rect.height / original.shown[1]

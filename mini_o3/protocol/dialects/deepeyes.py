"""DeepEyes (github.com/Visual-Agent/DeepEyes): one function, boxes in pixels, answers in tags.

The box rules are those of its environment (`visual_toolbox_v2.py`, `validate_bbox`; `reference`: Mini-o3
section 10.1). Its function schema requires a field `bbox` that it does not have; the shipped prompts keep
that mistake, because the weights were trained with it.
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
    clipped,
    first_action,
    join_thoughts,
    marked_answer,
    read_box,
    read_call,
    refuse,
    rounded,
    split_thought,
    write_answer,
    write_call,
    write_thought,
    zoom_to,
)
from mini_o3.vision import PixelBudget, Region

TOOL = "image_zoom_in_tool"
_MAX_ASPECT, _MIN_SIDE = 100, 30


@dataclass(frozen=True)
class DeepEyes(Dialect):
    """Boxes are always of the original; an observation cannot be zoomed into.

    Its environment crops the picture as it is stored, while the model counts pixels of the picture as it is
    shown. With its own budget the two differ little up to 12.8 megapixels, and then more and more (an open
    question, #141 there). With `shown`, boxes are pixels of the view. In both cases the rules are applied to
    the part of the stored picture that is cut out.
    """

    shown: bool = False
    profile: ClassVar[str] = "deepeyes"
    ends: ClassVar[tuple[str, ...]] = (CALL_END, ANSWER_END)
    budget: ClassVar[PixelBudget | None] = PixelBudget(max_pixels=16384 * 28 * 28, min_pixels=4 * 28 * 28)

    def _read(self, text: str, frames: Sequence[Frame], finished: bool) -> Zoom | Answer:
        thought, rest = split_thought(text)
        action = first_action(rest)
        if action is None:
            detail = f"There is neither a call of {TOOL} nor an <answer> in your turn; give one of them."
            refuse(Fault.NO_ACTION, detail)
        thought = join_thoughts(thought, action.before)
        if action.mark == ANSWER:
            return marked_answer(action.content, thought)
        x0, y0, x1, y1 = read_box(read_call(action.content, TOOL))
        width, height = frames[0].size
        across, down = self._scale(frames[0])
        box = clipped((x0 * across, y0 * down, x1 * across, y1 * down), (width, height))
        sides = box[2] - box[0], box[3] - box[1]
        if max(sides) > _MAX_ASPECT * min(sides):
            detail = f"The sides of the box differ more than {_MAX_ASPECT} times; make it wider or higher."
            refuse(Fault.TOO_THIN, detail)
        if min(sides) <= _MIN_SIDE:
            detail = f"Both sides of the box must be more than {_MIN_SIDE} pixels; make it larger."
            refuse(Fault.TOO_SMALL, detail)
        return zoom_to(box, (width, height), 0, thought)

    def _write(self, action: Zoom | Answer, frames: Sequence[Frame]) -> str:
        if isinstance(action, Answer):
            return write_answer(action)
        rect = action.region.to_rect(frames[action.region.frame].rect)
        across, down = self._scale(frames[0])
        box = [rect.left / across, rect.top / down, rect.right / across, rect.bottom / down]
        arguments: dict[str, Any] = {"bbox_2d": [rounded(value) for value in box], "label": "region"}
        return write_thought(action) + write_call(TOOL, arguments)

    def _region_of(self, arguments: dict[str, Any], frames: Sequence[Frame]) -> Region:
        x0, y0, x1, y1 = read_box(arguments)
        across, down = self._scale(frames[0])
        size = frames[0].size
        box = clipped((x0 * across, y0 * down, x1 * across, y1 * down), size)
        return zoom_to(box, size, 0, "").region

    def _box_of(self, region: Region, frames: Sequence[Frame]) -> dict[str, Any]:
        if region.frame:
            raise ValueError("deepeyes names boxes of the original only")
        (width, height), (across, down) = frames[0].size, self._scale(frames[0])
        x0, y0, x1, y1 = region.xyxy
        box = x0 * width / across, y0 * height / down, x1 * width / across, y1 * height / down
        return {"bbox_2d": [rounded(value) for value in box]}

    def _scale(self, original: Frame) -> tuple[float, float]:
        """Pixels of the original per pixel of a box, across and down."""
        if not self.shown:
            return 1.0, 1.0
        return original.rect.width / original.shown[0], original.rect.height / original.shown[1]

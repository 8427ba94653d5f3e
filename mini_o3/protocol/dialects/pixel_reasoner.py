"""Pixel Reasoner (github.com/TIGER-AI-Lab/Pixel-Reasoner): boxes as fractions, answers in `\\boxed{}`.

The rules are those of `crop_image_normalized` in its `experience_maker.py` (`reference`: Mini-o3 section
10.2). Its second function selects frames of a video and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from mini_o3.protocol.actions import Answer, Fault, Zoom
from mini_o3.protocol.dialects.base import Dialect, Frame, pictures_in
from mini_o3.protocol.dialects.reading import (
    CALL,
    CALL_END,
    boxed,
    clipped,
    first_action,
    join_thoughts,
    marked_answer,
    read_box,
    read_call,
    read_index,
    refuse,
    rounded,
    split_thought,
    write_call,
    zoom_to,
)
from mini_o3.vision import PixelBudget, Region

TOOL = "crop_image_normalized"
_PADDING = 0.1  # of the picture's width and height, on every side
_MIN_SIDE = 28


@dataclass(frozen=True)
class PixelReasoner(Dialect):
    """The view is the box and a tenth of the picture around it, so at least a fifth of the picture, except at
    its border.

    A box with a number above 1 is read as pixels: of the stored original, or of an observation as it was
    shown. With `quirk`, as in the released code, a box with a number of exactly 1 is read as pixels too, so
    that a box which reaches the right or lower border becomes the top left corner.
    """

    quirk: bool = False
    profile: ClassVar[str] = "pixel_reasoner"
    ends: ClassVar[tuple[str, ...]] = (CALL_END,)
    picture_label: ClassVar[str] = "Picture {number}: "
    counts_pictures: ClassVar[bool] = True
    budget: ClassVar[PixelBudget | None] = PixelBudget(max_pixels=5120 * 28 * 28, min_pixels=256 * 28 * 28)

    def _read(self, text: str, frames: Sequence[Frame], finished: bool) -> Zoom | Answer:
        thought, rest = split_thought(text)
        action = first_action(rest, (CALL,))
        if action is None:
            answer = boxed(rest)
            if answer is None:
                detail = f"There is neither a call of {TOOL} nor an answer in \\boxed{{}} in your turn."
                refuse(Fault.NO_ACTION, detail)
            return marked_answer(answer[1], join_thoughts(thought, rest[: answer[0]]))
        arguments = read_call(action.content, TOOL)
        box = read_box(arguments)
        frame = read_index(arguments, "target_image", 1, len(frames))
        width, height = frames[frame].size if frame < pictures_in(frames) else frames[frame].shown
        if any(value >= 1 if self.quirk else value > 1 for value in box):
            box = box[0] / width, box[1] / height, box[2] / width, box[3] / height
        padded = box[0] - _PADDING, box[1] - _PADDING, box[2] + _PADDING, box[3] + _PADDING
        x0, y0, x1, y1 = clipped(padded, (1.0, 1.0))
        sides = round(x1 * width) - round(x0 * width), round(y1 * height) - round(y0 * height)
        if min(sides) <= _MIN_SIDE:
            detail = f"The part would be {sides[0]}x{sides[1]} pixels; both must be more than {_MIN_SIDE}."
            refuse(Fault.TOO_SMALL, detail)
        return zoom_to((x0, y0, x1, y1), (1.0, 1.0), frame, join_thoughts(thought, action.before))

    def _write(self, action: Zoom | Answer, frames: Sequence[Frame]) -> str:
        """A region narrower than a fifth becomes the fifth around its centre, or the tenth at the border: the
        smallest view there is."""
        before = f"{action.thought}\n" if action.thought else ""
        if isinstance(action, Answer):
            return f"{before}\\boxed{{{action.text}}}"
        x0, x1 = _without_padding(action.region.x0, action.region.x1)
        y0, y1 = _without_padding(action.region.y0, action.region.y1)
        arguments: dict[str, Any] = {
            "bbox_2d": [rounded(value, 6) for value in (x0, y0, x1, y1)],
            "target_image": action.region.frame + 1,
        }
        return before + write_call(TOOL, arguments)

    def _region_of(self, arguments: dict[str, Any], frames: Sequence[Frame]) -> Region:
        frame = read_index(arguments, "target_image", 1, len(frames))
        return zoom_to(clipped(read_box(arguments), (1.0, 1.0)), (1.0, 1.0), frame, "").region

    def _box_of(self, region: Region, frames: Sequence[Frame]) -> dict[str, Any]:
        return {"bbox_2d": [rounded(value, 6) for value in region.xyxy], "target_image": region.frame + 1}


def _without_padding(start: float, end: float) -> tuple[float, float]:
    """The two numbers below 1 that become `start` and `end`, or come as near as possible."""
    low, high = start + _PADDING, end - _PADDING
    if low <= high:
        return low, high
    point = max(high, 0.0) if start <= 0 else min(low, 0.999999) if end >= 1 else (start + end) / 2
    return point, point

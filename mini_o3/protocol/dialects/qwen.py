"""The zoom function of Qwen-VL models, in the form of function calls that all Qwen chat models know.

Qwen3-VL writes boxes in thousandths, as in Qwen-Agent's `image_zoom_in_qwen3vl.py`. Qwen2.5-VL was taught to
locate things in pixels of the view, but no zoom function: this is its zero-shot use, and the function is
ours. For both, a turn without a call is the answer, as in Qwen-Agent. Two fields are required there and may
be left out here: `label`, which has no use, and `img_idx`, which is then 0 for the whole picture.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from mini_o3.protocol.actions import Answer, Zoom
from mini_o3.protocol.dialects.base import Dialect, Frame
from mini_o3.protocol.dialects.reading import (
    ANSWER_END,
    CALL,
    CALL_END,
    Box,
    clipped,
    first_action,
    free_answer,
    join_thoughts,
    marked_answer,
    read_box,
    read_call,
    read_index,
    rounded,
    split_thought,
    write_answer,
    write_call,
    write_thought,
    zoom_to,
)
from mini_o3.vision import PixelBudget, Region

TOOL = "image_zoom_in_tool"
_MIN_SIDE = 32  # pixels of the picture that is cut from; Qwen-Agent widens smaller boxes


@dataclass(frozen=True)
class Qwen(Dialect):
    """What both models have in common; they differ in the unit of boxes."""

    ends: ClassVar[tuple[str, ...]] = (CALL_END, ANSWER_END)
    picture_label: ClassVar[str] = "Picture {index}: "
    counts_pictures: ClassVar[bool] = True

    def _read(self, text: str, frames: Sequence[Frame], finished: bool) -> Zoom | Answer:
        thought, rest = split_thought(text)
        action = first_action(rest) if CALL in rest else None
        if action is None:
            return free_answer(thought, rest, finished)
        if action.mark != CALL:
            return marked_answer(action.content, join_thoughts(thought, action.before))
        arguments = read_call(action.content, TOOL)
        box = read_box(arguments)
        frame = read_index(arguments, "img_idx", 0, len(frames))
        width, height = self._unit(frames[frame])
        box = self._widened(clipped(box, (width, height)), frames[frame])
        return zoom_to(box, (width, height), frame, join_thoughts(thought, action.before))

    def _write(self, action: Zoom | Answer, frames: Sequence[Frame]) -> str:
        if isinstance(action, Answer):
            return write_answer(action)
        region = action.region
        width, height = self._unit(frames[region.frame])
        box = region.x0 * width, region.y0 * height, region.x1 * width, region.y1 * height
        arguments: dict[str, Any] = {
            "bbox_2d": [rounded(value) for value in box],
            "label": "region",
            "img_idx": region.frame,
        }
        return write_thought(action) + write_call(TOOL, arguments)

    def _region_of(self, arguments: dict[str, Any], frames: Sequence[Frame]) -> Region:
        frame = read_index(arguments, "img_idx", 0, len(frames))
        unit = self._unit(frames[frame])
        return zoom_to(clipped(read_box(arguments), unit), unit, frame, "").region

    def _box_of(self, region: Region, frames: Sequence[Frame]) -> dict[str, Any]:
        width, height = self._unit(frames[region.frame])
        box = region.x0 * width, region.y0 * height, region.x1 * width, region.y1 * height
        return {"bbox_2d": [rounded(value) for value in box], "img_idx": region.frame}

    @abstractmethod
    def _unit(self, frame: Frame) -> tuple[float, float]:
        """Width and height of a frame in the unit of boxes."""

    def _widened(self, box: Box, frame: Frame) -> Box:
        return box


@dataclass(frozen=True)
class Qwen3Vl(Qwen):
    """Thousandths of the picture that `img_idx` names.

    The model was taught to count only pictures of the user, and to zoom further with a smaller box of the
    same picture (its makers in Qwen3-VL #1667). Here an index above 0 names an observation. A box with a side
    below 32 pixels of its picture is enlarged around its centre, in the same shape, unless it lies so close
    to the border that it would not fit.
    """

    profile: ClassVar[str] = "qwen3_vl"
    budget: ClassVar[PixelBudget | None] = PixelBudget(
        max_pixels=12_845_056, min_pixels=256 * 32 * 32, multiple=32
    )

    def _unit(self, frame: Frame) -> tuple[float, float]:
        return 1000.0, 1000.0

    def _widened(self, box: Box, frame: Frame) -> Box:
        across, down = frame.size[0] / 1000, frame.size[1] / 1000  # pixels per thousandth
        x0, y0, x1, y1 = box
        least = min((x1 - x0) * across, (y1 - y0) * down)
        if least >= _MIN_SIDE or least <= 0:
            return box
        factor = _MIN_SIDE / least
        half_width, half_height = (x1 - x0) * factor / 2, (y1 - y0) * factor / 2
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        wide = x - half_width, y - half_height, x + half_width, y + half_height
        x0, y0, x1, y1 = clipped(wide, (1000.0, 1000.0))
        return (x0, y0, x1, y1) if min((x1 - x0) * across, (y1 - y0) * down) > _MIN_SIDE - 0.01 else box


@dataclass(frozen=True)
class Qwen2_5Vl(Qwen):
    """Pixels of the view of the picture that `img_idx` names, as it was shown."""

    profile: ClassVar[str] = "qwen2_5_vl"
    budget: ClassVar[PixelBudget | None] = PixelBudget(max_pixels=16384 * 28 * 28, min_pixels=4 * 28 * 28)

    def _unit(self, frame: Frame) -> tuple[float, float]:
        return float(frame.shown[0]), float(frame.shown[1])

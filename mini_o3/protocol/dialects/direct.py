"""No function at all: one view, one turn, and the answer is whatever the policy writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mini_o3.protocol.actions import Answer, Zoom
from mini_o3.protocol.dialects.base import Dialect, Frame
from mini_o3.protocol.dialects.reading import ANSWER_END, free_answer, split_thought, write_answer


@dataclass(frozen=True)
class Direct(Dialect):
    """For measuring what a model sees without zooming.

    Only an empty turn, and one cut off before its answer, are no answer.
    """

    profile: ClassVar[str] = "direct"
    picture_label: ClassVar[str] = "Picture {number}: "
    ends: ClassVar[tuple[str, ...]] = (ANSWER_END,)

    def _read(self, text: str, frames: Sequence[Frame], finished: bool) -> Zoom | Answer:
        thought, rest = split_thought(text)
        return free_answer(thought, rest, finished)

    def _write(self, action: Zoom | Answer, frames: Sequence[Frame]) -> str:
        if isinstance(action, Zoom):
            raise ValueError("direct has no zoom")
        return write_answer(action)

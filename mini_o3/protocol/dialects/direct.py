"""No function at all: one look, one turn, and whatever is said is the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mini_o3.protocol.actions import Answer, Zoom
from mini_o3.protocol.dialects.base import Dialect, Frame
from mini_o3.protocol.dialects.reading import ANSWER_END, free_answer, split_thought


@dataclass(frozen=True)
class Direct(Dialect):
    """For what a model knows without looking closer. Only an empty turn, and one cut off before its answer,
    are no answer."""

    profile: ClassVar[str] = "direct"
    ends: ClassVar[tuple[str, ...]] = (ANSWER_END,)

    def _read(self, text: str, frames: Sequence[Frame], finished: bool) -> Zoom | Answer:
        thought, rest = split_thought(text)
        return free_answer(thought, rest, finished)

    def _write(self, action: Zoom | Answer, frames: Sequence[Frame]) -> str:
        if isinstance(action, Zoom):
            raise ValueError("direct cannot look closer")
        return f"<think>{action.thought}</think><answer>{action.text}</answer>"

"""Mini-o3's own dialect among the others; what it is stands in `protocol/dialect.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mini_o3.protocol import dialect
from mini_o3.protocol.actions import Answer, Malformed, Zoom
from mini_o3.protocol.dialects.base import Dialect, Frame
from mini_o3.protocol.dialects.reading import refuse


@dataclass(frozen=True)
class MiniO3(Dialect):
    """Fractions of the source; the session says whether that source exists."""

    profile: ClassVar[str] = "search"
    ends: ClassVar[tuple[str, ...]] = ("</grounding>", "</answer>")

    def _read(self, text: str, frames: Sequence[Frame], finished: bool) -> Zoom | Answer:
        action = dialect.parse(text)
        if isinstance(action, Malformed):
            refuse(action.kind, action.detail)
        return action

    def _write(self, action: Zoom | Answer, frames: Sequence[Frame]) -> str:
        return dialect.format_action(action)

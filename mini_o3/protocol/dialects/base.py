"""What a dialect is: how one kind of policy writes its actions, and how it wants to be spoken to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mini_o3.protocol.actions import Action, Answer, Malformed, Zoom
from mini_o3.protocol.dialects.reading import Refused
from mini_o3.vision import PixelBudget, Rect


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture that the policy has been shown: what it covers, in pixels of the upright original, and the
    (width, height)
    in pixels at which it was shown. Number 0 of an episode is the whole picture, number i observation i."""

    rect: Rect
    shown: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels of the original."""
        return self.rect.width, self.rect.height


@dataclass(frozen=True)
class Dialect(ABC):
    """One way of writing actions.

    Attributes:
        profile: name of the shipped prompts that teach it.
        ends: a turn ends with the first of these that its text holds.
        budget: sizes at which the system that it comes from is shown things; None: no wish of its own.
    """

    name: str
    profile: ClassVar[str]
    ends: ClassVar[tuple[str, ...]]
    budget: ClassVar[PixelBudget | None] = None

    def parse(self, text: str, frames: Sequence[Frame], *, finished: bool = True) -> Action:
        """The one action that `text`, a policy's whole turn, stands for; any text gives one, nothing is
        raised.

        Args:
            frames: everything it was shown so far, the whole picture first.
            finished: False if the turn was cut off; then words without a mark are no answer.
        """
        try:
            return self._read(text, frames, finished)
        except Refused as refused:
            return Malformed(refused.kind, refused.detail)

    def format_action(self, action: Zoom | Answer, frames: Sequence[Frame]) -> str:
        """How this dialect says an action. `parse` gives it back, a region to the pixel or as near as the
        dialect can say.

        Raises:
            ValueError: it cannot be said: an action the dialect lacks, a box its rules refuse, words that
                would be misread.
        """
        if isinstance(action, Zoom) and action.region.frame >= len(frames):
            raise ValueError(f"there is no picture {action.region.frame} to look closer at")
        text = self._write(action, frames)
        heard = self.parse(text, frames)
        if isinstance(heard, Malformed):
            raise ValueError(f"{self.name} cannot say that: {heard.detail}")
        misread = (
            heard != action
            if isinstance(action, Answer)
            else isinstance(heard, Answer) or heard.thought != action.thought
        )
        if misread:
            raise ValueError(f"{self.name} would read that as something else: {text!r}")
        return text

    @abstractmethod
    def _read(self, text: str, frames: Sequence[Frame], finished: bool) -> Zoom | Answer:
        """As `parse`.

        Raises:
            Refused: it is not an action.
        """

    @abstractmethod
    def _write(self, action: Zoom | Answer, frames: Sequence[Frame]) -> str: ...

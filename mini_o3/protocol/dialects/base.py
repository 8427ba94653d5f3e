"""What a dialect is: how one kind of policy writes its actions, and which prompts teach it."""

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
    """One picture that the policy has been shown. Number 0 is the whole picture, number i observation i.

    Attributes:
        rect: what it covers, in pixels of the upright original.
        shown: (width, height) in pixels at which it was shown.
    """

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
        ends: a turn ends with the first of these that its text contains.
        budget: the sizes of views in the system that it comes from; None if that has none of its own.
        labels_turns: an observation is told with the number of the turn that asked for it, not with its own.
    """

    name: str
    profile: ClassVar[str]
    ends: ClassVar[tuple[str, ...]]
    budget: ClassVar[PixelBudget | None] = None
    labels_turns: ClassVar[bool] = False

    def parse(self, text: str, frames: Sequence[Frame], *, finished: bool = True) -> Action:
        """The one action that `text`, a policy's whole turn, stands for; nothing is raised.

        Args:
            frames: everything the policy was shown so far, the whole picture first.
            finished: False if the turn was cut off; then words without a mark are no answer.
        """
        try:
            return self._read(text, frames, finished)
        except Refused as refused:
            return Malformed(refused.kind, refused.detail)

    def format_action(self, action: Zoom | Answer, frames: Sequence[Frame]) -> str:
        """The text of an action; `parse` reads it back, a region as exactly as the dialect allows.

        Raises:
            ValueError: the dialect lacks the action, its rules refuse the box, or it would misread the words.
        """
        if isinstance(action, Zoom) and action.region.frame >= len(frames):
            raise ValueError(f"there is no picture {action.region.frame} to zoom into")
        text = self._write(action, frames)
        read = self.parse(text, frames)
        if isinstance(read, Malformed):
            raise ValueError(f"{self.name} cannot say that: {read.detail}")
        misread = (
            read != action
            if isinstance(action, Answer)
            else isinstance(read, Answer) or read.thought != action.thought
        )
        if misread:
            raise ValueError(f"{self.name} would read that as something else: {text!r}")
        return text

    @abstractmethod
    def _read(self, text: str, frames: Sequence[Frame], finished: bool) -> Zoom | Answer:
        """As `parse`.

        Raises:
            Refused: the text is not an action.
        """

    @abstractmethod
    def _write(self, action: Zoom | Answer, frames: Sequence[Frame]) -> str: ...

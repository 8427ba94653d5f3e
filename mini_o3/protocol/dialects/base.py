"""What a dialect is: how one kind of policy writes its actions, and which prompts teach it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from mini_o3.protocol.actions import Action, Answer, Malformed, Zoom
from mini_o3.protocol.dialects.reading import Refused, clipped, read_box, rounded, split_box, zoom_to
from mini_o3.vision import PixelBudget, Rect, Region


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture that the policy has been shown. Number 0 is the whole picture, number i observation i.

    Attributes:
        rect: what it covers, in pixels of the upright original.
        shown: (width, height) in pixels at which it was shown.
        is_first: whether the episode began with it; of several pictures each is such a frame.
    """

    rect: Rect
    shown: tuple[int, int]
    is_first: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels of the original."""
        return self.rect.width, self.rect.height


def pictures_in(frames: Sequence[Frame]) -> int:
    """With how many pictures the episode began."""
    return max(sum(frame.is_first for frame in frames), 1)


@dataclass(frozen=True)
class Dialect(ABC):
    """One way of writing actions.

    In every dialect but `released`, the words of an answer may end with a JSON object with a `bbox_2d`: where
    the answer is seen, in the units of the dialect's own boxes. It is an extension of ours.

    Attributes:
        profile: name of the shipped prompts that teach it.
        ends: a turn ends with the first of these that its text contains.
        budget: the sizes of views in the system that it comes from; None if that has none of its own.
        labels_turns: an observation is told with the number of the turn that asked for it, not with its own.
        names_boxes: an answer may end with a box.
        picture_label: what stands before each of several pictures; `{number}` counts them from 1, `{index}`
            from 0. Empty for a dialect that cannot say which picture it means: it gets a contact sheet.
        several: what it is told about several pictures, `{count}` of them.
        counts_pictures: its numbers of observations go on where those of the pictures end.
    """

    name: str
    profile: ClassVar[str]
    ends: ClassVar[tuple[str, ...]]
    budget: ClassVar[PixelBudget | None] = None
    labels_turns: ClassVar[bool] = False
    names_boxes: ClassVar[bool] = True
    picture_label: ClassVar[str] = ""
    several: ClassVar[str] = ""
    counts_pictures: ClassVar[bool] = False

    def parse(self, text: str, frames: Sequence[Frame], *, finished: bool = True) -> Action:
        """The one action that `text`, a policy's whole turn, stands for; nothing is raised.

        Args:
            frames: everything the policy was shown so far, the whole picture first.
            finished: False if the turn was cut off; then words without a mark are no answer.
        """
        try:
            action = self._read(text, frames, finished)
        except Refused as refused:
            return Malformed(refused.kind, refused.detail)
        return self._with_box(action, frames) if isinstance(action, Answer) else action

    def format_action(self, action: Zoom | Answer, frames: Sequence[Frame]) -> str:
        """The text of an action; `parse` reads it back, a region as exactly as the dialect allows.

        Raises:
            ValueError: the dialect lacks the action, its rules refuse the box, or it would misread the words.
        """
        if isinstance(action, Zoom) and action.region.frame >= len(frames):
            raise ValueError(f"there is no picture {action.region.frame} to zoom into")
        written = action
        if isinstance(action, Answer) and action.region is not None:
            box = json.dumps(self._box_of(action.region, frames))
            written = Answer(f"{action.text} {box}", action.thought)
        text = self._write(written, frames)
        read = self.parse(text, frames)
        if isinstance(read, Malformed):
            raise ValueError(f"{self.name} cannot say that: {read.detail}")
        misread = (
            not same_answer(read, action)
            if isinstance(action, Answer)
            else isinstance(read, Answer) or read.thought != action.thought
        )
        if misread:
            raise ValueError(f"{self.name} would read that as something else: {text!r}")
        return text

    def _with_box(self, answer: Answer, frames: Sequence[Frame]) -> Answer:
        """The answer without the box that ends its words, and with the region that this names.

        A box that cannot be used takes nothing from the answer; then there is no region.
        """
        words, arguments = split_box(answer.text)
        if arguments is None or not self.names_boxes:
            return answer
        try:
            region = self._region_of(arguments, frames)
        except Refused:
            region = None
        return Answer(words, answer.thought, region)

    def _region_of(self, arguments: dict[str, Any], frames: Sequence[Frame]) -> Region:
        """What a box in an answer means: by default fractions of the whole picture.

        Raises:
            Refused: it is no box, or of a picture that was not shown.
        """
        return zoom_to(clipped(read_box(arguments), (1.0, 1.0)), (1.0, 1.0), 0, "").region

    def _box_of(self, region: Region, frames: Sequence[Frame]) -> dict[str, Any]:
        """The reverse of `_region_of`.

        Raises:
            ValueError: the dialect cannot say it.
        """
        if region.frame or not self.names_boxes:
            raise ValueError(f"{self.name} cannot name that box")
        return {"bbox_2d": [rounded(value, 6) for value in region.xyxy]}

    @abstractmethod
    def _read(self, text: str, frames: Sequence[Frame], finished: bool) -> Zoom | Answer:
        """As `parse`.

        Raises:
            Refused: the text is not an action.
        """

    @abstractmethod
    def _write(self, action: Zoom | Answer, frames: Sequence[Frame]) -> str: ...


def same_answer(read: Action, answer: Answer) -> bool:
    """Whether what was read is that answer; its region need only be named too, since units are rounded."""
    if not isinstance(read, Answer):
        return False
    named = (read.region is None) == (answer.region is None)
    return named and (read.text, read.thought) == (answer.text, answer.thought)

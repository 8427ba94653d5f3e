"""What a policy can do in a turn, and every way in which a turn can fail."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from mini_o3.vision import Region

TAGS = ("<think>", "</think>", "<grounding>", "</grounding>", "<answer>", "</answer>")


class Fault(StrEnum):
    """Why a turn could not be carried out."""

    NO_ACTION = "no_action"  # neither a zoom nor an answer
    UNFINISHED = "unfinished"  # an opening tag without its closing tag, or the length limit was hit
    SEVERAL_ACTIONS = "several_actions"
    TRAILING_TEXT = "trailing_text"
    BAD_THOUGHT = "bad_thought"  # think tags that do not enclose the text before the action
    EMPTY_ANSWER = "empty_answer"
    BAD_JSON = "bad_json"
    BAD_FIELDS = "bad_fields"  # fields missing or too many
    BAD_BOX = "bad_box"  # not four finite numbers
    OUTSIDE = "outside"  # a number below 0 or above 1
    EMPTY_BOX = "empty_box"  # x1 <= x0 or y1 <= y0
    BAD_SOURCE = "bad_source"  # not original_image or observation_i
    UNKNOWN_SOURCE = "unknown_source"  # an observation that does not exist
    TOO_THIN = "too_thin"  # sides that differ 200 times or more; in some dialects 100 times
    TOO_SMALL = "too_small"  # fewer pixels than the dialect's rules allow


#: Faults of a turn without any action. The released system calls an episode that ends so `void`.
VOID_FAULTS = frozenset({Fault.NO_ACTION, Fault.UNFINISHED})


@dataclass(frozen=True, slots=True)
class Zoom:
    """Show `region` of the original (frame 0) or of observation i (frame i)."""

    region: Region
    thought: str = ""

    def __post_init__(self) -> None:
        _check_text("thought", self.thought)


@dataclass(frozen=True, slots=True)
class Answer:
    """Give the answer and end the episode; `region` is where the policy says that it is seen, if it does."""

    text: str
    thought: str = ""
    region: Region | None = None

    def __post_init__(self) -> None:
        _check_text("thought", self.thought)
        _check_text("answer", self.text)
        if not self.text:
            raise ValueError("the answer is empty")


@dataclass(frozen=True, slots=True)
class Malformed:
    """A turn that is not an action, or one that cannot be carried out.

    Attributes:
        detail: one sentence that a policy can act on.
        thought: of an action that was read and then refused.
    """

    kind: Fault
    detail: str
    thought: str = ""


Action = Zoom | Answer | Malformed


def source_name(frame: int, pictures: int = 1) -> str:
    """The protocol's name of a frame: `original_image`, `observation_1`, ...

    In an episode that begins with several `pictures` these are the first frames: `image_1`, `image_2`, ...
    """
    if pictures > 1 and frame < pictures:
        return f"image_{frame + 1}"
    return "original_image" if frame == 0 else f"observation_{frame - pictures + 1}"


def frame_of(source: str, pictures: int = 1) -> int:
    """The frame that `source_name` names.

    Raises:
        ValueError: it is no such name.
    """
    if source.startswith("image_"):
        frame = int(source.removeprefix("image_")) - 1
    else:
        frame = 0 if source == "original_image" else int(source.removeprefix("observation_")) + pictures - 1
    if frame < 0 or source != source_name(frame, pictures):
        raise ValueError(f"not the name of a picture: {source!r}")
    return frame


def _check_text(what: str, text: str) -> None:
    if text != text.strip():
        raise ValueError(f"the {what} begins or ends with white space: {text!r}")
    if any(tag in text for tag in TAGS):
        raise ValueError(f"the {what} contains a protocol tag: {text!r}")


def is_number(value: object) -> bool:
    """Whether a value of JSON is a finite number; true and false are not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False

"""What policy and environment say to each other: actions, their text, and prompt profiles."""

from mini_o3.protocol.actions import (
    VOID_FAULTS,
    Action,
    Answer,
    Fault,
    Malformed,
    Zoom,
    frame_of,
    source_name,
)
from mini_o3.protocol.dialects.mini_o3 import format_action, parse
from mini_o3.protocol.prompts import VIEW, Pieces, PromptProfile, lasting_name, load_profile

__all__ = [
    "VIEW",
    "VOID_FAULTS",
    "Action",
    "Answer",
    "Fault",
    "Malformed",
    "Pieces",
    "PromptProfile",
    "Zoom",
    "format_action",
    "frame_of",
    "lasting_name",
    "load_profile",
    "parse",
    "source_name",
]

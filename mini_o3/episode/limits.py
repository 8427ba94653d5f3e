"""When an episode ends, and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class StopReason(StrEnum):
    """Why an episode ended; every ended episode has exactly one."""

    ANSWERED = "answered"
    TURN_LIMIT = "turn_limit"
    IMAGE_LIMIT = "image_limit"
    CONTEXT_LIMIT = "context_limit"
    VOID = "void"  # the policy kept writing neither a zoom nor an answer
    POLICY_ERROR = "policy_error"  # the policy failed: an endpoint is down, a person left
    INTERRUPTED = "interrupted"  # stopped from outside


#: Over-turn (paper section 3.3): a budget ran out before the policy answered, so it gave no wrong answer.
OVER_TURN = frozenset({StopReason.TURN_LIMIT, StopReason.IMAGE_LIMIT, StopReason.CONTEXT_LIMIT})


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets of an episode.

    After each policy turn they are looked at in this order, and the first that applies is the reason given:

    1. an answer ends the episode (`ANSWERED`), also in the last turn;
    2. a turn without any action ends it (`VOID`) once it was corrected `void_retries` times;
    3. no turn is left (`TURN_LIMIT`);
    4. a zoom is wanted and no image is left (`IMAGE_LIMIT`);
    5. a zoom is wanted and its view would not fit into the context, or a turn would be corrected and the
       context is full (`CONTEXT_LIMIT`).

    Attributes:
        turns: policy turns; with T turns at most T - 1 zooms can be followed by an answer. The paper trains
            with 6 and tests with up to 32.
        images: views in the context, the first included; None: as many as the turns allow. (The paper: 12.)
        context_tokens: length of the context beyond which no view is added; the words around a view and the
            turn that follows come on top. None: what the policy can take.
        void_retries: turns without any action that are corrected; with 0 the first one ends the episode, as
            in the released code.
    """

    turns: int = 32
    images: int | None = None
    context_tokens: int | None = None
    void_retries: int = 2

    def __post_init__(self) -> None:
        if self.turns < 1:
            raise ValueError(f"turns must be 1 or more, got {self.turns}")
        if self.images is not None and self.images < 1:
            raise ValueError(f"images must be 1 or more (the first view counts), got {self.images}")
        if self.context_tokens is not None and self.context_tokens < 1:
            raise ValueError(f"context_tokens must be 1 or more, got {self.context_tokens}")
        if self.void_retries < 0:
            raise ValueError(f"void_retries must be 0 or more, got {self.void_retries}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

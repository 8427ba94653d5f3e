"""The contract between a policy, which decides, and the episode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from PIL import Image

from mini_o3.episode.limits import StopReason
from mini_o3.kit.usage import NO_USAGE, Usage
from mini_o3.protocol import PromptProfile
from mini_o3.vision import PixelBudget, Rect

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation: texts and views in the order in which they are read."""

    role: Role
    parts: tuple[str | Image.Image, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """One turn of a policy.

    Attributes:
        text: the whole turn, thought and action.
        finished: False if the length limit cut the turn off.
        prompt_ids: ids that the environment added to the context since the last reply (image placeholders
            included).
        token_ids, log_probs: ids that were sampled, and the log-probability of each; empty for policies
            without tokens.
        context_tokens: length of the context after this turn; 0 if the policy does not know.
        learn: False for a deliberate mistake of a teacher, which training must not imitate.
        usage: tokens that an endpoint counted for this turn; zeros for policies without one.
        confidence: of an answer, the mean probability of its tokens; None if the policy does not tell.
    """

    text: str
    finished: bool = True
    prompt_ids: tuple[int, ...] = ()
    token_ids: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()
    context_tokens: int = 0
    learn: bool = True
    usage: Usage = NO_USAGE
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What a policy is told when an episode begins; it never contains the answer.

    `first` are the pictures of a question about several, on a canvas of `size`, whose views it begins with.
    """

    task_id: str
    question: str
    size: tuple[int, int]
    picture: str
    seed: int = 0
    first: tuple[Rect, ...] = ()


class PolicyError(Exception):
    """A policy cannot go on: an endpoint is down, a person left, a recording ended.

    It ends one episode, for the reason `stop`, and not the program. `lasting` tells that asking again in the
    same way gives the same: a refusal, a request that is not taken.
    """

    stop = StopReason.POLICY_ERROR

    def __init__(self, message: str = "", *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class LimitReached(PolicyError):
    """A policy cannot take more context or pictures; the episode ends as it does at a limit of its own."""

    def __init__(self, message: str, stop: StopReason) -> None:
        super().__init__(message)
        self.stop = stop


class Conversation(Protocol):
    """One episode seen from the policy.

    Call order: `reply` with the opening messages, then `reply` with what the environment said since, until
    the episode ends; then `close` once, also after errors.
    """

    async def reply(self, messages: Sequence[Message]) -> Reply:
        """Answer the new messages.

        Raises:
            PolicyError: the policy cannot go on.
        """
        ...

    def close(self) -> None: ...


class Policy(Protocol):
    """Decides what to look at. One policy serves many episodes, also at the same time.

    Attributes:
        name: for records and reports.
        budget: the sizes of the views that it is shown.
        profile: the prompts it expects, and with them the dialect in which it writes its actions.
        context_tokens: the longest context it can take; None if it has no such limit.
    """

    name: str
    budget: PixelBudget
    profile: PromptProfile
    context_tokens: int | None

    def open(self, request: Request) -> Conversation: ...

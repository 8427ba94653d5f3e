"""Any OpenAI-compatible vision endpoint as a policy, over plain HTTP."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import httpx

from mini_o3.episode import LimitReached, Message, PolicyError, Reply, Request, StopReason
from mini_o3.kit.chat import ChatClient, ChatError, ChatSettings, Reason
from mini_o3.kit.secrets import without_credentials
from mini_o3.policies.upload import Outbox
from mini_o3.protocol import PromptProfile, load_profile
from mini_o3.protocol.dialects import load_dialect
from mini_o3.vision import PixelBudget

_LIMITS = {Reason.CONTEXT: StopReason.CONTEXT_LIMIT, Reason.IMAGES: StopReason.IMAGE_LIMIT}


class Api:
    """Policy over one endpoint. The key is read from the environment when it is built.

    Unless the settings have stop strings, the endings of the dialect's actions are sent, so that servers do
    not write on for hundreds of tokens.
    """

    context_tokens: int | None = None
    can_continue = True  # it is told the whole conversation with every turn

    def __init__(
        self,
        settings: ChatSettings,
        *,
        budget: PixelBudget | None = None,
        profile: PromptProfile | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        note: Callable[[str], None] = lambda line: None,
        on_text: Callable[[str], None] | None = None,
    ) -> None:
        """`note` is told what is sent otherwise than asked: a parameter that is not taken, smaller pictures.
        `on_text` is told every turn while it is written, piece by piece.

        Raises:
            UserError: the key, a proxy or the certificates of the environment cannot be used.
        """
        self.settings, self.note, self.on_text = settings, note, on_text
        self.name = f"api:{settings.model}"
        self.budget, self.profile = budget or PixelBudget(), profile or load_profile("search")
        self.client = ChatClient(settings, transport=transport, note=note)

    @property
    def turn_tokens(self) -> int:
        """The longest turn that is asked for."""
        return self.settings.max_tokens

    @property
    def recorded(self) -> dict[str, Any]:
        """Options of the endpoint that can change a number and are told nowhere else."""
        return self.settings.recorded(
            temperature=self.settings.temperature, max_tokens=self.settings.max_tokens
        )

    def adjusted(self, *, temperature: float, profile: PromptProfile) -> Api:
        """The same endpoint with other prompts, drawing its words at another temperature."""
        other = copy.copy(self)
        other.settings, other.profile = replace(self.settings, temperature=temperature), profile
        return other

    def open(self, request: Request) -> ApiConversation:
        if not self.client.told:
            self.client.told = True
            where = " and ".join(map(without_credentials, self.settings.endpoints))
            self.note(f"note: questions and views of the pictures go to {where}, without EXIF and location")
        return ApiConversation(self, request.seed)


class ApiConversation:
    """One episode; the whole conversation is sent with every turn, as the interface demands."""

    def __init__(self, policy: Api, seed: int) -> None:
        self.policy, self.seed = policy, seed
        self.outbox = Outbox(policy.settings.max_request_bytes)
        self.ends = load_dialect(policy.profile.dialect).ends
        self.settings = replace(policy.settings, stop=policy.settings.stop or self.ends)

    async def reply(self, messages: Sequence[Message]) -> Reply:
        self.outbox.add(messages)
        before = self.outbox.reduced
        payload = self.outbox.payload()
        if self.outbox.reduced != before:
            smaller, gone = self.outbox.reduced
            most = self.settings.max_request_bytes / 1e6
            self.policy.note(
                f"a request would be over {most:g} MB: {smaller} views go smaller, {gone} not at all"
            )
        try:
            said = await self.policy.client.complete(
                payload, settings=self.settings, seed=self.seed, on_text=self.policy.on_text
            )
        except ChatError as error:
            if error.reason in _LIMITS:
                raise LimitReached(str(error), _LIMITS[error.reason]) from None
            raise PolicyError(str(error), lasting=error.reason is Reason.REFUSED) from None
        text = until_action(said.text, self.ends)
        if said.finished:
            text = with_ending(text, self.ends)
        self.outbox.add([Message("assistant", (text,))])
        return Reply(text, finished=said.finished, context_tokens=said.context_tokens, usage=said.usage)

    def close(self) -> None:
        self.outbox = Outbox(self.settings.max_request_bytes)


def until_action(text: str, endings: Sequence[str]) -> str:
    """Up to the end of the first action after the thought.

    What a chat model goes on to make up about the observation is not its turn.
    """
    thought, closed, rest = _after_thought(text)
    found = [rest.find(ending) + len(ending) for ending in endings if ending in rest]
    return thought + closed + (rest[: min(found)] if found else rest)


def with_ending(text: str, endings: Sequence[str]) -> str:
    """The text with the closing tag of its last action, which servers leave out where they stop at it."""
    rest = _after_thought(text)[2]
    for ending in endings:
        opening = ending.replace("</", "<")
        if opening in rest and ending not in rest:
            return text + ending
    return text


def _after_thought(text: str) -> tuple[str, str, str]:
    """The first thought, its closing tag, and the rest; all is rest where no thought is closed."""
    thought, closed, rest = text.partition("</think>")
    return (thought, closed, rest) if closed and text.lstrip().startswith("<think>") else ("", "", text)

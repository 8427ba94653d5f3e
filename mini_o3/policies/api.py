"""Any OpenAI-compatible vision endpoint as a policy, over plain HTTP."""

from __future__ import annotations

import base64
import copy
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx
from PIL import Image

from mini_o3.episode import Message, PolicyError, Reply, Request
from mini_o3.kit.chat import ChatError, ChatSettings, complete, split_endpoint
from mini_o3.protocol import PromptProfile, load_profile
from mini_o3.protocol.dialects import load_dialect
from mini_o3.vision import PixelBudget


@dataclass(frozen=True, slots=True)
class ApiSettings(ChatSettings):
    """How the endpoint of a policy is called."""

    @classmethod
    def parse(cls, spec: str) -> ApiSettings:
        """From `URL#MODEL`.

        Raises:
            UserError: the URL or the model is missing.
        """
        return cls(*split_endpoint(spec, "policy", "api"))


class Api:
    """Policy over one endpoint. The key is read from MINI_O3_API_KEY or OPENAI_API_KEY when it is built."""

    context_tokens: int | None = None

    def __init__(
        self,
        settings: ApiSettings,
        *,
        budget: PixelBudget | None = None,
        profile: PromptProfile | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.settings, self.transport = settings, transport
        self.name = f"api:{settings.model}"
        self.budget, self.profile = budget or PixelBudget(), profile or load_profile("search")
        self.key = settings.key()

    @property
    def dialect(self) -> str:
        """Name of the dialect in which it writes its actions: the one that its prompts teach."""
        return self.profile.dialect

    def adjusted(self, *, temperature: float, profile: PromptProfile) -> Api:
        """The same endpoint with other prompts, drawing its words at another temperature."""
        other = copy.copy(self)
        other.settings, other.profile = replace(self.settings, temperature=temperature), profile
        return other

    def open(self, request: Request) -> ApiConversation:
        return ApiConversation(self, request.seed)


class ApiConversation:
    """One episode; the whole conversation is sent with every turn, as the interface demands."""

    def __init__(self, policy: Api, seed: int) -> None:
        self.policy, self.seed = policy, seed
        self.messages: list[dict[str, Any]] = []

    async def reply(self, messages: Sequence[Message]) -> Reply:
        self.messages += [_chat(message) for message in messages]
        policy = self.policy
        try:
            said = await complete(
                policy.settings, self.messages, key=policy.key, seed=self.seed, transport=policy.transport
            )
        except ChatError as error:
            raise PolicyError(str(error)) from None
        text = _until_action(said.text, load_dialect(policy.dialect).ends)
        self.messages.append({"role": "assistant", "content": text})
        return Reply(text, finished=said.finished, context_tokens=said.context_tokens)

    def close(self) -> None:
        self.messages = []


def _chat(message: Message) -> dict[str, Any]:
    if all(isinstance(part, str) for part in message.parts):
        return {"role": message.role, "content": "".join(str(part) for part in message.parts)}
    return {"role": message.role, "content": [_content(part) for part in message.parts]}


def _content(part: str | Image.Image) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    buffer = io.BytesIO()
    part.save(buffer, "JPEG", quality=92)
    data = base64.b64encode(buffer.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}


def _until_action(text: str, closings: Sequence[str]) -> str:
    """Up to the end of the first action: what a chat model goes on to make up about the observation is not
    its turn."""
    ends = [text.find(closing) + len(closing) for closing in closings if closing in text]
    return text[: min(ends)] if ends else text

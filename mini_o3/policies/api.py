"""Any OpenAI-compatible vision endpoint as a policy, over plain HTTP."""

from __future__ import annotations

import asyncio
import base64
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from PIL import Image

from mini_o3.episode import Message, PolicyError, Reply, Request
from mini_o3.kit.errors import UserError
from mini_o3.protocol import PromptProfile, load_profile
from mini_o3.vision import PixelBudget

KEY_VARIABLES = ("MINI_O3_API_KEY", "OPENAI_API_KEY")
_ENDS = ("</grounding>", "</answer>")


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """How an endpoint is called.

    Attributes:
        url: base such as `http://127.0.0.1:8000/v1`, or the whole `.../chat/completions`.
        timeout: seconds for one request.
        attempts: tries of one turn; rate limits (429), server errors (5xx), broken connections, timeouts and replies
            that are not what was asked for are tried again, everything else fails at once.
        pause: seconds before the second try; doubled each time, at most 30. A `Retry-After` of the server wins.
    """

    url: str
    model: str
    temperature: float = 0.0
    max_tokens: int = 2048
    timeout: float = 120.0
    attempts: int = 4
    pause: float = 1.0

    @property
    def endpoint(self) -> str:
        base = self.url.rstrip("/")
        return base if base.endswith("/chat/completions") else f"{base}/chat/completions"

    @classmethod
    def parse(cls, spec: str) -> ApiSettings:
        """From `URL#MODEL`.

        Raises:
            UserError: the URL or the model is missing.
        """
        url, _, model = spec.partition("#")
        if not url.startswith(("http://", "https://")) or not model:
            raise UserError(f"--policy api:{spec}: expected api:URL#MODEL, such as api:http://127.0.0.1:8000/v1#my-model")
        return cls(url, model)


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
        self.key = _key()

    def open(self, request: Request) -> ApiConversation:
        return ApiConversation(self)


class ApiConversation:
    """One episode; the whole conversation is sent with every turn, as the interface demands."""

    def __init__(self, policy: Api) -> None:
        self.policy = policy
        self.messages: list[dict[str, Any]] = []

    async def reply(self, messages: Sequence[Message]) -> Reply:
        self.messages += [_chat(message) for message in messages]
        choice, usage = await self._call()
        text = _until_action(choice["message"]["content"])
        self.messages.append({"role": "assistant", "content": text})
        return Reply(text, finished=choice.get("finish_reason") != "length", context_tokens=usage)

    def close(self) -> None:
        self.messages = []

    async def _call(self) -> tuple[dict[str, Any], int]:
        settings = self.policy.settings
        body = {
            "model": settings.model, "messages": self.messages,
            "temperature": settings.temperature, "max_tokens": settings.max_tokens,
        }  # fmt: skip
        headers = {"Authorization": f"Bearer {self.policy.key}"} if self.policy.key else {}
        problem, pause = "", settings.pause
        async with httpx.AsyncClient(timeout=settings.timeout, transport=self.policy.transport) as client:
            for attempt in range(settings.attempts):
                wait = min(pause * 2**attempt, 30.0)
                try:
                    async with asyncio.timeout(settings.timeout):  # for the whole reply; httpx counts every read anew
                        response = await client.post(settings.endpoint, json=body, headers=headers)
                except TimeoutError:
                    problem = f"no reply within {settings.timeout:g} s"
                except httpx.HTTPError as error:
                    problem = f"{type(error).__name__}: {error}".rstrip(": ")
                except (httpx.InvalidURL, UnicodeError) as error:
                    raise PolicyError(f"{settings.endpoint}: not a usable URL ({error})") from None
                else:
                    if response.status_code == 200:
                        found = _choice(response)
                        if found:
                            return found
                        problem = "the reply is not a chat completion"
                    elif response.status_code == 429 or response.status_code >= 500:
                        problem = f"status {response.status_code}"
                        wait = _retry_after(response, wait)
                    else:
                        raise PolicyError(_refusal(settings, response, self.policy.key is not None))
                if attempt + 1 < settings.attempts:
                    await asyncio.sleep(wait)
        raise PolicyError(f"{settings.endpoint}: {problem}, {settings.attempts} times")


def _key() -> str | None:
    """The key of the environment.

    Raises:
        UserError: it cannot be sent in a header.
    """
    for name in KEY_VARIABLES:
        key = os.environ.get(name, "").strip()
        if key and not (key.isascii() and key.isprintable()):
            raise UserError(f"{name}: the key holds characters that cannot be sent; set it anew")
        if key:
            return key
    return None


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


def _choice(response: httpx.Response) -> tuple[dict[str, Any], int] | None:
    """The first choice and the length of the context, if the body is a chat completion with text."""
    try:
        body = response.json()
        choice = body["choices"][0]
        if not isinstance(choice["message"]["content"], str):
            return None
        usage = body.get("usage") or {}
        return choice, int(usage.get("total_tokens") or 0)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None


def _retry_after(response: httpx.Response, fallback: float) -> float:
    try:
        return min(max(float(response.headers["retry-after"]), 0.0), 30.0)
    except (KeyError, ValueError):
        return fallback


def _refusal(settings: ApiSettings, response: httpx.Response, has_key: bool) -> str:
    said = " ".join(response.text.split())[:200]
    hint = ""
    if response.status_code in (401, 403):
        hint = "; check the key" if has_key else f"; set {' or '.join(KEY_VARIABLES)}"
    return f"{settings.endpoint}: status {response.status_code}{hint} ({said})"


def _until_action(text: str) -> str:
    """Up to the end of the first action: what a chat model goes on to make up about the observation is not its turn."""
    ends = [text.find(end) + len(end) for end in _ENDS if end in text]
    return text[: min(ends)] if ends else text

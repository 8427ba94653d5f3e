"""Calls to an OpenAI-compatible chat endpoint over plain HTTP: what is sent, what is tried again, what is
given up."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx

from mini_o3.kit.errors import SettingError, UserError

KEY_VARIABLES = ("MINI_O3_API_KEY", "OPENAI_API_KEY")
_LONGEST_PAUSE = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """How an endpoint is called.

    Attributes:
        url: base such as `http://127.0.0.1:8000/v1`, or the whole `.../chat/completions`.
        timeout: seconds for one request.
        attempts: tries of one call; rate limits (429), server errors (5xx), broken connections, timeouts and
            replies that are not what was asked for are tried again, everything else fails at once.
        pause: seconds before the second try; doubled each time, at most 30. A `Retry-After` of the server
            wins.
        key_variables: environment variables that may hold the key; the first that does counts.
    """

    url: str
    model: str
    temperature: float = 0.0
    max_tokens: int = 2048
    timeout: float = 120.0
    attempts: int = 4
    pause: float = 1.0
    key_variables: tuple[str, ...] = KEY_VARIABLES

    @property
    def endpoint(self) -> str:
        base = self.url.rstrip("/")
        return base if base.endswith("/chat/completions") else f"{base}/chat/completions"

    def key(self) -> str | None:
        """The key of the environment; None if there is none.

        Raises:
            UserError: it cannot be sent in a header.
        """
        for name in self.key_variables:
            key = os.environ.get(name, "").strip()
            if key and not (key.isascii() and key.isprintable()):
                raise UserError(f"{name}: the key holds characters that cannot be sent; set it anew")
            if key:
                return key
        return None


@dataclass(frozen=True, slots=True)
class Completion:
    """A reply: its text, whether it ended by itself (and not at the length limit), and the length of the
    context after it in
    tokens (0 if the endpoint does not say)."""

    text: str
    finished: bool
    context_tokens: int


class ChatError(Exception):
    """An endpoint gave no reply; one line that names it. `status` is the HTTP status, if that was the
    reason."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def split_endpoint(spec: str, setting: str, kind: str) -> tuple[str, str]:
    """The URL and the model of `URL#MODEL`, which was given as the setting `kind:URL#MODEL`.

    Raises:
        UserError: the URL or the model is missing.
    """
    url, _, model = spec.partition("#")
    if not url.startswith(("http://", "https://")) or not model:
        raise SettingError(
            setting,
            f"expected {kind}:URL#MODEL, such as {kind}:http://127.0.0.1:8000/v1#my-model",
            f"{kind}:{spec}",
        )
    return url, model


async def complete(
    settings: ChatSettings,
    messages: Sequence[dict[str, Any]],
    *,
    key: str | None = None,
    seed: int | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Completion:
    """The reply to a conversation in the format of the interface (`{"role": ..., "content": ...}`).

    A `seed` is sent where words are drawn (temperature above 0); endpoints may heed it or not.

    Raises:
        ChatError: there is none, after all attempts or because trying again cannot help.
    """
    body = {
        "model": settings.model,
        "messages": list(messages),
        "temperature": settings.temperature,
        "max_tokens": settings.max_tokens,
    }
    if seed is not None and settings.temperature > 0:
        body["seed"] = seed
    content = json.dumps(body).encode()  # in ASCII: a lone surrogate in a text must not stop the request
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    problem, code = "", None
    async with httpx.AsyncClient(
        timeout=settings.timeout, transport=transport, verify=_certificates()
    ) as client:
        for attempt in range(settings.attempts):
            wait = min(settings.pause * 2**attempt, _LONGEST_PAUSE)
            try:
                async with asyncio.timeout(
                    settings.timeout
                ):  # for the whole reply; httpx counts every read anew
                    response = await client.post(settings.endpoint, content=content, headers=headers)
            except TimeoutError:
                problem, code = f"no reply within {settings.timeout:g} s", None
            except httpx.HTTPError as error:
                problem, code = f"{type(error).__name__}: {error}".rstrip(": "), None
            except (httpx.InvalidURL, UnicodeError) as error:
                raise ChatError(f"{settings.endpoint}: not a usable URL ({error})") from None
            else:
                code = response.status_code
                if code == 200:
                    found = _completion(response)
                    if found:
                        return found
                    problem = "the reply is not a chat completion"
                elif code == 429 or code >= 500:
                    problem = f"status {code}"
                    wait = _retry_after(response, wait)
                else:
                    raise ChatError(_refusal(settings, response, key is not None), code)
            if attempt + 1 < settings.attempts:
                await asyncio.sleep(wait)
    raise ChatError(f"{settings.endpoint}: {problem}, {settings.attempts} times", code)


@cache
def _certificates() -> ssl.SSLContext:
    """Reading them takes a tenth of a second, and every call has a client of its own."""
    return httpx.create_ssl_context()


def _completion(response: httpx.Response) -> Completion | None:
    """The first choice, if the body is a chat completion with text."""
    try:
        body = response.json()
        choice = body["choices"][0]
        text = choice["message"]["content"]
        if not isinstance(text, str):
            return None
        usage = body.get("usage") or {}
        return Completion(text, choice.get("finish_reason") != "length", int(usage.get("total_tokens") or 0))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None


def _retry_after(response: httpx.Response, fallback: float) -> float:
    try:
        return min(max(float(response.headers["retry-after"]), 0.0), _LONGEST_PAUSE)
    except (KeyError, ValueError):
        return fallback


def _refusal(settings: ChatSettings, response: httpx.Response, has_key: bool) -> str:
    said = " ".join(response.text.split())[:200]
    hint = ""
    if response.status_code in (401, 403):
        hint = "; check the key" if has_key else f"; set {' or '.join(settings.key_variables)}"
    return f"{settings.endpoint}: status {response.status_code}{hint} ({said})"

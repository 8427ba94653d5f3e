"""Calls to an OpenAI-compatible chat endpoint: what is sent, tried again, adapted, given up."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

import httpx

from mini_o3.kit.chat.environment import certificates, proxy_for
from mini_o3.kit.chat.reply import Completion, NoReply, error_message, read_completion
from mini_o3.kit.chat.settings import ChatSettings
from mini_o3.kit.chat.stream import AGAIN, StreamReader
from mini_o3.kit.secrets import conceal, without_credentials

_LONGEST_PAUSE = 30.0  # seconds
_LARGEST_REPLY = 16 << 20  # bytes; a turn of a model is a thousandth of it
_QUOTED = 400  # characters of what arrived
_REST = 30.0  # seconds for which a failing address of several is left in peace
_RENAMED = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_DROPPED = ("temperature", "top_p", "seed", "stop", "stream_options", "stream")
_BUSY = (429, 502, 503, 504, 529)  # whatever they say, asking again later can help
_UNKNOWN = re.compile(
    r"unsupported|not support|unknown|unrecogni[sz]ed|unexpected|extra|deprecated"
    r"|not (?:permitted|allowed)|only the default",
    re.I,
)
_TOO_LONG = re.compile(
    r"context[ _](?:length|window|size)|maximum (?:context|input|prompt)|max_model_len"
    r"|(?:prompt|input) (?:is )?too long|too many (?:input |prompt )?tokens"
    r"|(?:request|payload|body)(?: entity)? (?:is )?too large"
    r"|exceed\w* (?:the )?(?:available )?(?:context|maximum number of tokens|token limit)"
    r"|tokens? exceeds? the \w+ limit|reduce the length of|exceeds? the maximum allowed length"
    r"|max_new_tokens`? must be|range of input length|context_length_exceeded",
    re.I,
)
_TOO_MANY_IMAGES = re.compile(
    r"at most \d+ (?:image|picture|multi-?modal)|too many (?:image|picture)s?|max\w* (?:number of )?images"
    r"|images? (?:count|limit) (?:is )?exceed|exceeds? the (?:image|picture) limit"
    r"|limit[-_]mm[-_]per[-_]prompt|(?:more than|up to) \d+ images",
    re.I,
)


class Reason(StrEnum):
    """Why an endpoint gave no reply."""

    REFUSED = "refused"  # by its nature; asking again gives the same
    CONTEXT = "context"  # the conversation is longer than it takes
    IMAGES = "images"  # it holds more pictures than it takes
    FAILED = "failed"  # the network or the server, after all attempts


class ChatError(Exception):
    """An endpoint gave no reply; one line that names it and quotes what arrived.

    Attributes:
        status: the HTTP status, if there was one.
        reason: whether asking again can help, and which limit was met.
    """

    def __init__(self, message: str, status: int | None = None, reason: Reason = Reason.FAILED) -> None:
        super().__init__(conceal(message))
        self.status, self.reason = status, reason


class ChatClient:
    """One model behind one or more addresses, and what was learnt of it: parameters that it does not take."""

    def __init__(
        self,
        settings: ChatSettings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        """`note` is told, once each, what is sent otherwise than the settings say.

        Raises:
            UserError: the key, a proxy or the certificates of the environment cannot be used.
        """
        self.settings, self.transport, self.note = settings, transport, note
        self.key = settings.key()
        self.proxies = {url: proxy_for(url) for url in settings.endpoints} if transport is None else {}
        self.adapted: dict[
            str, str | None
        ] = {}  # parameter -> the name it goes by here; None: it is left out
        self.told = False  # whether the user was told what goes where
        self._busy = dict.fromkeys(settings.endpoints, 0)
        self._rests_until = dict.fromkeys(settings.endpoints, 0.0)

    async def complete(
        self,
        messages: Sequence[dict[str, Any]],
        *,
        settings: ChatSettings | None = None,
        seed: int | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Completion:
        """The reply to a conversation in the format of the interface (`{"role": ..., "content": ...}`).

        A `seed` is sent where words are drawn (temperature above 0); endpoints may heed it or not. `on_text`
        is told what the model writes while it writes; the reply is the same as without.

        Raises:
            ChatError: there is none, after all attempts or because trying again cannot help.
        """
        asked = settings or self.settings
        if on_text is not None:
            asked = replace(asked, stream=True)
        problem, code, attempt = "", None, 0
        while attempt < asked.attempts:
            url = self._address()
            body = self._body(asked, messages, seed)
            wait = min(asked.pause * 2**attempt, _LONGEST_PAUSE)
            self._busy[url] += 1
            content, reader = b"", StreamReader(on_text)
            try:
                response, content = await self._post(url, body, asked, reader)
                code = response.status_code
                if code == 200:
                    found = read_completion(reader.body() if reader.is_stream else _json(content))
                    return replace(found, text=conceal(found.text))
                told = _json(content)
                said = conceal(error_message(told or content.decode("utf-8", "replace")))
                if code in (400, 422) and self._adapts(said, told, body):
                    continue
                limit = _limit(f"{said} {_code_of(told)}") if code not in _BUSY else None
                if code not in _BUSY and (code < 500 or limit):
                    raise self._refusal(url, code, said, limit)
                problem, wait = f"status {code} ({said[:_QUOTED]})", _retry_after(response, wait)
            except NoReply as error:
                if not error.passing:
                    raise self._refusal(url, error.status or 200, str(error), _limit(str(error))) from None
                problem = f"{error} ({_quoted(content)})"
            except TimeoutError:
                problem, code = f"no reply within {asked.timeout:g} s", None
            except httpx.InvalidURL as error:
                raise ChatError(f"{url}: not a usable URL ({error})", reason=Reason.REFUSED) from None
            except (httpx.HTTPError, OSError, ValueError, LookupError, OverflowError) as error:
                problem, code = f"{type(error).__name__}: {error}".rstrip(": "), None
            finally:
                self._busy[url] -= 1
            if reader.is_stream and on_text is not None:
                on_text(AGAIN)
            attempt += 1
            self._rests_until[url] = time.monotonic() + _REST
            if attempt < asked.attempts and self._address() == url:  # another address is asked at once
                await asyncio.sleep(wait)
        raise ChatError(f"{without_credentials(url)}: {problem}, {asked.attempts} times", code)

    async def _post(
        self, url: str, body: dict[str, Any], asked: ChatSettings, reader: StreamReader
    ) -> tuple[httpx.Response, bytes]:
        """The response and its whole body, at most `_LARGEST_REPLY` bytes of it once unpacked."""
        headers = {"Content-Type": "application/json", **asked.headers}
        if self.key:
            headers.setdefault("Authorization", f"Bearer {self.key}")
            if "api-version=" in url:
                headers.setdefault("api-key", self.key)
        content = json.dumps(body).encode()  # in ASCII: a lone surrogate in a text must not stop the request
        client = httpx.AsyncClient(
            timeout=asked.timeout,
            transport=self.transport,
            proxy=self.proxies.get(url),
            verify=certificates(),
            trust_env=False,
        )
        stream = client.stream("POST", url, content=content, headers=headers)
        # For the whole reply: httpx counts every read anew.
        async with asyncio.timeout(asked.timeout), client, stream as response:
            received = bytearray()
            async for piece in response.aiter_bytes():
                received += piece
                if len(received) > _LARGEST_REPLY:
                    raise NoReply(f"the reply is larger than {_LARGEST_REPLY >> 20} MiB", passing=False)
                if asked.stream and response.status_code == 200:
                    reader.feed(piece)
            return response, bytes(received)

    def _body(
        self, asked: ChatSettings, messages: Sequence[dict[str, Any]], seed: int | None
    ) -> dict[str, Any]:
        drawn = asked.temperature is None or asked.temperature > 0
        values = {
            "temperature": asked.temperature,
            "max_tokens": asked.max_tokens,
            "top_p": asked.top_p,
            "seed": asked.seed if asked.seed is not None else seed if drawn else None,
            "stop": list(asked.stop) or None,
            "stream": asked.stream or None,
            "stream_options": {"include_usage": True} if asked.stream else None,
            **asked.body,
        }
        named = {self.adapted.get(name, name): value for name, value in values.items() if value is not None}
        named.pop(None, None)
        if "stream" not in named:
            named.pop("stream_options", None)
        return {"model": asked.model, "messages": list(messages), **{str(k): v for k, v in named.items()}}

    def _adapts(self, said: str, body: Any, sent: dict[str, Any]) -> bool:
        """Whether a refusal names a parameter that was sent, which from now on goes otherwise."""
        if _limit(said) or not _UNKNOWN.search(said):
            return False
        error = body.get("error") if isinstance(body, dict) else None
        named = str(error.get("param") or "") if isinstance(error, dict) else ""
        for name in (*_RENAMED, *_DROPPED):
            if name not in sent or not (named == name or re.search(rf"\b{name}\b", said)):
                continue
            asked = next((key for key, value in self.adapted.items() if value == name), name)
            if asked in self.adapted or name not in _RENAMED:
                self.adapted[asked] = None
                self.note(
                    f"{self.settings.endpoint}: takes no {asked}; it is left out from now on ({said[:120]})"
                )
            else:
                self.adapted[asked] = _RENAMED[name]
                self.note(f"{self.settings.endpoint}: {asked} goes as {_RENAMED[name]} from now on")
            return True
        return False

    def _address(self) -> str:
        """The address with the least to do, of those that have not just failed if there are any."""
        now = time.monotonic()
        return min(self._busy, key=lambda url: (self._rests_until[url] > now, self._busy[url]))

    def _refusal(self, url: str, code: int, said: str, limit: Reason | None) -> ChatError:
        hint = ""
        if code in (401, 403):
            where = (
                "the key, which went as Authorization and as api-key" if "api-version=" in url else "the key"
            )
            hint = f"; check {where}" if self.key else f"; set {' or '.join(self.settings.key_variables)}"
        reason = limit or (Reason.CONTEXT if code == 413 else Reason.REFUSED)
        return ChatError(f"{without_credentials(url)}: status {code}{hint} ({said[:_QUOTED]})", code, reason)


def _limit(said: str) -> Reason | None:
    """The limit that an endpoint says was met."""
    if _TOO_MANY_IMAGES.search(said):
        return Reason.IMAGES
    return Reason.CONTEXT if _TOO_LONG.search(said) else None


def _json(content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _quoted(content: bytes) -> str:
    text = conceal(content[: 16 * _QUOTED].decode("utf-8", "replace"))
    return " ".join(text.split())[:_QUOTED] or "an empty body"


def _code_of(body: Any) -> str:
    """The short name that an error goes by, such as `context_length_exceeded`."""
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("code") or "") if isinstance(error, dict) else ""


def _retry_after(response: httpx.Response, fallback: float) -> float:
    try:
        return min(max(float(response.headers["retry-after"]), 0.0), _LONGEST_PAUSE)
    except (KeyError, ValueError):
        return fallback

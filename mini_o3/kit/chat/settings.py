"""How an OpenAI-compatible chat endpoint is called."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.secrets import remember_secret, without_credentials

KEY_VARIABLES = ("MINI_O3_API_KEY", "OPENAI_API_KEY")
BASE_VARIABLE = "OPENAI_BASE_URL"
_PATH = "/chat/completions"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """How an endpoint is called.

    Attributes:
        url: base such as `http://127.0.0.1:8000/v1`, or the whole `.../chat/completions`; a query stays
            at the end. Several, separated by commas, share the work.
        temperature, top_p, seed, stop: sent as they are; None and () are not sent. A seed given here wins
            over that of an episode.
        max_tokens: the longest turn.
        timeout: seconds for one request.
        attempts: tries of one call; rate limits (429), server errors (5xx), broken connections, timeouts and
            bodies that are not what was asked for are tried again, everything else fails at once.
        pause: seconds before the second try; doubled each time, at most 30. A `Retry-After` of the server
            wins.
        headers, body: sent with every request, on top of what is sent anyway.
        key_variables: environment variables that may hold the key; the first that does counts.
        max_request_bytes: a request is kept below it by smaller pictures; see `policies.api`.
    """

    url: str
    model: str
    temperature: float | None = 0.0
    max_tokens: int = 2048
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    timeout: float = 120.0
    attempts: int = 4
    pause: float = 1.0
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    body: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    key_variables: tuple[str, ...] = KEY_VARIABLES
    max_request_bytes: int = 20_000_000

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The full addresses that requests go to."""
        return tuple(_full(url) for url in self.url.split(","))

    @property
    def endpoint(self) -> str:
        """The first address, without secrets: for messages."""
        return without_credentials(self.endpoints[0])

    @property
    def shown(self) -> str:
        """As a policy is named on the command line, without secrets."""
        return f"api:{without_credentials(self.url)}#{self.model}"

    @classmethod
    def parse(cls, spec: str, setting: str = "policy", kind: str = "api", **changes: Any) -> ChatSettings:
        """From `URL#MODEL`, see `split_endpoint`; `changes` are other settings.

        Raises:
            UserError: the URL or the model is missing or cannot be used.
        """
        return cls(*split_endpoint(spec, setting, kind), **changes)

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
                remember_secret(key)
                return key
        return None


def split_endpoint(spec: str, setting: str, kind: str) -> tuple[str, str]:
    """The URL and the model of `URL#MODEL`, which was given as the setting `kind:URL#MODEL`.

    `#MODEL` alone takes the address of the variable OPENAI_BASE_URL. Several URLs are separated by commas.

    Raises:
        UserError: the URL or the model is missing or cannot be used.
    """
    url, _, model = spec.partition("#")
    given: tuple[str, str | None] = setting, f"{kind}:{without_credentials(spec)}"
    if not url and model and os.environ.get(BASE_VARIABLE):
        url, given = os.environ[BASE_VARIABLE].strip(), (BASE_VARIABLE, None)
    if not model or not all(part.startswith(("http://", "https://")) for part in url.split(",")):
        example = f"such as {kind}:http://127.0.0.1:8000/v1#my-model"
        raise SettingError(given[0], f"expected {kind}:URL#MODEL, {example}", given[1])
    for part in url.split(","):
        try:
            parsed = urlsplit(part)
            if not parsed.hostname or parsed.port == 0:
                raise ValueError("it names no host")
        except ValueError as error:
            raise SettingError(given[0], f"not a usable address ({error}); put it right", given[1]) from None
        if parsed.password:
            remember_secret(parsed.password)
    return url, model


_NUMBERS = {"temperature": float, "top_p": float, "timeout": float, "pause": float}
_WHOLE = {"max_tokens": int, "seed": int, "attempts": int, "max_request_bytes": int}
OPTIONS = (*_NUMBERS, *_WHOLE, "stop", "key_variable", "header.NAME", "body.NAME")


def with_options(settings: ChatSettings, options: Mapping[str, Any]) -> ChatSettings:
    """The settings with options such as `{"timeout": 60, "stop": ["</answer>"], "header.X-Org": "me"}`.

    Values may be texts, as a command line gives them: numbers and JSON are read from those.

    Raises:
        UserError: an option is unknown or its value cannot be used.
    """
    changes: dict[str, Any] = {}
    headers, body = dict(settings.headers), dict(settings.body)
    for name, value in options.items():
        kind, _, key = name.partition(".")
        if kind == "header" and key:
            headers[key] = str(value)
        elif kind == "body" and key:
            body[key] = _parsed(value)
        elif name == "key_variable":
            changes["key_variables"] = (str(value), *settings.key_variables)
        elif name == "stop":
            found = _parsed(value)
            changes["stop"] = tuple(map(str, found)) if isinstance(found, list | tuple) else (str(found),)
        elif name in _NUMBERS or name in _WHOLE:
            changes[name] = _number(name, value)
        else:
            raise SettingError("endpoint", f"there is no such option; it takes {', '.join(OPTIONS)}", name)
    return replace(settings, headers=MappingProxyType(headers), body=MappingProxyType(body), **changes)


def _number(name: str, value: Any) -> float | int:
    try:
        number = (_NUMBERS | _WHOLE)[name](value)
    except (TypeError, ValueError, OverflowError):
        raise SettingError("endpoint", f"should be a number, got {value!r}", name) from None
    if not (number >= 0 if name in ("temperature", "seed", "pause") else number > 0):
        raise SettingError("endpoint", f"should be above 0, got {value!r}", name)
    return number


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _full(url: str) -> str:
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    path = path if path.endswith(_PATH) else path + _PATH
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))

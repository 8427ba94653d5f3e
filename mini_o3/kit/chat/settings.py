"""How an OpenAI-compatible chat endpoint is called."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

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
        stream: replies are asked for piece by piece, also where nobody watches them.
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
    stream: bool = False

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

    def recorded(self, **usual: Any) -> dict[str, Any]:
        """What is set otherwise than `usual` (else the defaults) and can change what a model says.

        For records: of headers, which may hold secrets, only the names.
        """
        plain = {name: getattr(self, name) for name in _OF_WORDS}
        plain |= {"stop": list(self.stop), "body": dict(self.body)}
        known = {"temperature": 0.0, "max_tokens": 2048, "max_request_bytes": 20_000_000, **usual}
        found = {name: value for name, value in plain.items() if value and value != known.get(name)}
        return found | ({"headers": sorted(self.headers)} if self.headers else {})

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
            remember_secret(base64.b64encode(f"{parsed.username}:{parsed.password}".encode()).decode())
        for name, value in parse_qsl(parsed.query):
            _remember(name, value)
    return url, model


_NUMBERS = {"temperature": float, "top_p": float, "timeout": float, "pause": float}
_WHOLE = {"max_tokens": int, "seed": int, "attempts": int, "max_request_bytes": int}
OPTIONS = (*_NUMBERS, *_WHOLE, "stop", "stream", "key_variable", "header.NAME", "body.NAME")
_OF_WORDS = ("temperature", "max_tokens", "top_p", "seed", "stop", "body", "max_request_bytes")
_SECRET = re.compile(r"key|token|secret|password|auth|sig\b|signature|cookie", re.I)


def changes_words(option: str) -> bool:
    """Whether an option can change what a model says, and holds no secret: records have those."""
    return option in _OF_WORDS or option.startswith("body.")


def option_pairs(options: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Options as texts by name, in alphabetical order: tables `header` and `body` are taken apart."""
    pairs = []
    for name, value in options.items():
        whole = name in ("header", "body") and isinstance(value, Mapping)
        parts = {f"{name}.{key}": part for key, part in value.items()} if whole else {name: value}
        pairs += [(key, part if isinstance(part, str) else json.dumps(part)) for key, part in parts.items()]
    return tuple(sorted(pairs))


def with_options(
    settings: ChatSettings, options: Mapping[str, Any], setting: str = "endpoint"
) -> ChatSettings:
    """The settings with options such as `{"timeout": 60, "stop": ["</answer>"], "header.X-Org": "me"}`.

    Values may be texts, as a command line gives them: numbers and JSON are read from those. `setting` is what
    the options are called where something is wrong with them.

    Raises:
        UserError: an option is unknown or its value cannot be used.
    """
    changes: dict[str, Any] = {}
    headers, body = dict(settings.headers), dict(settings.body)
    for name, value in options.items():
        kind, _, key = name.partition(".")
        if kind == "header" and key:
            headers[key] = str(value)
            _remember(key, str(value))
        elif kind == "body" and key:
            body[key] = _parsed(value)
            _remember(key, str(value))
        elif name == "key_variable":
            changes["key_variables"] = (str(value), *settings.key_variables)
        elif name == "stop":
            found = _parsed(value)
            changes["stop"] = tuple(map(str, found)) if isinstance(found, list | tuple) else (str(found),)
        elif name == "stream":
            changes["stream"] = _parsed(value) is True
        elif name in _NUMBERS or name in _WHOLE:
            changes[name] = _number(setting, name, value)
        else:
            raise SettingError(setting, f"there is no such option; it takes {', '.join(OPTIONS)}", name)
    return replace(settings, headers=MappingProxyType(headers), body=MappingProxyType(body), **changes)


def _remember(name: str, value: str) -> None:
    """Blank out from now on what goes under a name such as `Authorization`, also without `Bearer`."""
    if _SECRET.search(name) and not value.isdecimal():
        remember_secret(value)
        remember_secret(value.rpartition(" ")[2])


def _number(setting: str, name: str, value: Any) -> float | int:
    try:
        number = (_NUMBERS | _WHOLE)[name](value)
    except (TypeError, ValueError, OverflowError):
        raise SettingError(setting, f"should be a number, got {value!r}", name) from None
    if not (number >= 0 if name in ("temperature", "seed", "pause") else number > 0):
        raise SettingError(setting, f"should be above 0, got {value!r}", name)
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

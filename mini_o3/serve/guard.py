"""What every request must pass: the right host, its own origin, the token, a body of bounded size, a pace."""

from __future__ import annotations

import hmac
import time
from collections import deque
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mini_o3.serve.settings import ServeSettings, is_loopback

COOKIE = "mini_o3_token"
_CHANGES = ("POST", "PUT", "PATCH", "DELETE")
# The hash is of a style attribute that OpenSeadragon 6.1.1 sets on its canvas.
_STYLES = "'self' 'unsafe-hashes' 'sha256-9xTiqzfwFaL2SGb1rmr8gysEwVVjIvqWAgmZgqFqpEE='"
_POLICY = (
    f"default-src 'none'; script-src 'self'; style-src {_STYLES}; img-src 'self' data: blob:; "
    "connect-src 'self'; media-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """ASGI middleware around the whole app.

    - Host: a name of this machine, or where the server listens (against DNS rebinding).
    - Origin: if a browser sends one, it must be the host itself; so must `Sec-Fetch-Site`.
    - Token: as `Authorization: Bearer`, or in a cookie that `/?token=...` sets once.
    - Body: at most `upload_bytes` and what a form adds, counted while it is read.
    - Pace: `requests_per_minute` changes for each client address.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self.app, self.settings = app, settings
        self.recent: dict[str, deque[float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        await self.app(scope, _Bounded(receive, self.settings.upload_bytes + 65_536), _with_headers(send))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if not self._is_own(host):
            return _error(421, "this server does not answer for that host")
        origin = headers.get("origin")
        if origin is not None and not _is_of(origin, host):
            return _error(403, "requests of other web pages are refused")
        if origin is None and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return _error(403, "requests of other web pages are refused")
        if self.settings.token and not self._knows_token(headers):
            return self._ask_for_token(scope)
        length = headers.get("content-length", "0")
        if (
            not (length.isascii() and length.isdigit() and len(length) < 16)
            or int(length) > self.settings.upload_bytes + 65_536
        ):
            return _error(413, f"at most {self.settings.upload_bytes:,} bytes are taken")
        if scope["method"] in _CHANGES and not self._in_pace(str((scope.get("client") or ("",))[0])):
            return _error(429, "too many requests; wait a little", {"retry-after": "10"})
        return None

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if is_loopback(name) or name == self.settings.host:
            return True
        return self.settings.host in ("0.0.0.0", "::") and bool(name)

    def _knows_token(self, headers: Headers) -> bool:
        given = [headers.get("authorization", "").removeprefix("Bearer ")]
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            cookies = SimpleCookie()
        if COOKIE in cookies:
            given.append(cookies[COOKIE].value)
        return any(self._is_token(text) for text in given)

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), (self.settings.token or "").encode())

    def _ask_for_token(self, scope: Scope) -> Response:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["path"] == "/" and self._is_token(query.get("token", [""])[0]):
            entered = RedirectResponse("/", 303)
            entered.set_cookie(COOKIE, self.settings.token or "", httponly=True, samesite="strict")
            return entered
        return _error(
            401, "a token is needed: open the address that the server printed, or send it as Bearer"
        )

    def _in_pace(self, client: str) -> bool:
        now = time.monotonic()
        if len(self.recent) > 10_000:
            self.recent.clear()
        mine = self.recent.setdefault(client, deque())
        while mine and now - mine[0] > 60:
            mine.popleft()
        if len(mine) >= self.settings.requests_per_minute:
            return False
        mine.append(now)
        return True


class _Bounded:
    """A body that ends the request when it grows beyond `most` bytes, whatever its header said."""

    def __init__(self, receive: Receive, most: int) -> None:
        self.receive, self.left = receive, most

    async def __call__(self) -> Message:
        message = await self.receive()
        self.left -= len(message.get("body", b""))
        return message if self.left >= 0 else {"type": "http.disconnect"}


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


def _is_of(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc == host
    except ValueError:  # a bracket that none closes
        return False


def _error(status: int, detail: str, headers: dict[str, Any] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)

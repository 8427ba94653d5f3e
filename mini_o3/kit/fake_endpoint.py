"""A test double: a real HTTP server on this machine that plays a chat endpoint, well or badly."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request as it arrived; the names of headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class Endpoint:
    """Plays `behaviours` one after the other, one for each request, then what `answer` says; `requests` is
    what came in,
    if it is to `keep` it.

    A request that nobody answers is refused with status 418, which no client should try again.
    """

    def __init__(
        self,
        *behaviours: Behaviour,
        answer: Callable[[Received], Behaviour] | None = None,
        port: int = 0,
        keep: bool = True,
    ) -> None:
        self.behaviours, self.answer, self.keep = list(behaviours), answer, keep
        self.requests: list[Received] = []
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.server = _Server(("127.0.0.1", port), _Handler)
        self.server.endpoint = self
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def __enter__(self) -> Endpoint:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def take(self, request: Received) -> Behaviour:
        with self.lock:
            if self.keep:
                self.requests.append(request)
            if self.behaviours:
                return self.behaviours.pop(0)
        return self.answer(request) if self.answer else status(418, "the script is over")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    endpoint: Endpoint

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # the client left in the middle, as some tests want


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        behave = self.server.endpoint.take(Received(self.path, headers, json.loads(body)))
        behave(self)

    def send(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


Behaviour = Callable[[_Handler], None]


def completion(content: Any, finish_reason: str = "stop", **fields: Any) -> dict[str, Any]:
    """The body of a chat completion; `fields` are laid over it."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return {"id": "chat-1", "object": "chat.completion", "model": "fake", "choices": [choice], **fields}


def says(content: Any, finish_reason: str = "stop", **fields: Any) -> Behaviour:
    """A good reply, as far as `content` is good."""
    return sends(completion(content, finish_reason, **fields))


def sends(body: Any) -> Behaviour:
    """Status 200 with this as JSON, or as it is if it is text."""
    data = (body if isinstance(body, str) else json.dumps(body)).encode()
    return lambda handler: handler.send(200, data, {})


def status(code: int, message: str = "no", **headers: str) -> Behaviour:
    """An error with a body; `retry_after="0"` becomes the header Retry-After."""
    data = json.dumps({"error": {"message": message}}).encode()
    return lambda handler: handler.send(
        code, data, {name.replace("_", "-"): value for name, value in headers.items()}
    )


def hangs_up() -> Behaviour:
    """Promises a long body and closes the connection in the middle of it."""

    def behave(handler: _Handler) -> None:
        handler.send(200, json.dumps(completion("half of it"))[:40].encode(), {"Content-Length": "5000"})

    return behave


def stays_silent(seconds: float) -> Behaviour:
    """Says nothing for so long, then a good reply that nobody should be waiting for any more."""

    def behave(handler: _Handler) -> None:
        handler.server.endpoint.closing.wait(seconds)
        handler.send(200, json.dumps(completion("<answer>too late</answer>")).encode(), {})

    return behave


def waits(seconds: float, behaviour: Behaviour) -> Behaviour:
    """The same, but so many seconds later."""

    def behave(handler: _Handler) -> None:
        handler.server.endpoint.closing.wait(seconds)
        behaviour(handler)

    return behave


def trickles(seconds: float, pieces: int) -> Behaviour:
    """A good reply, but its bytes come in `pieces` spread over `seconds`."""

    def behave(handler: _Handler) -> None:
        data = json.dumps(completion("<answer>too late</answer>")).encode()
        handler.send(200, b"", {"Content-Length": str(len(data))})
        step = -(-len(data) // pieces)
        for start in range(0, len(data), step):
            handler.server.endpoint.closing.wait(seconds / pieces)
            handler.wfile.write(data[start : start + step])
            handler.wfile.flush()

    return behave

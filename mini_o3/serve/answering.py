"""What the routes share: refusals as statuses with one line, and events for those who watch."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TypeVar

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import StreamingResponse

from mini_o3.kit.errors import UserError
from mini_o3.serve.events import EventLog
from mini_o3.serve.searches import Busy

Log = TypeVar("Log", bound=EventLog)
_LIVE = {"cache-control": "no-store", "x-accel-buffering": "no"}


def _first_event(request: Request, after: int) -> int:
    """Number of the first event that a reader lacks, who may have read some before."""
    last = request.headers.get("last-event-id", "")
    return int(last) + 1 if last.isascii() and last.isdigit() and len(last) < 16 else after + 1


async def event_stream(log: EventLog, first: int = 0) -> AsyncIterator[str]:
    """The events of something that goes on as server-sent events."""
    async for number, event in log.watch(first):
        data = json.dumps(event, ensure_ascii=False)
        yield f"id: {number}\ndata: {data}\n\n"


def watching(routes: APIRouter, path: str, logs: Mapping[str, Log]) -> Callable[[str], Log]:
    """Add the routes by which something that goes on is watched and stopped; returns how it is looked up.

    `PATH/{key}/events` gives server-sent events from the first, or from where a reader left off that sends
    Last-Event-ID. `PATH/{key}/stop` ends it.
    """

    def one(key: str) -> Log:
        if key not in logs:
            raise HTTPException(404, "no such search; it ended long ago, or the server was started anew")
        return logs[key]

    @routes.get(f"{path}/{{key}}/events")
    async def events(key: str, request: Request, after: int = -1) -> StreamingResponse:
        stream = event_stream(one(key), _first_event(request, after))
        return StreamingResponse(stream, media_type="text/event-stream", headers=_LIVE)

    @routes.post(f"{path}/{{key}}/stop")
    async def stop(key: str) -> dict[str, str]:
        one(key).stop()
        return {"id": key}

    return one


class refusals:
    """What a user gave that cannot be used becomes a 422 with one line; too many searches a 429."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Busy):
            raise HTTPException(429, "too many searches wait already; try again soon", {"retry-after": "10"})
        if isinstance(error, UserError):
            raise HTTPException(422, str(error)) from None


class missing:
    """A key that nothing is known by becomes a 404."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, KeyError):
            raise HTTPException(404, f"no such {self.what}") from None

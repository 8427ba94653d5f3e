"""Routes of the search view: pictures, their tiles, and live searches."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import Field

from mini_o3.kit.errors import UserError
from mini_o3.serve.body import Body
from mini_o3.serve.events import EventLog
from mini_o3.serve.pictures import Pictures
from mini_o3.serve.pyramid import TILE
from mini_o3.serve.samples import sample_probe
from mini_o3.serve.searches import Busy, Search, Searches
from mini_o3.serve.settings import ServeSettings
from mini_o3.vision import Rect

_KEEP = {"cache-control": "private, max-age=86400, immutable"}


class Asking(Body):
    """A question about an uploaded picture."""

    picture: str
    question: str = Field(max_length=4000)
    policy: str | None = None
    turns: int = 32
    seed: int = Field(0, ge=0, lt=2**31)


class TakingOver(Body):
    """What a person does in place of the policy: look at a box, or answer."""

    box: list[float] | None = Field(None, max_length=4)
    answer: str | None = Field(None, min_length=1, max_length=4000)


def search_routes(settings: ServeSettings, pictures: Pictures, searches: Searches) -> APIRouter:
    """The routes; `pictures` and `searches` hold the state."""
    routes = APIRouter(prefix="/api")

    @routes.get("/info")
    async def info() -> dict[str, Any]:
        return {
            "policies": list(settings.policies),
            "turns": settings.turns,
            "upload_bytes": settings.upload_bytes,
            "searches": len([one for one in searches.searches.values() if not one.is_over]),
        }

    @routes.post("/pictures", status_code=201)
    async def upload(request: Request) -> dict[str, Any]:
        data = await request.body()
        if len(data) > settings.upload_bytes:
            raise HTTPException(
                413, f"the picture has {len(data):,} bytes; {settings.upload_bytes:,} are taken"
            )
        with refusals():
            digest = await asyncio.to_thread(pictures.add, data)
        return await described(digest)

    @routes.post("/samples", status_code=201)
    async def sample(seed: Annotated[int, Query(ge=0, lt=2**31)] = 500_000_000) -> dict[str, Any]:
        """A picture of nano's world with a question about it, for whoever has none at hand."""
        data, question = await asyncio.to_thread(sample_probe, seed)
        return {**await described(await asyncio.to_thread(pictures.add, data)), "question": question}

    @routes.get("/pictures/{digest}")
    async def described(digest: str) -> dict[str, Any]:
        with missing("picture"):
            pyramid = await asyncio.to_thread(pictures.pyramid, digest)
        width, height = pyramid.original.size
        return {"id": digest, "size": [width, height], "tile": TILE, "depth": pyramid.depth}

    @routes.get("/pictures/{digest}/tiles/{level}/{column}_{row}.jpg")
    async def tile(digest: str, level: int, column: int, row: int) -> Response:
        with missing("tile"):
            pyramid = await asyncio.to_thread(pictures.pyramid, digest)
            data = await asyncio.to_thread(pyramid.tile, level, column, row)
        return Response(data, media_type="image/jpeg", headers=_KEEP)

    @routes.get("/pictures/{digest}/crop.jpg")
    async def crop(
        digest: str,
        left: int,
        top: int,
        right: int,
        bottom: int,
        side: Annotated[int, Query(ge=16, le=1600)] = 360,
    ) -> Response:
        with missing("picture"):
            pyramid = await asyncio.to_thread(pictures.pyramid, digest)
        return Response(
            crop_of(pyramid, (left, top, right, bottom), side), media_type="image/jpeg", headers=_KEEP
        )

    @routes.get("/pictures/{digest}/overview.jpg")
    async def overview(digest: str) -> Response:
        with missing("picture"):
            pyramid = await asyncio.to_thread(pictures.pyramid, digest)
        data = await asyncio.to_thread(pyramid.crop, pyramid.original.whole, 320)
        return Response(data, media_type="image/jpeg", headers=_KEEP)

    @routes.post("/searches", status_code=201)
    async def begin(asking: Asking) -> dict[str, str]:
        with missing("picture"), refusals():
            path, opened = pictures.file(asking.picture)
            search = await searches.begin(
                path, opened, asking.question, asking.policy, asking.turns, asking.seed
            )
        return {"id": search.id}

    @routes.get("/searches/{key}/events")
    async def events(key: str, request: Request, after: int = -1) -> StreamingResponse:
        """Server-sent events: `start`, a `turn` each, `end`. A reader that comes back sends Last-Event-ID."""
        stream = event_stream(one(key), first_event(request, after))
        return StreamingResponse(stream, media_type="text/event-stream", headers=LIVE)

    @routes.post("/searches/{key}/stop")
    async def stop(key: str) -> dict[str, str]:
        one(key).stop()
        return {"id": key}

    @routes.post("/searches/{key}/take-over")
    async def take_over(key: str, action: TakingOver) -> dict[str, str]:
        with refusals():
            one(key).take_over(action.box, action.answer)
        return {"id": key}

    def one(key: str) -> Search:
        if key not in searches.searches:
            raise HTTPException(404, "no such search; it ended long ago, or the server was started anew")
        return searches.searches[key]

    return routes


LIVE = {"cache-control": "no-store", "x-accel-buffering": "no"}


def first_event(request: Request, after: int) -> int:
    """Number of the first event that a reader lacks, who may have read some before."""
    last = request.headers.get("last-event-id", "")
    return int(last) + 1 if last.isascii() and last.isdigit() and len(last) < 16 else after + 1


async def event_stream(log: EventLog, first: int = 0) -> AsyncIterator[str]:
    """The events of something that goes on as server-sent events."""
    async for number, event in log.watch(first):
        data = json.dumps(event, ensure_ascii=False)
        yield f"id: {number}\ndata: {data}\n\n"


def crop_of(pyramid: Any, box: tuple[int, int, int, int], side: int) -> bytes:
    """A rectangle of a picture as JPEG; refused if it does not lie inside."""
    width, height = pyramid.original.size
    left, top, right, bottom = box
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise HTTPException(422, "the box does not lie inside the picture")
    data: bytes = pyramid.crop(Rect(*box), side)
    return data


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

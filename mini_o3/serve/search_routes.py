"""Routes of the search view: pictures, their tiles, and live searches."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response
from pydantic import Field

from mini_o3.serve.answering import missing, refusals, watching
from mini_o3.serve.body import Body
from mini_o3.serve.pictures import Pictures
from mini_o3.serve.pyramid import TILE
from mini_o3.serve.samples import sample_probe
from mini_o3.serve.searches import Searches
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
    one = watching(routes, "/searches", searches.searches)

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

    @routes.post("/searches/{key}/take-over")
    async def take_over(key: str, action: TakingOver) -> dict[str, str]:
        with refusals():
            one(key).take_over(action.box, action.answer)
        return {"id": key}

    return routes


def crop_of(pyramid: Any, box: tuple[int, int, int, int], side: int) -> bytes:
    """A rectangle of a picture as JPEG; refused if it does not lie inside."""
    width, height = pyramid.original.size
    left, top, right, bottom = box
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise HTTPException(422, "the box does not lie inside the picture")
    data: bytes = pyramid.crop(Rect(*box), side)
    return data

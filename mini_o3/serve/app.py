"""The web app put together."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.requests import ClientDisconnect, Request

from mini_o3.policies.load import load_policy
from mini_o3.serve.find_routes import find_routes
from mini_o3.serve.finds import Finds
from mini_o3.serve.guard import Guard
from mini_o3.serve.pictures import Pictures
from mini_o3.serve.run_routes import run_routes
from mini_o3.serve.runs import Runs
from mini_o3.serve.search_routes import search_routes
from mini_o3.serve.searches import Load, Searches
from mini_o3.serve.settings import ServeSettings
from mini_o3.serve.v1 import v1_routes

ASSETS = Path(__file__).parent / "assets"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
_log = logging.getLogger("mini_o3")


def create_app(settings: ServeSettings, version: str = "0", load: Load = load_policy) -> FastAPI:
    """The ASGI app. The default policy is loaded (`load`) in the background as soon as it starts."""
    pictures = Pictures(settings.data / "pictures", settings.upload_pixels)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.create_task(_warm(searches))
        yield
        warming.cancel()
        await searches.close()

    app = FastAPI(title="mini-o3", version=version, docs_url=None, redoc_url=None, lifespan=lifespan)
    searches = Searches(settings, load)
    finds = Finds(searches)
    app.state.searches = searches
    app.include_router(search_routes(settings, pictures, searches))
    app.include_router(find_routes(settings, pictures, finds))
    app.include_router(run_routes(Runs(settings), pictures))
    app.include_router(v1_routes(settings, pictures, searches, finds))

    @app.exception_handler(ClientDisconnect)
    async def left(request: Request, error: ClientDisconnect) -> Response:
        return JSONResponse({"detail": f"at most {settings.upload_bytes:,} bytes are taken"}, 413)

    @app.exception_handler(RequestValidationError)
    async def refused(request: Request, error: RequestValidationError) -> Response:
        # What was given is left out: it may be what no JSON can hold. The rest is written in ASCII.
        problems = [{key: one[key] for key in ("type", "loc", "msg")} for one in error.errors()]
        return Response(json.dumps({"detail": problems}), 422, media_type="application/json")

    @app.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(ASSETS / "index.html", media_type="text/html")

    @app.get("/assets/{name:path}", include_in_schema=False)
    async def asset(name: str) -> FileResponse:
        try:
            path = (ASSETS / name).resolve()
            is_there = path.is_relative_to(ASSETS) and path.is_file() and path.suffix in _TYPES
        except (OSError, ValueError):  # a name too long, or with a NUL
            is_there = False
        if not is_there:
            raise HTTPException(404, "no such file")
        return FileResponse(path, media_type=_TYPES[path.suffix])

    app.add_middleware(Guard, settings=settings)
    return app


async def _warm(searches: Searches) -> None:
    await asyncio.sleep(0.5)  # the first page comes before the libraries of a model are imported
    try:
        await searches.policy(None)
    except Exception as error:  # said again, in one line, to whoever asks
        _log.warning("the default policy cannot be loaded: %s", error)

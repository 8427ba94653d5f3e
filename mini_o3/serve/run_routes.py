"""Routes of recorded sets: lists, episodes, their pictures, comparisons and trainings."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from mini_o3.episode import Episode
from mini_o3.serve.answering import missing, refusals
from mini_o3.serve.pictures import Pictures
from mini_o3.serve.pyramid import TILE, Pyramid
from mini_o3.serve.runs import FILTERS, Recorded, Runs, narrow, status_counts
from mini_o3.serve.search_routes import crop_of
from mini_o3.serve.searches import turn_event
from mini_o3.show.page import episode_page
from mini_o3.show.result import result_of

_SHOWN = ("n", "task", "seed", "question", "answer", "expected", "status", "stop", "turns", "level", "tags")


def run_routes(runs: Runs, pictures: Pictures) -> APIRouter:
    """The routes below `/api/runs`."""
    routes = APIRouter(prefix="/api")

    @routes.get("/runs")
    async def listed() -> list[dict[str, Any]]:
        return [_named(one) for one in await asyncio.to_thread(runs.all)]

    @routes.get("/runs/{key}/episodes")
    async def episodes(
        key: str,
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        tag: str = "",
        text: Annotated[str, Query(max_length=200)] = "",
        order: str = "",
    ) -> dict[str, Any]:
        with missing("set"), refusals():
            rows = await asyncio.to_thread(runs.rows, key)
        kept = narrow(rows, tag, text, order)
        return {
            "total": len(kept),
            "all": len(rows),
            "counts": status_counts(rows),
            "tags": list(FILTERS),
            "rows": [{name: row[name] for name in _SHOWN} for row in kept[offset : offset + limit]],
        }

    @routes.get("/runs/{key}/episodes/{number}")
    async def episode(key: str, number: int) -> dict[str, Any]:
        with missing("episode"), refusals():
            found = await asyncio.to_thread(runs.episode, key, number)
            rows = runs.rows(key)
        same = [row for row in rows if row["task"] == found.task_id]
        return {
            **_told(found),
            "run": _named(runs.get(key)),
            "row": {name: rows[number][name] for name in _SHOWN},
            "siblings": [
                {name: row[name] for name in ("n", "seed", "answer", "status", "tags")} for row in same
            ],
        }

    @routes.get("/runs/{key}/episodes/{number}/tokens")
    async def tokens(key: str, number: int) -> list[dict[str, Any]]:
        """Of each turn the sampled tokens' log-probabilities and whether training learns from them."""
        with missing("episode"), refusals():
            found = await asyncio.to_thread(runs.episode, key, number)
        return [
            {
                "ids": list(turn.token_ids),
                "log_probs": [round(p, 4) for p in turn.log_probs],
                "learn": turn.learn,
            }
            for turn in found.turns
        ]

    @routes.get("/runs/{key}/episodes/{number}/picture")
    async def picture(key: str, number: int) -> dict[str, Any]:
        pyramid = await pyramid_of(key, number)
        return {"size": list(pyramid.original.size), "tile": TILE, "depth": pyramid.depth}

    @routes.get("/runs/{key}/episodes/{number}/tiles/{level}/{column}_{row}.jpg")
    async def tile(key: str, number: int, level: int, column: int, row: int) -> Response:
        pyramid = await pyramid_of(key, number)
        with missing("tile"):
            data = await asyncio.to_thread(pyramid.tile, level, column, row)
        return Response(data, media_type="image/jpeg")

    @routes.get("/runs/{key}/episodes/{number}/crop.jpg")
    async def crop(
        key: str,
        number: int,
        left: int,
        top: int,
        right: int,
        bottom: int,
        side: Annotated[int, Query(ge=16, le=1600)] = 360,
    ) -> Response:
        pyramid = await pyramid_of(key, number)
        return Response(crop_of(pyramid, (left, top, right, bottom), side), media_type="image/jpeg")

    @routes.get("/runs/{key}/episodes/{number}/page")
    async def page(key: str, number: int) -> Response:
        """The self-contained page of the episode, to keep."""
        pyramid = await pyramid_of(key, number)
        found = runs.episode(key, number)
        text = await asyncio.to_thread(episode_page, found, pyramid.original)
        headers = {"content-disposition": f'attachment; filename="episode-{number}.html"'}
        return Response(text, media_type="text/html; charset=utf-8", headers=headers)

    @routes.get("/compare")
    async def compare(a: str, b: str) -> dict[str, Any]:
        """The episodes of two sets that answer the same task with the same seed, flipped ones first."""
        with missing("set"), refusals():
            one = await asyncio.to_thread(runs.rows, a)
            other = await asyncio.to_thread(runs.rows, b)
        partners = {(row["task"], row["seed"]): row for row in other}
        pairs = []
        for row in one:
            partner = partners.get((row["task"], row["seed"]))
            if partner is not None:
                flipped = _verdict(row) != _verdict(partner)
                pairs.append({"flipped": flipped, "a": _slim(row), "b": _slim(partner)})
        pairs.sort(key=lambda pair: not pair["flipped"])
        return {
            "a": _named(runs.get(a)),
            "b": _named(runs.get(b)),
            "total": len(pairs),
            "pairs": pairs[:2000],
        }

    @routes.get("/trainings/{key}")
    async def training(key: str) -> dict[str, Any]:
        with missing("training"), refusals():
            rows = await asyncio.to_thread(runs.metrics, key)
            return {"run": _named(runs.get(key)), "rows": rows}

    async def pyramid_of(key: str, number: int) -> Pyramid:
        with missing("picture"), refusals():
            path = await asyncio.to_thread(runs.picture, key, number)
            return await asyncio.to_thread(pictures.opened, str(path), path)

    return routes


def _named(one: Recorded) -> dict[str, str]:
    return {"id": one.id, "name": one.name, "kind": one.kind}


def _told(episode: Episode) -> dict[str, Any]:
    taken_over = [number for number in episode.meta.get("taken_over", ()) if isinstance(number, int)]
    result = result_of(episode)
    result.pop("turns", None)
    turns = [turn_event(number, turn, taken_over) for number, turn in enumerate(episode.turns, start=1)]
    return {"result": result, "turns": turns, "expected": episode.expected}


def _verdict(row: dict[str, Any]) -> str:
    return next((tag for tag in ("right", "wrong", "unjudged") if tag in row["tags"]), "unjudged")


def _slim(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("n", "question", "answer", "expected", "turns", "tags")}

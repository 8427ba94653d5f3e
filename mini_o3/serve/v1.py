"""The interface for programs: a search as one call, several pictures as one call, and a chat completion that
answers by searching."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections.abc import AsyncIterator
from operator import itemgetter
from typing import Any, Literal

from fastapi import APIRouter, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from mini_o3.kit.errors import UserError
from mini_o3.serve.answering import event_stream, missing, refusals
from mini_o3.serve.body import Body
from mini_o3.serve.finds import Finds, Pictured
from mini_o3.serve.pictures import Pictures
from mini_o3.serve.searches import Search, Searches
from mini_o3.serve.settings import ServeSettings


class SearchBody(Body):
    """`image` is a `data:` URL or base64 of a picture file; `stream` gives the turns as they are taken."""

    image: str = Field(min_length=1)
    question: str = Field(min_length=1, max_length=4000)
    max_turns: int = Field(32, ge=1)
    policy: str | None = None
    seed: int = Field(0, ge=0, lt=2**31)
    stream: bool = False


class FindBody(Body):
    """What is looked for, in each picture by itself."""

    images: list[str] = Field(min_length=1, max_length=64)
    query: str = Field(min_length=1, max_length=1000)
    max_turns: int = Field(16, ge=1)
    policy: str | None = None


class ChatMessage(BaseModel):
    model_config = ConfigDict(extra="ignore")
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None


class ChatBody(Body):
    """The part of OpenAI's chat completions that makes sense here; other keys are ignored."""

    model_config = ConfigDict(extra="ignore")
    model: str = ""
    messages: list[ChatMessage] = Field(min_length=1, max_length=200)
    seed: int | None = Field(None, ge=0, lt=2**31)
    stream: bool = False


def v1_routes(settings: ServeSettings, pictures: Pictures, searches: Searches, finds: Finds) -> APIRouter:
    """The routes below `/v1`."""
    routes = APIRouter(prefix="/v1")

    async def begin(image: str, question: str, turns: int, policy: str | None, seed: int) -> Search:
        with refusals(), missing("picture"):
            path, opened = pictures.file(await asyncio.to_thread(pictures.add, decode_image(image)))
            return await searches.begin(path, opened, question, policy, min(turns, settings.turns), seed)

    @routes.post("/search", response_model=None)
    async def search(body: SearchBody) -> dict[str, Any] | StreamingResponse:
        """Search one picture; the answer as `mini-o3 ask --json` prints it, or its events as they happen."""
        one = await begin(body.image, body.question, body.max_turns, body.policy, body.seed)
        if body.stream:
            return StreamingResponse(event_stream(one), media_type="text/event-stream")
        return await outcome(one)

    @routes.post("/find")
    async def find(body: FindBody) -> dict[str, Any]:
        """Look for the same thing in every picture; found or not for each, in their order."""
        with refusals(), missing("picture"):
            ids = [await asyncio.to_thread(pictures.add, decode_image(image)) for image in body.images]
            among = [Pictured(digest, digest, *pictures.file(digest)) for digest in ids]
            find = await finds.begin(body.query, among, body.policy, min(body.max_turns, settings.turns))
        rows = [event async for _, event in find.watch() if event["type"] == "picture"]
        keys = ("status", "answer", "confidence", "evidence", "error")
        return {"results": [{key: row[key] for key in keys} for row in sorted(rows, key=itemgetter("n"))]}

    @routes.get("/models")
    async def models() -> dict[str, Any]:
        data = [{"id": name, "object": "model", "owned_by": "mini-o3"} for name in settings.policies]
        return {"object": "list", "data": data}

    @routes.post("/chat/completions", response_model=None)
    async def chat(body: ChatBody) -> dict[str, Any] | StreamingResponse:
        """Answer the last user message about the last picture before it, by searching that picture."""
        image, question = last_question(body.messages)
        policy = body.model if body.model in settings.policies else None
        one = await begin(image, question, 32, policy, body.seed or 0)
        if body.stream:
            return StreamingResponse(_chunks(one, body.model), media_type="text/event-stream")
        result = await outcome(one)
        usage = result.get("usage") or {}
        return {
            **_head(one, body.model, "chat.completion"),
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": reply_text(result)},
                    "finish_reason": "stop" if result.get("answer") is not None else "length",
                }
            ],
            "usage": {
                "prompt_tokens": usage.get("prompt", 0),
                "completion_tokens": usage.get("completion", 0),
                "total_tokens": usage.get("prompt", 0) + usage.get("completion", 0),
            },
            "mini_o3": {key: result.get(key) for key in ("status", "evidence", "confidence", "num_turns")},
        }

    return routes


async def outcome(search: Search) -> dict[str, Any]:
    """The result of a search, once it is over. Whoever stops waiting stops it."""
    result: dict[str, Any] = {}
    async for _, event in search.watch():
        if event["type"] == "end":
            result = event["result"]
    return result


def decode_image(text: str) -> bytes:
    """The bytes of a picture that a client sent in a text.

    Raises:
        UserError: it is an address, which is never fetched, or no base64.
    """
    if text.lower().startswith(("http:", "https:", "ftp:", "file:")):
        raise UserError("image: addresses are not fetched; send the picture itself as data:image/...;base64,")
    if text.startswith("data:"):
        head, comma, text = text.partition(",")
        if not comma or not head.endswith(";base64"):
            raise UserError("image: a data URL must hold base64, as data:image/jpeg;base64,...")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UserError("image: is not base64; send the picture as data:image/...;base64,") from None


def last_question(messages: list[ChatMessage]) -> tuple[str, str]:
    """The picture and the question of a conversation: the last of each that a user sent.

    Raises:
        HTTPException: 400; there is none, or a picture is given by address.
    """
    image = question = None
    for message in messages:
        if message.role != "user":
            continue
        parts = message.content
        if isinstance(parts, str):
            parts = [{"type": "text", "text": parts}]
        texts = []
        for part in parts or []:
            if part.get("type") == "image_url":
                url = part.get("image_url")
                image = url.get("url") if isinstance(url, dict) else url
            elif part.get("type") == "text":
                texts.append(str(part.get("text", "")))
        question = "\n".join(texts).strip() or question
    if not isinstance(image, str) or not question:
        raise HTTPException(400, "a user message with an image_url part and a text is needed")
    if not image.startswith("data:"):
        raise HTTPException(400, "image_url must be a data: URL; addresses are not fetched")
    return image, question[:4000]


def reply_text(result: dict[str, Any]) -> str:
    """What a chat client is told."""
    if result.get("answer") is not None:
        return str(result["answer"])
    return f"No answer ({result.get('status')}): {result.get('error') or result.get('stop') or 'unknown'}"


def _head(search: Search, model: str, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{search.id}",
        "object": kind,
        "created": int(time.time()),
        "model": model or search.policy,
    }


async def _chunks(search: Search, model: str) -> AsyncIterator[str]:
    """The thoughts as they come, as reasoning, then the answer."""
    head = _head(search, model, "chat.completion.chunk")

    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return f"data: {json.dumps({**head, 'choices': [choice]}, ensure_ascii=False)}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    async for _, event in search.watch():
        if event["type"] == "turn" and event["thought"]:
            yield chunk({"reasoning_content": event["thought"] + "\n"})
        if event["type"] == "end":
            result = event["result"]
            yield chunk({"content": reply_text(result)})
            yield chunk({}, "stop" if result.get("answer") is not None else "length")
    yield "data: [DONE]\n\n"

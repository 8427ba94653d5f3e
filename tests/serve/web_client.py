"""A scripted policy, and a client of a server that runs it."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
from helpers import answer
from PIL import Image

from mini_o3.episode import PolicyError, Reply
from mini_o3.protocol import load_profile
from mini_o3.vision import PixelBudget


class Script:
    """A policy that says the given turns; "wait" never ends, "fail" fails. After them: "red"."""

    name = "script"
    context_tokens = None

    def __init__(self, turns):
        self.turns, self.opened, self.heard = turns, 0, []
        self.budget, self.profile = PixelBudget(), load_profile("search")

    def open(self, request):
        self.opened += 1
        return Saying(self)


class Saying:
    def __init__(self, policy):
        self.policy = policy

    async def reply(self, messages):
        self.policy.heard.append([message.role for message in messages])
        turn = self.policy.turns.pop(0) if self.policy.turns else answer("red")
        if turn == "wait":
            await asyncio.Event().wait()
        if turn == "fail":
            raise PolicyError("the endpoint is down")
        return Reply(turn)

    def close(self): ...


@dataclass
class Served:
    url: str
    app: object
    policy: Script
    client: httpx.Client = field(repr=False)
    stop: Callable[[], None] = field(repr=False)

    def upload(self, picture=None):
        return self.client.post("/api/pictures", content=png(picture)).raise_for_status().json()

    def begin(self, picture, question="What?", **more):
        body = {"picture": picture["id"], "question": question, **more}
        return self.client.post("/api/searches", json=body).raise_for_status().json()["id"]

    def events(self, key, after=-1):
        with self.client.stream("GET", f"/api/searches/{key}/events", params={"after": after}) as stream:
            return [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]


def png(picture=None):
    file = io.BytesIO()
    (picture or Image.radial_gradient("L").resize((800, 600)).convert("RGB")).save(file, "PNG")
    return file.getvalue()

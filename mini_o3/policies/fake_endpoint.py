"""`mini-o3 fake-endpoint`: an OpenAI-compatible endpoint that knows some probes, and fails as often as it is
told to.

For trying the collector, an evaluation or a judge without a model. It plays the teacher: what comes next
follows from the conversation that a request carries, so it keeps no state and may be restarted at any time.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from mini_o3.episode import Conversation, PolicyError, Request, SearchTask
from mini_o3.kit.fake_endpoint import Behaviour, Received, completion, hangs_up, sends, status, waits
from mini_o3.kit.rng import stream
from mini_o3.policies.teacher import Teacher
from mini_o3.protocol import Answer, Malformed, format_action, parse
from mini_o3.vision import open_picture

_SAMPLES = 8  # ways in which it plays one task, told apart by the seed of a request


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of requests that go wrong, each drawn from the request itself and from how often it came.

    Attributes:
        fail: answered with an error of the server (429, 500 or 503) or a broken connection.
        slow: answered after `seconds`.
        malformed: a turn that is not an action.
        wrong: episodes (not requests) that end in a wrong answer.
    """

    fail: float = 0.0
    slow: float = 0.0
    malformed: float = 0.0
    wrong: float = 0.0
    seconds: float = 2.0
    seed: int = 0


class Player:
    """Answers requests about the probes it knows; call it as the `answer` of an `Endpoint`."""

    def __init__(self, tasks: Sequence[SearchTask], faults: Faults) -> None:
        self.faults, self.teacher = faults, Teacher(tasks)
        self.by_question: dict[str, list[SearchTask]] = defaultdict(list)
        for task in tasks:
            self.by_question[task.asked].append(task)
        self.look = cache(lambda picture: _look(open_picture(picture)))
        self.came: dict[str, int] = defaultdict(int)

    def __call__(self, request: Received) -> Behaviour:
        messages = request.body.get("messages", [])
        key = json.dumps([request.body.get("seed"), len(messages), _last_text(messages)])
        self.came[key] += 1
        rng = stream("fake endpoint", self.faults.seed, key, self.came[key])
        fail, slow, malformed = rng.random(3)
        if fail < self.faults.fail:
            return (status(429, "slow down", retry_after="0"), status(500), status(503), hangs_up())[
                int(rng.integers(4))
            ]
        task = self._task(messages)
        if task is None:
            return status(400, "this endpoint knows nothing of that picture and question")
        text = self._turn(task, messages, int(request.body.get("seed") or 0))
        if malformed < self.faults.malformed:
            text = text.replace("</think>", "", 1)
        words = sum(len(json.dumps(message)) for message in messages) // 400 + len(text) // 4
        usage = {
            "prompt_tokens": words,
            "completion_tokens": len(text) // 4,
            "total_tokens": words + len(text) // 4,
        }
        reply = sends(completion(text, usage=usage))
        return waits(self.faults.seconds, reply) if slow < self.faults.slow else reply

    def _task(self, messages: Sequence[dict[str, Any]]) -> SearchTask | None:
        """The task whose question is in the first user message and whose picture looks most like the one
        there."""
        first = next((m for m in messages if m.get("role") == "user"), {})
        content = first.get("content")
        parts: list[dict[str, Any]] = (
            content if isinstance(content, list) else [{"type": "text", "text": content}]
        )
        said = "".join(str(part.get("text", "")) for part in parts)
        fitting = [task for question, tasks in self.by_question.items() if question in said for task in tasks]
        if len(fitting) <= 1:
            return fitting[0] if fitting else None
        shown = next((part["image_url"]["url"] for part in parts if part.get("type") == "image_url"), None)
        if shown is None:
            return None
        seen = _look(Image.open(io.BytesIO(base64.b64decode(shown.partition(",")[2]))))
        return min(fitting, key=lambda task: float(np.abs(self.look(task.picture) - seen).sum()))

    def _turn(self, task: SearchTask, messages: Sequence[dict[str, Any]], seed: int) -> str:
        """The teacher's next move; one that came out malformed is made again."""
        said = [str(message.get("content")) for message in messages if message.get("role") == "assistant"]
        number = sum(not isinstance(parse(text), Malformed) for text in said)
        play = seed % _SAMPLES
        wrong = stream("wrong", self.faults.seed, task.id, play).random() < self.faults.wrong
        conversation = self.teacher.open(
            Request(task.id, task.asked, task.size or (1, 1), task.picture, play)
        )
        text = asyncio.run(_turn_number(conversation, number))
        action = parse(text)
        if wrong and isinstance(action, Answer):
            return format_action(Answer("nothing of the kind", action.thought))
        return text


async def _turn_number(conversation: Conversation, number: int) -> str:
    """What is said after so many turns; the teacher does not listen, so nothing is said to it."""
    try:
        for _ in range(number):
            await conversation.reply(())
        return (await conversation.reply(())).text
    except PolicyError:
        return format_action(Answer("nothing", "I have looked everywhere."))
    finally:
        conversation.close()


def _look(picture: Image.Image) -> np.ndarray:
    """What a picture looks like from afar: grey values (16, 16)."""
    return np.asarray(picture.convert("L").resize((16, 16)), np.float32)


def _last_text(messages: Sequence[dict[str, Any]]) -> str:
    return json.dumps(messages[-1].get("content"))[-4000:] if messages else ""

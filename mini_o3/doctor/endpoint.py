"""An endpoint: does it take pictures, how many, stop strings, long conversations; does it split thoughts off?

Every examination is a small real request, with pictures that are made here. Nothing of the user's is sent.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
from PIL import Image, ImageDraw

from mini_o3.doctor.findings import Finding, State
from mini_o3.episode import Limits, Message, SearchTask, StopReason, run_episode
from mini_o3.kit.chat import ChatClient, ChatError, ChatSettings, Completion
from mini_o3.kit.secrets import conceal
from mini_o3.policies.api import Api
from mini_o3.policies.upload import Outbox
from mini_o3.protocol import load_profile

_PICTURES = (2, 4, 8, 12, 16, 24, 33)  # 33 is a search of 32 turns
_WORDS = (1_000, 4_000, 12_000, 24_000)  # about 1.3 tokens each
_SECONDS = 120.0


async def examine_endpoint(
    settings: ChatSettings, *, long: bool = True, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Finding]:
    """Findings about one model behind an endpoint, the settings to use last.

    Args:
        long: also send long conversations, about 50,000 tokens in all.
    """
    client = ChatClient(settings, transport=transport)
    doctor = _Doctor(client, settings)
    first = await doctor.words()
    yield first
    if first.state is State.BAD:
        return
    yield await doctor.picture()
    if doctor.takes_pictures:
        yield await doctor.pictures()
    yield await doctor.stop_strings()
    if long:
        yield await doctor.long_conversation()
    yield doctor.thoughts()
    yield doctor.usage()
    for name, other in client.adapted.items():
        how = f"goes as {other}" if other else "is not taken and is left out"
        yield Finding("parameters", State.NOTE, f"{name} {how}; this is found out anew in every run")
    if doctor.takes_pictures:
        yield await doctor.search(settings)
    yield Finding("use", State.GOOD, doctor.settings_to_use())


class _Doctor:
    """What was found so far."""

    def __init__(self, client: ChatClient, settings: ChatSettings) -> None:
        self.client, self.settings = client, settings
        self.takes_pictures, self.most_pictures = False, 0
        self.replies: list[Completion] = []
        self.dialect = ""

    async def words(self) -> Finding:
        began = time.monotonic()
        reply = await self._ask([Message("user", ("Reply with the single word ready.",))], 256)
        if isinstance(reply, ChatError):
            return Finding("reply", State.BAD, str(reply))
        took = time.monotonic() - began
        said = " ".join(reply.text.rpartition("</think>")[2].split())[:60]
        return Finding("reply", State.GOOD, f"{said!r} after {took:.1f} s")

    async def picture(self) -> Finding:
        square = Image.new("RGB", (224, 224), "red")
        words = "What colour is this square? Reply with one word."
        reply = await self._ask([Message("user", (square, words))], 1024)
        if isinstance(reply, ChatError):
            return Finding("pictures", State.BAD, f"not taken: {reply}")
        seen = "red" in reply.text.rpartition("</think>")[2].lower()
        self.takes_pictures, self.most_pictures = True, 1
        said = " ".join(reply.text.rpartition("</think>")[2].split())[:60]
        what = "a red square was named red" if seen else f"taken, but a red square was called {said!r}"
        return Finding("pictures", State.GOOD if seen else State.NOTE, what)

    async def pictures(self) -> Finding:
        problem = ""
        for count in _PICTURES:
            squares = [Image.new("RGB", (56, 56), "blue") for _ in range(count)]
            reply = await self._ask([Message("user", (*squares, "Reply with the word ready."))], 64)
            if isinstance(reply, ChatError):
                problem = str(reply)
                break
            self.most_pictures = count
        if self.most_pictures == _PICTURES[-1]:
            return Finding(
                "many pictures", State.GOOD, f"{self.most_pictures} in one conversation: 32 turns fit"
            )
        advice = f"{self.most_pictures} are taken, more are not ({problem[:160]}); raise the server's limit"
        return Finding(
            "many pictures", State.NOTE, f"{advice} (vLLM: --limit-mm-per-prompt), or ask with fewer turns"
        )

    async def stop_strings(self) -> Finding:
        said = "Write exactly this and nothing else: <answer>one</answer> two three four"
        reply = await self._ask([Message("user", (said,))], 1024, stop=("</answer>",))
        if isinstance(reply, ChatError):
            return Finding("stop strings", State.NOTE, f"not taken: {reply}")
        text = reply.text.rpartition("</think>")[2]
        if "<answer>" not in text:
            return Finding(
                "stop strings", State.NOTE, "not known: the model did not write what it was asked to"
            )
        on = "three" in text
        what = "not heeded; turns are cut after their first action here" if on else "heeded"
        return Finding("stop strings", State.NOTE if on else State.GOOD, what)

    async def long_conversation(self) -> Finding:
        most = 0
        for words in _WORDS:
            reply = await self._ask(
                [Message("user", ("word " * words + "\nReply with the word ready.",))], 16
            )
            if isinstance(reply, ChatError):
                what = f"about {most} words are taken, {words} are not ({str(reply)[:160]})"
                hint = "raise the context length (vLLM --max-model-len, Ollama num_ctx, llama.cpp -c)"
                return Finding("long conversations", State.NOTE, f"{what}; {hint}")
            most = words
        return Finding("long conversations", State.GOOD, f"{most} words are taken")

    def thoughts(self) -> Finding:
        if any(reply.thought_apart for reply in self.replies):
            return Finding(
                "thoughts", State.GOOD, "split off by the server; they are put back into every turn"
            )
        return Finding("thoughts", State.GOOD, "come in the text, or there are none")

    def usage(self) -> Finding:
        if any(reply.usage.is_known for reply in self.replies):
            cached = any(reply.usage.cached for reply in self.replies)
            return Finding("usage", State.GOOD, f"tokens are counted{', cached ones too' if cached else ''}")
        return Finding("usage", State.NOTE, "tokens are not counted, so cost and context cannot be told")

    async def search(self, settings: ChatSettings) -> Finding:
        """A search of two turns in a made picture, by the first dialect that the model can write."""
        picture = Image.new("RGB", (1600, 1200), "gray")
        draw = ImageDraw.Draw(picture)
        draw.rectangle((1200, 200, 1260, 240), fill="yellow")
        task = SearchTask("made.png", "What colour is the small rectangle?", "yellow")
        tried = []
        for dialect in ("search", "qwen3_vl", "direct"):
            policy = Api(settings, profile=load_profile(dialect))
            policy.client = self.client
            episode = await run_episode(task, policy, Limits(turns=4), picture=picture)
            if episode.stop is StopReason.ANSWERED or (episode.is_over_turn and episode.num_zooms):
                self.dialect = policy.profile.dialect
                said = str(episode.answer)[:40]
                what = f"{episode.num_zooms} looks, answer {said!r}, in the dialect {self.dialect}"
                state = State.GOOD if dialect == "search" else State.NOTE
                return Finding("a search", state, what)
            tried.append(f"{policy.profile.dialect}: {episode.error or episode.stop.value}")
        return Finding("a search", State.BAD, conceal("; ".join(tried)))

    def settings_to_use(self) -> str:
        words = [f"--policy {self.settings.shown}"]
        if self.dialect not in ("", "mini_o3"):
            words.append(f"--dialect {self.dialect}")
        if self.takes_pictures and self.most_pictures < _PICTURES[-1]:
            words.append(f"--turns {max(self.most_pictures, 1)}")
        return " ".join(words)

    async def _ask(self, messages: list[Message], most: int, **changes: Any) -> Completion | ChatError:
        outbox = Outbox(self.settings.max_request_bytes)
        outbox.add(messages)
        asked = replace(
            self.settings, max_tokens=most, timeout=min(self.settings.timeout, _SECONDS), **changes
        )
        try:
            reply = await self.client.complete(outbox.payload(), settings=asked)
        except ChatError as error:
            return error
        self.replies.append(reply)
        return reply

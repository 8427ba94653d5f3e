"""A language model as judge, behind any OpenAI-compatible endpoint: strict, cached, and never wrong when it
fails."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

from mini_o3.episode import SearchTask
from mini_o3.episode.task import LETTERS
from mini_o3.judge.choice import truth_letter
from mini_o3.judge.prompt import JudgePrompt, load_prompt, read_verdict
from mini_o3.judge.verdict import CORRECT, INCORRECT, JUDGE_FAILED, Kind, Verdict, unjudged
from mini_o3.kit.chat import KEY_VARIABLES, ChatClient, ChatError, ChatSettings, option_pairs, with_options
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.files import append_jsonl, make_folder, read_jsonl
from mini_o3.kit.metering import Meter
from mini_o3.kit.usage import NO_USAGE, Usage

JUDGE_KEY_VARIABLES = ("MINI_O3_JUDGE_API_KEY", *KEY_VARIABLES)
READINGS = 3  # replies that are asked for until one is a verdict
FAILURES = 5  # calls in a row without any reply after which an endpoint is left in peace
REST = 60.0  # seconds for which it is
_ABOUT_ONE = frozenset({200, 400, 413, 422})  # statuses that refuse one request, and say nothing of the next
_REPLY_TOKENS = 512  # that a verdict may take, thoughts included
_OPTIONS = ("prompt=FILE", "max_tokens=N", "timeout=SECONDS", "attempts=N")


class LlmJudge:
    """One model with one prompt.

    Attributes:
        name: `llm:MODEL@PROMPT`, the latter the hash of the prompt (and of options of the endpoint that
            change words): verdicts with equal names may be put together.
        cache: file with a line per verdict; None keeps them in memory only. Failures are never kept.
        concurrent: requests at the same time.
    """

    def __init__(
        self,
        settings: ChatSettings,
        prompt: JudgePrompt | None = None,
        *,
        cache: Path | None = None,
        concurrent: int = 16,
        meter: Meter | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Raises SettingError if the budget of `meter` is in money and the model's price is not known."""
        if JUDGE_KEY_VARIABLES[0] not in settings.key_variables:
            settings = replace(settings, key_variables=(JUDGE_KEY_VARIABLES[0], *settings.key_variables))
        self.settings = settings
        self.prompt = prompt or load_prompt()
        options = {name: value for name, value in self.recorded.items() if name != "max_tokens"}
        digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:8]
        more = f"+{digest}" if options else ""
        self.name = f"llm:{settings.model}@{self.prompt.hash}{more}"
        self.meter = meter or Meter()
        self.meter.check_price(settings.model)
        self.cache, self.concurrent = cache, concurrent
        self.client = ChatClient(self.settings, transport=transport)
        if cache is not None:
            make_folder(cache.parent)
        self._known = _read(cache)
        self._failures, self._rests_until, self._last = 0, 0.0, ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._room = asyncio.Semaphore(concurrent)
        self._asking: dict[str, asyncio.Task[Verdict]] = {}

    @property
    def recorded(self) -> dict[str, Any]:
        """Options of the endpoint that can change a verdict."""
        return self.settings.recorded(temperature=0.0, max_tokens=_REPLY_TOKENS)

    @classmethod
    def parse(
        cls,
        spec: str,
        *,
        cache: Path | None = None,
        concurrent: int = 16,
        endpoint: Mapping[str, Any] = MappingProxyType({}),
        meter: Meter | None = None,
    ) -> LlmJudge:
        """From `URL#MODEL`, which may be followed by `,prompt=FILE`, `,max_tokens=N`, `,timeout=SECONDS`,
        `,attempts=N`; `endpoint` has any options.

        Raises:
            UserError: the URL or the model is missing, or an option is not known.
        """
        where, *options = spec.split(",")
        settings = ChatSettings.parse(where, "judge", "llm", max_tokens=_REPLY_TOKENS)
        settings = replace(settings, key_variables=JUDGE_KEY_VARIABLES)
        prompt = None
        for option in options:
            name, _, value = option.partition("=")
            if name == "prompt":
                prompt = load_prompt(Path(value))
                continue
            try:
                if f"{name}=" not in {known.partition("=")[0] + "=" for known in _OPTIONS}:
                    raise UserError("unknown")
                settings = with_options(settings, {name: value})
            except UserError:
                raise SettingError(
                    "judge", f"{option!r} is not an option; it takes {', '.join(_OPTIONS)}", f"llm:{where}"
                ) from None
        settings = with_options(settings, dict(option_pairs(endpoint)), "judge_endpoint")
        return cls(settings, prompt, cache=cache, concurrent=concurrent, meter=meter)

    async def __call__(self, task: SearchTask, answer: str) -> Verdict:
        """The verdict on an answer to a task whose expected answer is known; unjudged if the model gives
        none."""
        assert task.answer is not None
        asked, truth = task.asked, task.answer
        if task.options and (letter := truth_letter(task.answer, task.options)):
            truth = f"{letter}. {task.options[LETTERS.index(letter)]}"
        key = self._key(asked, truth, answer)
        if (known := self._known.get(key)) is not None:
            return known
        if (loop := asyncio.get_running_loop()) is not self._loop:  # what asyncio makes belongs to one loop
            self._loop, self._room, self._asking = loop, asyncio.Semaphore(self.concurrent), {}
        if (
            asking := self._asking.get(key)
        ) is None:  # samples of a task often give the same answer at the same time
            asking = self._asking[key] = asyncio.ensure_future(
                self._ask(key, self.prompt.messages(asked, truth, answer))
            )
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(asking)

    async def _ask(self, key: str, messages: list[dict[str, Any]]) -> Verdict:
        said, asked, usage = "", 0, NO_USAGE
        async with self._room:
            for _ in range(READINGS):
                if time.monotonic() < self._rests_until:
                    return unjudged(
                        f"{JUDGE_FAILED}: not asked after {FAILURES} failures in a row, the last:"
                        f" {self._last}"
                    )
                if spent := self.meter.spent:
                    return unjudged(f"{JUDGE_FAILED}: {spent}")
                self.meter.count(1, 0, NO_USAGE, self.settings.model)
                try:
                    reply = await self.client.complete(messages)
                except ChatError as error:
                    self._failed(error)
                    return unjudged(f"{JUDGE_FAILED}: {error}")
                self._failures = 0
                self.meter.count(0, reply.usage.total, reply.usage, self.settings.model)
                asked, usage = asked + 1, usage + reply.usage
                if (found := read_verdict(reply.text)) is not None:
                    return self._keep(key, CORRECT if found else INCORRECT, cost_of(asked, usage))
                said = " ".join(reply.text.split())[:80] + (
                    "" if reply.finished else " (cut off; raise max_tokens)"
                )
                if not reply.finished and self.settings.temperature == 0:
                    break  # a greedy reply is cut off at the same place again
        if self.cache is not None:
            append_jsonl(self.cache, {"judge": self.name, **cost_of(asked, usage)})
        return unjudged(f"{JUDGE_FAILED}: no verdict in {READINGS} replies, the last: {said!a}")

    def _failed(self, error: ChatError) -> None:
        self._failures += error.status not in _ABOUT_ONE
        if self._failures >= FAILURES:
            self._rests_until, self._last, self._failures = time.monotonic() + REST, str(error), 0

    def _keep(self, key: str, verdict: Verdict, cost: dict[str, Any]) -> Verdict:
        self._known[key] = verdict
        if self.cache is not None:
            row = {"key": key, "verdict": verdict.kind.value, "judge": self.name}
            append_jsonl(self.cache, row | cost)
        return verdict

    def _key(self, question: str, truth: str, answer: str) -> str:
        content = json.dumps([question, truth, answer, self.name, self.prompt.hash])
        return hashlib.sha256(content.encode()).hexdigest()


def cost_of(requests: int, usage: Usage) -> dict[str, Any]:
    """What a line of the cache says about its cost; nothing about the usual one that nobody counted."""
    return {"requests": requests, "usage": usage.to_dict()} if usage.is_known or requests != 1 else {}


def spent_on_judging(cache: Path) -> list[tuple[str, int, Usage]]:
    """Model, requests and usage of every line in a cache of verdicts."""
    found = []
    for row in _rows(cache):
        usage = {name: count for name, count in row.get("usage", {}).items() if isinstance(count, int)}
        model = str(row.get("judge", "")).removeprefix("llm:").rpartition("@")[0]
        found.append((model, int(row.get("requests", 1)), Usage(**usage)))
    return found


def _rows(cache: Path | None) -> list[dict[str, Any]]:
    rows = read_jsonl(cache, skip_damaged=True) if cache is not None else []
    return [row for row in rows if isinstance(row, dict)]


def _read(cache: Path | None) -> dict[str, Verdict]:
    kept = {Kind.CORRECT.value: CORRECT, Kind.INCORRECT.value: INCORRECT}
    return {
        str(row["key"]): kept[str(row["verdict"])]
        for row in _rows(cache)
        if "key" in row and str(row.get("verdict")) in kept
    }

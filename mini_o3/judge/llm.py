"""A language model as judge, behind any OpenAI-compatible endpoint: strict, cached, and never wrong when it
fails."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from mini_o3.episode import SearchTask
from mini_o3.episode.task import LETTERS
from mini_o3.judge.choice import truth_letter
from mini_o3.judge.prompt import JudgePrompt, load_prompt, read_verdict
from mini_o3.judge.verdict import CORRECT, INCORRECT, JUDGE_FAILED, Kind, Verdict, unjudged
from mini_o3.kit.chat import KEY_VARIABLES, ChatClient, ChatError, ChatSettings, with_options
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.files import append_jsonl, make_folder, read_jsonl

JUDGE_KEY_VARIABLES = ("MINI_O3_JUDGE_API_KEY", *KEY_VARIABLES)
READINGS = 3  # replies that are asked for until one is a verdict
FAILURES = 5  # calls in a row without any reply after which an endpoint is left in peace
REST = 60.0  # seconds for which it is
_ABOUT_ONE = frozenset({200, 400, 413, 422})  # statuses that refuse one request, and say nothing of the next
_OPTIONS = ("prompt=FILE", "max_tokens=N", "timeout=SECONDS", "attempts=N")


class LlmJudge:
    """One model with one prompt.

    Attributes:
        name: `llm:MODEL@PROMPT`, the latter the hash of the prompt: verdicts with equal names may be put
            together.
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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.settings = replace(settings, temperature=0.0, key_variables=JUDGE_KEY_VARIABLES)
        self.prompt = prompt or load_prompt()
        self.name = f"llm:{settings.model}@{self.prompt.hash}"
        self.cache, self.concurrent = cache, concurrent
        self.client = ChatClient(self.settings, transport=transport)
        if cache is not None:
            make_folder(cache.parent)
        self._known = _read(cache)
        self._failures, self._rests_until, self._last = 0, 0.0, ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._room = asyncio.Semaphore(concurrent)
        self._asking: dict[str, asyncio.Task[Verdict]] = {}

    @classmethod
    def parse(cls, spec: str, *, cache: Path | None = None, concurrent: int = 16) -> LlmJudge:
        """From `URL#MODEL`, which may be followed by `,prompt=FILE`, `,max_tokens=N`, `,timeout=SECONDS`,
        `,attempts=N`.

        Raises:
            UserError: the URL or the model is missing, or an option is not known.
        """
        where, *options = spec.split(",")
        settings = ChatSettings.parse(where, "judge", "llm", max_tokens=512)
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
        return cls(settings, prompt, cache=cache, concurrent=concurrent)

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
        said = ""
        async with self._room:
            for _ in range(READINGS):
                if time.monotonic() < self._rests_until:
                    return unjudged(
                        f"{JUDGE_FAILED}: not asked after {FAILURES} failures in a row, the last:"
                        f" {self._last}"
                    )
                try:
                    reply = await self.client.complete(messages)
                except ChatError as error:
                    self._failed(error)
                    return unjudged(f"{JUDGE_FAILED}: {error}")
                self._failures = 0
                if (found := read_verdict(reply.text)) is not None:
                    return self._keep(key, CORRECT if found else INCORRECT)
                said = " ".join(reply.text.split())[:80] + (
                    "" if reply.finished else " (cut off; raise max_tokens)"
                )
                if not reply.finished and self.settings.temperature == 0:
                    break  # a greedy reply is cut off at the same place again
        return unjudged(f"{JUDGE_FAILED}: no verdict in {READINGS} replies, the last: {said!a}")

    def _failed(self, error: ChatError) -> None:
        self._failures += error.status not in _ABOUT_ONE
        if self._failures >= FAILURES:
            self._rests_until, self._last, self._failures = time.monotonic() + REST, str(error), 0

    def _keep(self, key: str, verdict: Verdict) -> Verdict:
        self._known[key] = verdict
        if self.cache is not None:
            append_jsonl(self.cache, {"key": key, "verdict": verdict.kind.value, "judge": self.name})
        return verdict

    def _key(self, question: str, truth: str, answer: str) -> str:
        content = json.dumps([question, truth, answer, self.name, self.prompt.hash])
        return hashlib.sha256(content.encode()).hexdigest()


def _read(cache: Path | None) -> dict[str, Verdict]:
    kept = {Kind.CORRECT.value: CORRECT, Kind.INCORRECT.value: INCORRECT}
    rows = (
        [row for row in read_jsonl(cache, skip_damaged=True) if isinstance(row, dict)]
        if cache is not None
        else []
    )
    return {
        str(row["key"]): kept[str(row["verdict"])]
        for row in rows
        if "key" in row and str(row.get("verdict")) in kept
    }

"""What an endpoint answers, read in one place for policies, judges, collectors and logs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mini_o3.kit.text import with_thought_opened, without_special_tokens
from mini_o3.kit.usage import NO_USAGE, Usage

_CUT_OFF = frozenset({"length", "max_tokens", "model_length", "incomplete", "max_output_tokens"})
_FILTERED = frozenset({"content_filter", "safety", "recitation", "blocklist", "prohibited_content"})
THOUGHT_FIELDS = ("reasoning_content", "reasoning")
_MOST_TOKENS = 10**9


@dataclass(frozen=True, slots=True)
class Completion:
    """A reply.

    Attributes:
        text: what the model wrote, a thought that the server had split off put back in `<think>` tags.
        finished: it ended by itself, and not at the limit of length.
        usage: what it cost.
        thought_apart: the server had split the thought off.
    """

    text: str
    finished: bool
    usage: Usage = NO_USAGE
    thought_apart: bool = False

    @property
    def context_tokens(self) -> int:
        """Length of the context after it; 0 if the endpoint does not say."""
        return self.usage.total


class NoReply(Exception):
    """A body holds no reply; `passing` tells whether asking again may help, `status` what it says it is."""

    def __init__(self, message: str, passing: bool, status: int | None = None) -> None:
        super().__init__(message)
        self.passing, self.status = passing, status


def read_completion(body: Any) -> Completion:
    """The first choice of a chat completion.

    Raises:
        NoReply: the body is an error, a refusal, empty because it was filtered, or not a chat completion.
    """
    if isinstance(body, dict) and not body.get("choices"):
        error = body.get("error") or body.get("detail") or (body if body.get("object") == "error" else None)
        if error:
            status = _status(error)
            passing = status is not None and (status == 429 or status >= 500)
            raise NoReply(f"an error in place of a reply: {_message(error)}", passing, status)
    choices = body.get("choices") if isinstance(body, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise NoReply("the reply is not a chat completion", passing=True)
    text, reason = message_text(message), str(choice.get("finish_reason") or "stop").lower()
    if not text.strip() and isinstance(message.get("refusal"), str) and message["refusal"].strip():
        raise NoReply(f"the model refused: {message['refusal'].strip()}", passing=False)
    if not text.strip() and reason in _FILTERED:
        raise NoReply(f"the reply was filtered ({reason})", passing=False)
    if not text.strip() and message.get("content") is None:
        raise NoReply(f"the reply is empty (content null, finish_reason {reason})", passing=False)
    if reason in _CUT_OFF:
        text = text.removesuffix("</think>")  # of a thought that was put back: it had no end
    apart = any(message.get(field) for field in THOUGHT_FIELDS) or isinstance(message.get("content"), list)
    return Completion(text, reason not in _CUT_OFF, read_usage(body.get("usage")), apart)


def message_text(message: dict[str, Any]) -> str:
    """All that an assistant message says, as the model would have written it: thought, words, calls.

    Read are texts, null and lists of parts as `content`; thoughts as a part or beside it
    (`reasoning_content`, `reasoning`); `tool_calls`. Special tokens at the end are left out.
    """
    thought, words = _parts(message.get("content"))
    for field in THOUGHT_FIELDS:
        if isinstance(message.get(field), str) and message[field].strip() and "</think>" not in words:
            thought = thought or message[field]
    words = with_thought_opened(without_special_tokens(words))
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function", call) if isinstance(call, dict) else None
        if isinstance(function, dict) and "<tool_call>" not in words:
            words += f"<tool_call>\n{_call(function)}\n</tool_call>"
    return f"<think>{thought.strip()}</think>{words}" if thought.strip() else words


def read_usage(usage: Any) -> Usage:
    """The field `usage` of a body; what is no sensible number counts as 0."""
    if not isinstance(usage, dict):
        return Usage()
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else usage.get("cached_tokens")
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    return Usage(prompt, _count(cached), completion, _count(usage.get("total_tokens")) or prompt + completion)


def error_message(body: Any) -> str:
    """What the body of an error says, in its own words."""
    return _message(body.get("error", body.get("detail", body)) if isinstance(body, dict) else body)


def _parts(content: Any) -> tuple[str, str]:
    """Thought and words of a `content`."""
    if isinstance(content, str):
        return "", content
    thought, words = "", ""
    for part in content if isinstance(content, list) else []:
        if isinstance(part, str):
            words += part
        elif isinstance(part, dict) and part.get("type") in ("thinking", "reasoning"):
            inner = part.get("thinking", part.get("reasoning", part.get("text")))
            thought += _parts(inner)[1]
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            words += part["text"]
    return thought, words


def _call(function: dict[str, Any]) -> str:
    arguments = function.get("arguments", function.get("parameters", {}))
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return json.dumps({"name": function.get("name"), "arguments": arguments})
    return json.dumps({"name": function.get("name"), "arguments": arguments})


def _message(error: Any) -> str:
    for key in ("message", "detail", "error", "msg"):
        if isinstance(error, dict) and isinstance(error.get(key), str) and error[key].strip():
            return " ".join(error[key].split())
    try:
        return " ".join((error if isinstance(error, str) else json.dumps(error, ensure_ascii=False)).split())
    except (RecursionError, ValueError, TypeError):
        return "an error that cannot be shown"


def _status(error: Any) -> int | None:
    code = error.get("code", error.get("status")) if isinstance(error, dict) else None
    return (
        int(code) if isinstance(code, int | str) and str(code).isdecimal() and len(str(code)) == 3 else None
    )


def _count(value: Any) -> int:
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS
    return int(value) if number else 0

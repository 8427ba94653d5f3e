"""Replies that come piece by piece (server-sent events), put together as if they had come whole."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from typing import Any

from mini_o3.kit.chat.reply import THOUGHT_FIELDS, NoReply
from mini_o3.kit.secrets import conceal

_DONE = "[DONE]"
_UNSAID = "length"  # a stream that does not say why it ends may have been cut off
AGAIN = "\n(the reply broke off and is asked for again)\n"


class StreamReader:
    """Takes the bytes of one reply as they come; `body` is what it would have been without streaming.

    A server may answer whole all the same: then `is_stream` stays False, and nobody needs `body`.
    """

    def __init__(self, on_text: Callable[[str], None] | None) -> None:
        """`on_text` is told what the model writes, its thought in `<think>` tags."""
        self.on_text = on_text or (lambda piece: None)
        self.is_stream = False
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._rest, self._data, self._name = "", "", ""
        self._began = self._is_done = self._is_thinking = False
        self._parts: list[Any] = []
        self._fields: dict[str, str] = {}
        self._calls: dict[int, dict[str, str]] = {}
        self._error: Any = None
        self._reason: str | None = None
        self._usage: Any = None

    def feed(self, received: bytes) -> None:
        """Read on.

        Raises:
            NoReply: a piece is not JSON.
        """
        lines = (self._rest + self._decode(received)).replace("\r\n", "\n").split("\n")
        self._rest = lines.pop()
        for line in lines:
            if not self._began and line.strip():
                self._began = True
                self.is_stream = line.startswith(("data:", "event:", "id:", "retry:", ":"))
            if self.is_stream:
                self._line(line)

    def body(self) -> dict[str, Any]:
        """The reply in the form of one that came whole.

        Raises:
            NoReply: the stream broke off before the reply was over.
        """
        if self._rest:
            self.feed(b"\n")
        self._event()
        if self._error is not None:
            return {"error": self._error}
        if self._reason is None and not self._is_done:
            written = sum(len(part) for part in self._parts if isinstance(part, str))
            raise NoReply(f"the stream broke off after {written} characters", passing=True)
        whole = all(isinstance(part, str) for part in self._parts)
        content: Any = ("".join(self._parts) if self._parts else None) if whole else self._parts
        message: dict[str, Any] = {"role": "assistant", "content": content, **self._fields}
        if self._calls:
            message["tool_calls"] = [{"function": call} for _, call in sorted(self._calls.items())]
        choice = {"index": 0, "message": message, "finish_reason": self._reason or _UNSAID}
        return {"choices": [choice], "usage": self._usage}

    def _line(self, line: str) -> None:
        if not line:
            self._event()
        elif line.startswith("data:"):
            data = line[5:].removeprefix(" ")
            if self._data and data.lstrip().startswith(("{", _DONE)) and _is_whole(self._data):
                self._event()  # a server that leaves out the empty line between two pieces
            self._data += data
        elif line.startswith("event:"):
            self._name = line[6:].strip()

    def _event(self) -> None:
        data, self._data = self._data.strip(), ""
        name, self._name = self._name, ""
        if not data or self._is_done:
            return
        if data == _DONE:
            self._is_done = True
            return
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            raise NoReply(f"a piece of the stream is not JSON ({conceal(data)[:80]})", passing=True) from None
        if isinstance(found, dict):
            if name == "error" or found.get("object") == "error":
                self._error = found.get("error") or found
            self._piece(found)

    def _piece(self, found: dict[str, Any]) -> None:
        if found.get("error"):
            self._error = found["error"]
        self._usage = found.get("usage") or self._usage
        choices = found.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return
        delta = choice.get("delta")
        if isinstance(delta, dict):
            self._delta(delta)
        if isinstance(choice.get("finish_reason"), str):
            self._reason = choice["finish_reason"]

    def _delta(self, delta: dict[str, Any]) -> None:
        thought = next((delta[name] for name in THOUGHT_FIELDS if isinstance(delta.get(name), str)), "")
        for name in (*THOUGHT_FIELDS, "refusal"):
            if isinstance(delta.get(name), str):
                self._fields[name] = self._fields.get(name, "") + delta[name]
        if thought:
            self.on_text(thought if self._is_thinking else f"<think>{thought}")
            self._is_thinking = True
        content = delta.get("content")
        pieces = content if isinstance(content, list) else [content]
        self._parts += [piece for piece in pieces if isinstance(piece, str | dict)]
        if words := "".join(piece for piece in pieces if isinstance(piece, str)):
            self.on_text(f"</think>{words}" if self._is_thinking else words)
            self._is_thinking = False
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else []:
            self._call(call)

    def _call(self, call: Any) -> None:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(call.get("index", 0), int):
            mine = self._calls.setdefault(call.get("index", 0), {"name": "", "arguments": ""})
            for name in mine:
                if isinstance(function.get(name), str):
                    mine[name] += function[name]
            self.on_text(str(function.get("arguments") or ""))


def _is_whole(data: str) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return data.strip() == _DONE
    return True

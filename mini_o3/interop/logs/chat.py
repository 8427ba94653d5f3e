"""Conversations as other programs write them down, as who said what: OpenAI messages, and decoded chat
text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from mini_o3.kit.chat import message_text
from mini_o3.protocol.dialects import DIALECTS

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "tool": "user",
    "function": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}
_MARKED = re.compile(r"<\|im_start\|>(\w+)[ \t]*\n?(.*?)(?=<\|im_end\|>|<\|im_start\|>|\Z)", re.S)
#: A tokenizer that skips special tokens leaves of `<|im_end|>\n<|im_start|>user\n` a line that says `user`.
_BARE = re.compile(r"(?:\A|\n)(system|user|assistant|tool)\n")
_VIEW = re.compile(r"<\|vision_start\|>.*?<\|vision_end\|>|<\|image_pad\|>|<image>", re.S)
_PADDING = re.compile(r"(?:\s*<\|(?:endoftext|im_end)\|>)+\s*\Z")
_INDEXED = re.compile(r'"img_idx"')
_NUMBERS = re.compile(r'"bbox_2d"\s*:\s*\[([^\]]*)\]')


class Said(NamedTuple):
    """One message: `system`, `user` or `assistant`, its text, and its pictures as the log refers to them."""

    role: str
    text: str
    pictures: tuple[str, ...] = ()


class NotAChat(ValueError):
    """What was given is no conversation; says why."""


def read_messages(messages: Any) -> list[Said]:
    """The conversation in a list of `{role, content}` (or `{from, value}`); a call of a function becomes text
    of its turn.

    Raises:
        NotAChat: it is not such a list.
    """
    if not isinstance(messages, list) or not messages:
        raise NotAChat("the messages are not a list of messages")
    return [_message(number, message) for number, message in enumerate(messages, start=1)]


def split_chat(text: str) -> list[Said]:
    """The messages of a decoded conversation, by ChatML marks or, where those were dropped, by lines that
    name a role.

    Empty if there are neither.
    """
    if "<|im_start|>" in text:
        found = [(match.group(1), match.group(2)) for match in _MARKED.finditer(text)]
    else:
        parts = _BARE.split(text)
        found = list(zip(parts[1::2], parts[2::2], strict=True))
    return [Said(_ROLES.get(role, "user"), _PADDING.sub("", said)) for role, said in found]


def read_rollout(prompt: str, output: str) -> list[Said]:
    """A prompt and what was generated and observed after it, as one conversation."""
    before = split_chat(prompt) or [Said("user", prompt)]
    begun = (
        before.pop().text if before[-1].role == "assistant" else ""
    )  # templates may open the thought themselves
    mark = "<|im_start|>assistant\n" if "<|im_start|>" in output else "assistant\n"
    return [*before, *split_chat(mark + begun + output)]


def question_of(chat: Sequence[Said]) -> str:
    """The words of the first message of a user, without the marks where the picture stood."""
    first = next((said.text for said in chat if said.role == "user"), "")
    return _VIEW.sub("", first).strip()


def texts_of(chat: Sequence[Said]) -> tuple[str, ...]:
    return tuple(said.text for said in chat if said.role == "assistant")


def guess_dialect(texts: Sequence[str]) -> str:
    """The dialect that the turns seem to be written in.

    Three systems share the name of one function. Calls that number the pictures are Qwen's: in thousandths if
    no number is above 1000, else in pixels; calls that do not are DeepEyes'.
    """
    joined = "\n".join(texts)
    if "<grounding>" in joined:
        return "mini_o3"
    if "crop_image_normalized" in joined or ("\\boxed" in joined and "<answer>" not in joined):
        return "pixel_reasoner"
    if "image_zoom_in_tool" in joined:
        if not _INDEXED.search(joined):
            return "deepeyes"
        numbers = [float(n) for box in _NUMBERS.findall(joined) for n in re.findall(r"\d+(?:\.\d+)?", box)]
        return "qwen3_vl" if max(numbers, default=0.0) <= 1000 else "qwen2_5_vl"
    return "mini_o3" if "<answer>" in joined else "direct"


assert {"mini_o3", "pixel_reasoner", "deepeyes", "qwen3_vl", "qwen2_5_vl", "direct"} <= set(DIALECTS)


def _message(number: int, message: Any) -> Said:
    if not isinstance(message, dict):
        raise NotAChat(f"message {number} is not an object")
    role = _ROLES.get(str(message.get("role", message.get("from"))))
    if role is None:
        raise NotAChat(f"message {number} has no role that is known (system, user, assistant, tool)")
    content = message.get("content", message.get("value"))
    texts, pictures = _content(number, content)
    text = message_text({**message, "content": content}) if role == "assistant" else "".join(texts)
    return Said(role, text, tuple(pictures))


def _content(number: int, content: Any) -> tuple[list[str], list[str]]:
    if content is None or isinstance(content, str):
        return [content or ""], []
    if not isinstance(content, list):
        raise NotAChat(f"message {number} has a content that is neither text nor a list of parts")
    texts: list[str] = []
    pictures: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif isinstance(part, dict):
            there = next((part[key] for key in ("image_url", "image", "url", "path") if part.get(key)), None)
            there = there.get("url") if isinstance(there, dict) else there
            if isinstance(there, str):
                pictures.append(there)
    return texts, pictures

"""Texts of models as servers hand them out: special tokens at the end, thoughts without an opening tag."""

from __future__ import annotations

import re

_SPECIAL_AT_END = re.compile(r"(?:</s>|<[|｜][\w▁-]{1,40}[|｜]>|<end_of_turn>|<eos>|<pad>)\Z")
_LONGEST_SPECIAL = 48


def without_special_tokens(text: str) -> str:
    """The text without the special tokens that a server left at its end, such as `</s>` or `<|im_end|>`.

    Those of DeepSeek have wide bars and `▁` between their words.
    """
    cut = end = len(text)
    while True:
        while end and text[end - 1].isspace():
            end -= 1
        found = _SPECIAL_AT_END.search(text, max(0, end - _LONGEST_SPECIAL), end)
        if found is None:
            return text if cut == len(text) else text[:end]
        cut = end = found.start()


def with_thought_opened(text: str) -> str:
    """The text with `<think>` in front if it closes a thought that it never opened.

    Some chat templates write the opening tag themselves, so the text of the model begins inside the thought.
    """
    before, closed, _ = text.partition("</think>")
    return f"<think>{text}" if closed and "<think>" not in before else text

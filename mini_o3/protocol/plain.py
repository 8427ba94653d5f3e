"""What wraps words and says nothing: special tokens of chat templates, LaTeX macros. One place for all."""

from __future__ import annotations

import re

_SPECIAL_AT_END = re.compile(r"(?:</s>|<\|[\w-]{1,40}\|>|<end_of_turn>|<eos>|<pad>)\Z")
_LONGEST_SPECIAL = 48
_MACRO = re.compile(r"\\(?:boxed|text|textbf|textit|textrm|mathrm|mathbf|mathsf|mathit|emph) ?\{([^{}]*)\}")
_DEEPEST = 5


def without_special_tokens(text: str) -> str:
    """The text without the special tokens that a server left at its end, such as `</s>` or `<|im_end|>`."""
    cut = end = len(text)
    while True:
        while end and text[end - 1].isspace():
            end -= 1
        found = _SPECIAL_AT_END.search(text, max(0, end - _LONGEST_SPECIAL), end)
        if found is None:
            return text if cut == len(text) else text[:end]
        cut = end = found.start()


def unwrapped(text: str) -> str:
    """The text without special tokens at its end, and with LaTeX macros replaced by what is in them.

    `\\boxed{\\text{red}}` becomes `red`; five macros may lie in each other. Takes linear time.
    """
    text = without_special_tokens(text)
    for _ in range(_DEEPEST):
        shorter = _MACRO.sub(r"\1", text)
        if shorter == text:
            break
        text = shorter
    return text

"""What wraps the words of an answer and says nothing: special tokens and LaTeX macros. One place for all."""

from __future__ import annotations

import re

from mini_o3.kit.text import without_special_tokens

_MACRO = re.compile(r"\\(?:boxed|text|textbf|textit|textrm|mathrm|mathbf|mathsf|mathit|emph) ?\{([^{}]*)\}")
_DEEPEST = 5


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

"""Text of unknown origin made safe to print: a terminal obeys nothing in it, and one line stays one line."""

from __future__ import annotations

import re

# Control characters but for tab and line feed, line separators, and marks that turn the direction of writing.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """The text with what a terminal would obey as escapes such as `\\u001b`; line feeds and tabs stay."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """The same on one line: line feeds and tabs are escapes too."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")

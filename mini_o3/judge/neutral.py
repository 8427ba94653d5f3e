"""Text of unknown origin made safe to quote: whatever it says, it stays one string on one line."""

from __future__ import annotations

import re
import unicodedata

# characters that a judge is shown; DeepEyes scores longer answers 0, nobody gives such a one in earnest
MAX_ANSWER = 1000
_HIDDEN = frozenset(
    {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
)  # controls, invisible, surrogates, private, unassigned
# letters, marks and symbols that show nothing, and quotation marks that could pass for the end of a string
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_LIKE_QUOTES = frozenset("\uff02\u02ba\u02dd\u02ee\u2033\u2036\u3003\u301d\u301e\u301f")
_DELIMITERS = frozenset("<>`|{}")  # of tags, code fences, chat templates, JSON
_ROLE = re.compile(r"\[(?=/?[A-Z_]+\])|#(?=#)")  # [INST] and its like; headings such as ###


def quoted(text: str, limit: int = MAX_ANSWER) -> str:
    """`text` as one JSON string on one line, in quotes.

    Control and invisible characters (line ends, direction marks, surrogates), the characters that delimit
    tags, fences and templates, and the brackets of role marks are written as JSON escapes (`\\u003c`). Of a
    text longer than `limit`
    characters the beginning is kept, and a note outside the quotes says how long it was: no text can forge
    it.
    """
    note = f" (cut off: the first {limit} of {len(text)} characters)" if len(text) > limit else ""
    kept = text[:limit]
    roles = {match.start() for match in _ROLE.finditer(kept)}
    return (
        '"'
        + "".join(_escape(ch) if index in roles else _plain(ch) for index, ch in enumerate(kept))
        + '"'
        + note
    )


def visible(text: str) -> str:
    """Text of a data set as it is, but for characters that nobody can see or send: they become spaces; line
    ends stay."""
    shown = "".join(ch if ch == "\n" or unicodedata.category(ch) not in _HIDDEN else " " for ch in text)
    return _BLANK.sub(" ", shown)


def _plain(ch: str) -> str:
    if ch in '"\\':
        return "\\" + ch
    hidden = unicodedata.category(ch) in _HIDDEN or _BLANK.match(ch) or ch in _LIKE_QUOTES
    return _escape(ch) if hidden or ch in _DELIMITERS else ch


def _escape(ch: str) -> str:
    code = ord(ch)
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"

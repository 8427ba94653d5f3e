"""Whether two texts say the same although a letter was misread, and what of a line is a price or a number."""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher

from mini_o3.policies.reader.question import Kind

_ALIKE = 0.8  # likeness from which on two words of four letters or more are the same
_NUMBER = re.compile(r"(?:no\.?|nr\.?|number|#)?\s*([-+]?\d[\d.,]*)\s*(?:[a-z\u00b0%]{0,4})", re.I)
_PARTS = {
    Kind.PRICE: re.compile(
        r"[$\u20ac\u00a3\u00a5]\s?\d+(?:[.,]\d{1,2})?|\d+[.,]\d{2}(?!\d)(?:\s?[\u20ac\u00a3$])?"
    ),
    Kind.PHONE: re.compile(r"\+?\(?\d[\d ()./-]{5,}\d"),
    Kind.DATE: re.compile(
        r"\d{1,2}[:.]\d{2}(?:\s*[ap]\.?m\.?)?(?:\s*(?:-|\u2013|to)\s*\d{1,2}[:.]\d{2})?(?:\s*[ap]\.?m\.?)?"
        r"|\d{1,2}\s*[ap]\.?m\.?(?:\s*(?:-|\u2013|to)\s*\d{1,2}\s*[ap]\.?m\.?)?"
        r"|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\b(?:1[4-9]|20)\d\d\b",
        re.I,
    ),
    Kind.ADDRESS: re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+|(?:https?://)?(?:[\w-]+\.)+[a-z]{2,}(?:/\S*)?", re.I),
    Kind.PLATE: re.compile(r"[A-Z0-9]{1,4}(?:[ \u00b7:-]?[A-Z0-9]{1,4}){1,2}"),
}


def words_of(text: str) -> list[str]:
    """The words and numbers of a text, without case, accents and punctuation; 28,99 is 28.99."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return re.findall(r"\d+(?:[.,]\d+)*|[^\W\d_]+", plain.replace(",", "."))


def likeness(one: str, other: str) -> float:
    """How alike two texts are as a whole, 0..1; numbers must be equal."""
    first, second = words_of(one), words_of(other)
    if _digits(first) != _digits(second):
        return 0.0
    if first == second:
        return 1.0
    joined, other_joined = "".join(first), "".join(second)
    if min(len(joined), len(other_joined)) < 4:
        return float(joined == other_joined)
    return SequenceMatcher(None, joined, other_joined, autojunk=False).ratio()


def says(text: str, wanted: str) -> float:
    """How well a line says what is `wanted`, alone or among other words, 0..1; below 0.8 it does not."""
    whole = likeness(text, wanted)
    words, parts = words_of(text), words_of(wanted)
    if not parts or len(parts) > len(words):
        return whole if whole >= _ALIKE else 0.0
    among = max(
        likeness(" ".join(words[start : start + len(parts)]), " ".join(parts))
        for start in range(len(words) - len(parts) + 1)
    )
    best = max(whole, among * 0.98)
    return best if best >= _ALIKE else 0.0


def value_of(text: str, kind: Kind) -> str | None:
    """What a line holds of a kind, as written; None if it holds nothing of that kind."""
    if kind in (Kind.WORDS, Kind.OTHER):
        return text if re.search(r"[^\W_]", text) else None
    if kind is Kind.NAME:
        letters = sum(c.isalpha() for c in text)
        return text if letters >= 2 and letters > sum(c.isdigit() for c in text) else None
    if kind is Kind.NUMBER:
        found = _NUMBER.fullmatch(re.sub(r"^[^\w+-]+|[^\w%]+$", "", text))
        return found[1].rstrip(".,") if found else None
    found = _PARTS[kind].search(text)
    if found is None:
        return None
    part = found[0].strip()
    if kind is Kind.PLATE:
        letters, digits = sum(c.isalpha() for c in part), sum(c.isdigit() for c in part)
        return part if letters >= 1 and digits >= 2 and 5 <= letters + digits <= 9 else None
    if kind is Kind.PHONE and sum(c.isdigit() for c in part) < 6:
        return None
    return part


def _digits(words: list[str]) -> list[str]:
    return [word for word in words if word[0].isdigit()]

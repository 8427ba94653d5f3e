"""Exact match after normalising what does not matter."""

from __future__ import annotations

import re
import unicodedata

from mini_o3.episode import Episode
from mini_o3.judge.verdict import CORRECT, INCORRECT, Verdict, without_judge
from mini_o3.protocol.plain import unwrapped

_ARTICLE = re.compile(r"^(?:a|an|the)\s+(?=[^\W\d_]{2})")  # before a word only: "A 5" is not "5"
_QUOTED = re.compile(
    r"""["\u201c\u201d\u201e\u00ab\u00bb]([^"\u201c\u201d\u201e\u00ab\u00bb]*)["\u201c\u201d\u201e\u00ab\u00bb]"""
)
_SINGLE_QUOTED = re.compile(r"['\u2018\u201a`](.*)['\u2019\u2018`]", re.S)
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_ABBREVIATION = re.compile(r"(?<!\w)[^\W\d_](?:\.[^\W\d_])+(?!\w)\.?")  # a.m., U.S.A.
_NUMBER = re.compile(r"[-+]?(?:0|[1-9]\d*)(?:\.\d+)?")  # "007" is a code, not a number
_NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {word: str(number) for number, word in enumerate(_NUMBER_WORDS)}


def normalise(answer: str) -> str:
    """What is left of an answer when everything is taken off that does not count.

    Lower case; one space between words; no special tokens, LaTeX macros, quotes, leading article before a
    word, final full stop, thousands separators, dots of abbreviations; number words up to ten as digits, and
    a number without zeros at the end of its fraction.
    """
    text = " ".join(unicodedata.normalize("NFKC", unwrapped(answer)).lower().split())
    text = _QUOTED.sub(r"\1", text.strip("$ "))
    if inside := _SINGLE_QUOTED.fullmatch(text):
        text = inside[1]
    text = _ABBREVIATION.sub(lambda match: match[0].replace(".", ""), text).rstrip(". ")
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), _ARTICLE.sub("", text.strip()))
    text = _NUMBERS.get(text, text)
    if _NUMBER.fullmatch(text):
        text = text.removeprefix("+")
        text = text.rstrip("0").removesuffix(".") if "." in text else text
    return text


def same(answer: str, expected: str) -> bool:
    """Whether two texts say the same after `normalise`; texts of which that leaves nothing must be equal as
    they are."""
    normal = normalise(expected)
    return normalise(answer) == normal if normal else answer.strip() == expected.strip()


def judge_exact(episode: Episode, expected: str | None) -> Verdict:
    """The verdict of the judge `exact`, for callers that need not wait."""
    verdict = without_judge(episode, expected)
    if verdict is not None:
        return verdict
    assert episode.answer is not None
    assert expected is not None
    return CORRECT if same(episode.answer, expected) else INCORRECT

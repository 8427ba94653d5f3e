"""Exact match after normalising what does not matter."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from mini_o3.episode import Episode, StopReason

_ARTICLES = re.compile(r"^(a|an|the)\s+")
_NUMBERS = {
    word: str(i)
    for i, word in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"])
}


class Verdict(StrEnum):
    """Over-turn and void episodes are incorrect at evaluation; an episode whose policy failed was never answered at all
    and is unjudged."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    UNJUDGED = "unjudged"


def normalise(answer: str) -> str:
    """Lower case, one space between words, no leading article, no final full stop, number words as digits."""
    text = " ".join(unicodedata.normalize("NFKC", answer).lower().split()).rstrip(". ")
    text = _ARTICLES.sub("", text)
    return _NUMBERS.get(text, text)


def judge_exact(episode: Episode, expected: str | None) -> Verdict:
    if expected is None or episode.stop in (StopReason.POLICY_ERROR, StopReason.INTERRUPTED):
        return Verdict.UNJUDGED
    if episode.answer is None:
        return Verdict.INCORRECT
    return Verdict.CORRECT if normalise(episode.answer) == normalise(expected) else Verdict.INCORRECT

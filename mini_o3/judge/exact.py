"""Exact match after normalising what does not matter."""

from __future__ import annotations

import re
import unicodedata

from mini_o3.episode import Episode
from mini_o3.judge.verdict import CORRECT, INCORRECT, Verdict, without_judge

_ARTICLES = re.compile(r"^(a|an|the)\s+")
_NUMBERS = {
    word: str(i)
    for i, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    )
}


def normalise(answer: str) -> str:
    """Lower case, one space between words, no leading article, no final full stop, number words as digits."""
    text = " ".join(unicodedata.normalize("NFKC", answer).lower().split()).rstrip(". ")
    text = _ARTICLES.sub("", text)
    return _NUMBERS.get(text, text)


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

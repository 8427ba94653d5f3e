"""A vote of several searches on one question: the most frequent answer (self-consistency, arXiv
2203.11171)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from mini_o3.judge.exact import normalise


def tally(answers: Sequence[str | None]) -> list[list[int]]:
    """Who says the same: positions in `answers` by normalised answer, most votes first, the earliest of
    equals first.

    None does not vote, so without any answer there is no group.
    """
    votes: dict[str, list[int]] = defaultdict(list)
    for position, answer in enumerate(answers):
        if answer is not None:
            votes[normalise(answer)].append(position)
    return sorted(votes.values(), key=len, reverse=True)  # stable: dicts keep their order

"""What came of the search of one picture, and in which order results are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mini_o3.episode import Episode
from mini_o3.finding.query import FOUND, STATUSES
from mini_o3.finding.survey import Seen
from mini_o3.kit.usage import Price
from mini_o3.vision import Rect, Region


@dataclass(frozen=True, slots=True)
class Result:
    """One picture and what came of it.

    Attributes:
        picture: its name.
        status: found, gave_up, stopped, not_found or failed.
        size: (width, height) in pixels, upright; (0, 0) if it cannot be read.
        answer: what the policy said.
        confidence: how sure it was of that, from 0 to 1; None if the policy does not tell.
        evidence: the region of the picture that the answer rests on, in fractions; None without an answer.
        turns, tokens, cost: what the search took; a copy costs nothing. `cost` is None without prices.
        error: why it failed.
        key: of the search, as in `episodes.jsonl` (`task_id`); empty if there was none.
        copy_of: name of the picture that was searched in its place.
        similarity: to the example, from -1 to 1; None without one.
        time: seconds from the beginning of the clip, of a frame of a video.
        rank: place among all results, from 1.
    """

    picture: str
    status: str
    size: tuple[int, int]
    answer: str | None = None
    confidence: float | None = None
    evidence: Region | None = None
    turns: int = 0
    tokens: int = 0
    cost: float | None = None
    error: str | None = None
    key: str = ""
    copy_of: str | None = None
    similarity: float | None = None
    time: float | None = None
    rank: int = 0

    @property
    def is_found(self) -> bool:
        return self.status == FOUND

    @property
    def box(self) -> Rect | None:
        """The evidence in pixels of the upright picture."""
        return None if self.evidence is None else self.evidence.to_rect(Rect(0, 0, *self.size))

    def to_dict(self) -> dict[str, Any]:
        """A line of `hits.jsonl`; every key is always there."""
        evidence = None
        if self.evidence is not None and self.box is not None:
            box = self.box
            evidence = {
                "fractions": [round(value, 6) for value in self.evidence.xyxy],
                "pixels": [box.left, box.top, box.right, box.bottom],
            }
        return {
            "rank": self.rank,
            "picture": self.picture,
            "time": self.time,
            "status": self.status,
            "answer": self.answer,
            "confidence": self.confidence,
            "evidence": evidence,
            "size": list(self.size),
            "turns": self.turns,
            "tokens": self.tokens,
            "cost": None if self.cost is None else round(self.cost, 6),
            "error": self.error,
            "search": self.key,
            "copy_of": self.copy_of,
            "similarity": self.similarity,
        }


def result_of_search(
    seen: Seen, episode: Episode, status: str, price: Price | None, similarity: float | None = None
) -> Result:
    """The result of a picture that was searched."""
    usage = episode.usage
    return Result(
        seen.source.name,
        status,
        seen.size,
        answer=episode.answer,
        confidence=episode.meta.get("confidence"),
        evidence=episode.evidence if status == FOUND else None,
        turns=episode.num_turns,
        tokens=usage.total or episode.meta.get("tokens", 0),
        cost=price.of(usage) if price and usage.is_known else None,
        error=episode.error,
        key=episode.task_id,
        similarity=similarity,
        time=seen.source.time,
    )


def result_of_copy(seen: Seen, original: Result) -> Result:
    """The result of a picture that another one was searched for."""
    return replace(
        original,
        picture=seen.source.name,
        time=seen.source.time,
        size=seen.size,
        copy_of=original.picture,
        turns=0,
        tokens=0,
        cost=None,
    )


def ranked(results: Sequence[Result]) -> list[Result]:
    """All results, those first that most likely show what was looked for, with their ranks.

    What was found comes first, the surest before; what was not found comes late, the least sure before.
    Equals go by their similarity to the example, then keep their order.
    """

    def key(result: Result) -> tuple[int, float, float]:
        sure = result.confidence or 0.0
        order = STATUSES.index(result.status), sure if result.status == "not_found" else -sure
        return *order, -(result.similarity or 0.0)

    return [replace(one, rank=rank) for rank, one in enumerate(sorted(results, key=key), start=1)]

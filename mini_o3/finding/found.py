"""What came of a whole search, as programs get it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mini_o3.finding.gallery import PAGE
from mini_o3.finding.query import STATUSES, Query
from mini_o3.finding.result import Result


@dataclass(frozen=True, slots=True, repr=False)
class Found:
    """What came of it.

    Attributes:
        query: what was looked for.
        results: every picture, the likeliest first; also those that could not be read, last.
        left_out: what was not looked at, in words.
        folder: where everything was written.
        is_whole: False if it was interrupted or `halted` before all pictures were searched.
        halted: why nothing more was asked, in words: a budget is spent, or the policy kept failing.
    """

    query: Query
    results: tuple[Result, ...]
    left_out: tuple[str, ...]
    folder: Path
    is_whole: bool = True
    halted: str | None = None

    @property
    def hits(self) -> tuple[Result, ...]:
        """Those pictures in which it was found."""
        return tuple(result for result in self.results if result.is_found)

    @property
    def searches(self) -> int:
        """How many searches there were; copies are not searched again."""
        return sum(bool(result.key) and result.copy_of is None for result in self.results)

    @property
    def counts(self) -> dict[str, int]:
        """How many pictures have which status, those without any left out."""
        counts = Counter(result.status for result in self.results)
        return {status: counts[status] for status in STATUSES if counts[status]}

    @property
    def status(self) -> str:
        """In one word: `found` if there is a hit; else the most that keeps one from saying `not_found`."""
        order = ("found", "failed", "stopped", "gave_up", "not_found")
        return next((status for status in order if status in self.counts), "stopped")

    @property
    def page(self) -> Path:
        return self.folder / PAGE

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        costs = [result.cost for result in self.results if result.cost is not None]
        return {
            "query": self.query.text,
            "question": self.query.question,
            "status": self.status,
            "counts": self.counts,
            "pictures": len(self.results),
            "searches": self.searches,
            "tokens": sum(result.tokens for result in self.results),
            "cost": round(sum(costs), 6) if costs else None,
            "left_out": list(self.left_out),
            "complete": self.is_whole,
            "folder": str(self.folder),
            "results": [result.to_dict() for result in self.results],
        }

    def lines(self) -> list[str]:
        """The whole in a few lines for people."""
        words = ", ".join(f"{status.replace('_', ' ')} {count}" for status, count in self.counts.items())
        lines = [f"{len(self.results)} pictures, {self.searches} searches: {words}"]
        unread = [result.error or "" for result in self.results if not result.key]
        if unread:
            lines.append(f"{len(unread)} could not be read")
        if self.left_out:
            lines.append(f"left out: {', '.join(self.left_out)}")
        if self.halted:
            lines.append(self.halted)
        cost, tokens = self.to_dict()["cost"], sum(result.tokens for result in self.results)
        if tokens:
            lines.append(f"{tokens:,} tokens" + (f", cost {cost:.4f}" if cost is not None else ""))
        return lines

    def __repr__(self) -> str:
        return f"Found({self.query.text!r}, hits={len(self.hits)}, pictures={len(self.results)}, {self.page})"


class Interrupted(KeyboardInterrupt):
    """The search was interrupted; `found` is what is known until then, and the same call goes on from
    there."""

    def __init__(self, found: Found) -> None:
        super().__init__("interrupted")
        self.found = found

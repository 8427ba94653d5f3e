"""Verdict: correct, incorrect, or unjudged with the reason; and what an episode's end settles without any
judge."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mini_o3.episode import Episode, Status, StopReason
from mini_o3.episode.status import status_of

UNPARSED = "unparsed"
NO_TRUTH = "no expected answer"
JUDGE_FAILED = "judge failed"


class Kind(StrEnum):
    CORRECT = "correct"
    INCORRECT = "incorrect"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge said of an answer.

    Unjudged is not wrong: it counts neither way, and whoever averages verdicts leaves it out and says how
    many there were.

    Attributes:
        kind: which of the three.
        reason: of an unjudged answer, why nobody could tell, as `cause` or `cause: detail`; of an incorrect
            one, what was wrong with it other than its content (`no answer: turn_limit`, `unparsed`), or
            nothing; else empty.
    """

    kind: Kind
    reason: str = ""

    def __post_init__(self) -> None:
        if bool(self.reason) < (self.kind is Kind.UNJUDGED) or (self.reason and self.kind is Kind.CORRECT):
            raise ValueError(
                f"an unjudged verdict has a reason and a correct one has none, got {self.kind},"
                f" {self.reason!r}"
            )

    @property
    def is_correct(self) -> bool:
        return self.kind is Kind.CORRECT

    @property
    def is_judged(self) -> bool:
        return self.kind is not Kind.UNJUDGED

    @property
    def cause(self) -> str:
        """The reason without its detail."""
        return self.reason.partition(": ")[0]

    def to_dict(self) -> dict[str, str]:
        return {"kind": self.kind.value, "reason": self.reason} if self.reason else {"kind": self.kind.value}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Verdict:
        """Read what `to_dict` wrote.

        Raises:
            KeyError, ValueError: for data that is not a verdict.
        """
        return cls(Kind(data["kind"]), str(data.get("reason", "")))


CORRECT = Verdict(Kind.CORRECT)
INCORRECT = Verdict(Kind.INCORRECT)


def unjudged(reason: str) -> Verdict:
    return Verdict(Kind.UNJUDGED, reason)


def without_judge(episode: Episode, expected: str | None) -> Verdict | None:
    """The verdict that needs no judge; None if there is an answer to be compared with the expected one.

    An episode whose policy failed was never answered and is unjudged; one that ran over or was void is
    incorrect. That something is not there may be said in any words.
    """
    if episode.stop is StopReason.POLICY_ERROR:
        return unjudged(f"policy failed: {_line(episode.error)}" if episode.error else "policy failed")
    if episode.stop is StopReason.INTERRUPTED:
        return unjudged("interrupted")
    if expected is None:
        return unjudged(NO_TRUTH)
    if episode.stop is not StopReason.ANSWERED or episode.answer is None:
        return Verdict(Kind.INCORRECT, f"no answer: {episode.stop.value}")
    if not episode.answer.strip():
        return Verdict(Kind.INCORRECT, "no answer: empty")
    if status_of(StopReason.ANSWERED, expected) is Status.NOT_FOUND:
        return CORRECT if episode.status is Status.NOT_FOUND else INCORRECT
    return None


def _line(text: str) -> str:
    return " ".join(text.split())

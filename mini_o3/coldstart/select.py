"""Which collected episodes are worth imitating, and why each other one is not. Pure functions over records.

The paper keeps what was answered correctly (arXiv 2509.07969, section on cold-start data). What goes beyond
that is ours, each rule can be switched off, and everything that a rule drops is counted under its name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mini_o3.episode import Episode, SearchTask, StopReason
from mini_o3.episode.patterns import patterns
from mini_o3.kit.rng import stream
from mini_o3.vision import Rect


class Status(StrEnum):
    KEPT = "kept"
    DROPPED = "dropped"
    FAILED = "failed"  # nobody knows what it is worth: the policy or the judge failed


class Outcome(NamedTuple):
    """What became of an episode or a task; `reason` is empty for what was kept."""

    status: Status
    reason: str = ""


class Collected(NamedTuple):
    """One episode of a collection; `right` is None if it could not be judged."""

    task: SearchTask
    episode: Episode
    right: bool | None


class Selection(BaseModel):
    """What an episode must be to be kept, and how the kept ones are to be mixed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    evidence: float = Field(
        0.5, ge=0, le=1, description="share of every known target that the last view shows; 0: not asked"
    )
    repeats: bool = Field(False, description="keep episodes that look at the same place twice")
    malformed: bool = Field(
        True, description="keep episodes with a malformed turn, which nobody will imitate"
    )
    turns: tuple[int, int] = Field((1, 1000), description="fewest and most turns")
    per_task: int = Field(2, gt=0, description="most episodes on one task")
    pattern_share: float = Field(1.0, gt=0, le=1, description="most that one set of patterns may make up")
    quotas: dict[str, float] = Field(
        {}, description='most that episodes of so many turns may make up, like {"1-3" = 0.4}'
    )

    @field_validator("quotas")
    @classmethod
    def _ranges(cls, quotas: dict[str, float]) -> dict[str, float]:
        for name, share in quotas.items():
            low, _, high = name.partition("-")
            if not (low.isdecimal() and (high.isdecimal() or not high) and 0 < share <= 1):
                raise ValueError(
                    f"{name!r} = {share}: expected turns like '4-8' or '9-' and a share of at most 1"
                )
        return quotas


def fault(collected: Collected, selection: Selection) -> Outcome | None:
    """Why this episode by itself cannot be kept; None if it can."""
    episode = collected.episode
    if episode.stop in (StopReason.POLICY_ERROR, StopReason.INTERRUPTED):
        return Outcome(Status.FAILED, "policy")
    if episode.stop is not StopReason.ANSWERED:
        return Outcome(Status.DROPPED, "over_turn" if episode.is_over_turn else episode.stop.value)
    if collected.right is None:
        return Outcome(Status.FAILED, "unjudged")
    rules: tuple[tuple[str, bool], ...] = (
        ("incorrect", not collected.right),
        ("too_short", episode.num_turns < selection.turns[0]),
        ("too_long", episode.num_turns > selection.turns[1]),
        ("malformed_turn", not selection.malformed and any(turn.malformed for turn in episode.turns)),
        ("repeated_zoom", not selection.repeats and looks_twice(episode)),
        ("missed_evidence", bool(collected.task.targets) and shown_least(collected) < selection.evidence),
    )
    reason = next((name for name, broken in rules if broken), None)
    return Outcome(Status.DROPPED, reason) if reason else None


def select(rows: Sequence[Collected], selection: Selection, seed: int = 0) -> list[Outcome]:
    """The outcome of every episode, in order. Depends on what was collected, not on the order in which it
    ended."""
    outcomes = [fault(row, selection) for row in rows]
    fit = [index for index, outcome in enumerate(outcomes) if outcome is None]
    fit.sort(
        key=lambda i: (-len(patterns(rows[i].episode)), _draw(rows[i], seed))
    )  # the richest of a task first
    fit = _capped(fit, outcomes, "per_task", lambda i: rows[i].task.id, lambda key: selection.per_task)
    fit.sort(key=lambda i: _draw(rows[i], seed))
    kinds = {i: "+".join(sorted(patterns(rows[i].episode))) for i in fit}
    bins = {i: _bin(rows[i].episode.num_turns, selection.quotas) for i in fit}
    count = -1
    while count != len(fit):  # what one rule takes away may break the other
        count = len(fit)
        room = _rooms(Counter(kinds[i] for i in fit), dict.fromkeys(kinds.values(), selection.pattern_share))
        fit = _capped(fit, outcomes, "pattern_share", kinds.__getitem__, room.__getitem__)
        room = _rooms(
            Counter(bins[i] for i in fit), {name: selection.quotas.get(name, 1.0) for name in bins.values()}
        )
        fit = _capped(fit, outcomes, "quota", bins.__getitem__, room.__getitem__)
    for index in fit:
        outcomes[index] = Outcome(Status.KEPT)
    return [outcome for outcome in outcomes if outcome is not None]


def of_tasks(
    rows: Sequence[Collected], outcomes: Sequence[Outcome], tasks: Sequence[SearchTask]
) -> dict[str, Outcome]:
    """Task id -> what became of it: kept if one of its episodes was, else dropped or failed for the most
    frequent reason.

    A task that was never asked is failed: `not asked`.
    """
    by_task: dict[str, list[Outcome]] = defaultdict(list)
    for row, outcome in zip(rows, outcomes, strict=True):
        by_task[row.task.id].append(outcome)
    found = {}
    for task in tasks:
        mine = by_task[task.id] or [Outcome(Status.FAILED, "not asked")]
        best = min((outcome.status for outcome in mine), key=list(Status).index)
        reasons = Counter(outcome.reason for outcome in mine if outcome.status is best)
        found[task.id] = Outcome(best, max(sorted(reasons), key=reasons.__getitem__))
    return found


def looks_twice(episode: Episode) -> bool:
    """Whether two looks show (nearly) the same rectangle of the original: nine tenths of both together."""
    rects = [turn.rect for turn in episode.turns if turn.rect is not None]
    return any(_iou(one, other) > 0.9 for index, one in enumerate(rects) for other in rects[:index])


def shown_least(collected: Collected) -> float:
    """The least share of any target that the view before the answer shows."""
    seen = collected.episode.evidence
    return min((seen.overlap(target) for target in collected.task.targets), default=1.0) if seen else 0.0


def _iou(one: Rect, other: Rect) -> float:
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    both = max(width, 0) * max(height, 0)
    return both / (one.width * one.height + other.width * other.height - both)


def _capped(
    order: Sequence[int],
    outcomes: list[Outcome | None],
    reason: str,
    key: Callable[[int], str],
    room: Callable[[str], int],
) -> list[int]:
    """The first so many of each kind; the others get their outcome."""
    taken: Counter[str] = Counter()
    kept = []
    for index in order:
        kind = key(index)
        taken[kind] += 1
        if taken[kind] <= room(kind):
            kept.append(index)
        else:
            outcomes[index] = Outcome(Status.DROPPED, reason)
    return kept


def _rooms(counts: Mapping[str, int], shares: Mapping[str, float]) -> dict[str, int]:
    """How many of each kind can stay so that none makes up more than its share of all that stay; one at
    least."""
    total = sum(counts.values())
    while True:
        room = {kind: min(count, max(int(shares[kind] * total + 1e-9), 1)) for kind, count in counts.items()}
        if sum(room.values()) == total:
            return room
        total = sum(room.values())


def _bin(turns: int, quotas: Mapping[str, float]) -> str:
    for name in quotas:
        low, _, high = name.partition("-")
        if int(low) <= turns and (turns <= int(high) if high else name.endswith("-") or turns == int(low)):
            return name
    return "other"


def _draw(row: Collected, seed: int) -> float:
    return float(stream("selection", seed, row.task.id, row.episode.seed).random())

"""What a collection came to: yield, reasons, patterns, turns, cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mini_o3.coldstart.config import CollectConfig
from mini_o3.coldstart.select import Collected, Outcome, Status
from mini_o3.episode.patterns import shares
from mini_o3.kit.metering import Meter
from mini_o3.kit.run import revision


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of a collection; `tasks` and `episodes` map a status to its reasons and how often each."""

    tasks: dict[str, dict[str, int]]
    episodes: dict[str, dict[str, int]]
    rounds: list[dict[str, int]]
    patterns: dict[str, float]
    turns: dict[str, int]
    requests: int
    tokens: int
    is_spent: bool
    budget_spent: str | None
    spending: dict[str, float]
    cost_words: str
    settings: dict[str, Any]
    revision: str

    def total(self, status: Status, of: str = "episodes") -> int:
        counts: dict[str, dict[str, int]] = getattr(self, of)
        return sum(counts.get(status.value, {}).values())

    @property
    def always_failed(self) -> bool:
        """Whether the policy failed in every episode."""
        failed = self.episodes.get(Status.FAILED.value, {}).get("policy", 0)
        return failed > 0 and failed == sum(self.total(status) for status in Status)

    def to_dict(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in self.__slots__ if name != "cost_words"}
        optional = ("budget_spent", "spending")  # of collections that have one and an endpoint that counts
        return {name: value for name, value in found.items() if value or name not in optional}

    def headline(self) -> str:
        kept, asked = self.total(Status.KEPT), sum(self.total(status) for status in Status)
        tasks = sum(self.total(status, "tasks") for status in Status)
        lines = [f"kept {kept} of {asked} episodes, on {self.total(Status.KEPT, 'tasks')} of {tasks} tasks"]
        failed = self.total(Status.FAILED)
        if failed:
            reasons = _counts(self.episodes[Status.FAILED.value])
            lines.append(f"{failed} failed ({reasons}): the next start takes them up again")
        if self.budget_spent:
            lines.append(self.budget_spent)
        return "; ".join(lines)

    def to_markdown(self) -> str:
        lines = [
            "# Collection",
            "",
            self.headline(),
            "",
            "| episodes | number | reasons |",
            "| --- | --- | --- |",
        ]
        lines += [
            f"| {s.value} | {self.total(s)} | {_counts(self.episodes.get(s.value, {}))} |" for s in Status
        ]
        lines += ["", "| tasks | number | reasons |", "| --- | --- | --- |"]
        lines += [
            f"| {s.value} | {self.total(s, 'tasks')} | {_counts(self.tasks.get(s.value, {}))} |"
            for s in Status
        ]
        lines += ["", "| round | asked | right | good |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {n} | {r['asked']} | {r['right']} | {r['good']} |" for n, r in enumerate(self.rounds, start=1)
        ]
        lines += ["", "| pattern | share of the kept |", "| --- | --- |"]
        lines += [f"| {name} | {share:.3f} |" for name, share in self.patterns.items()]
        lines += [
            "",
            "| turns | kept |",
            "| --- | --- |",
            *(f"| {turns} | {count} |" for turns, count in self.turns.items()),
        ]
        counted = f" Policy and judge: {self.cost_words}." if self.spending else ""
        asked = f"{self.requests} turns asked for, {self.tokens} tokens"
        lines += ["", f"{asked}.{counted} Code {self.revision}.", ""]
        return "\n".join(lines)


def summarise(
    rows: Sequence[Collected],
    outcomes: Sequence[Outcome],
    by_task: Mapping[str, Outcome],
    meter: Meter,
    config: CollectConfig,
) -> Summary:
    kept = [row.episode for row, outcome in zip(rows, outcomes, strict=True) if outcome.status is Status.KEPT]
    rounds = [{"asked": 0, "right": 0, "good": 0} for _ in range(config.rounds)]
    for row, outcome in zip(rows, outcomes, strict=True):
        number = row.episode.meta.get("round", 0)
        if number < len(rounds):
            rounds[number]["asked"] += 1
            rounds[number]["right"] += row.right is True
            rounds[number]["good"] += outcome.status is Status.KEPT
    turns = Counter(episode.num_turns for episode in kept)
    return Summary(
        _by_status(by_task.values()),
        _by_status(outcomes),
        rounds,
        shares(kept),
        {str(number): turns[number] for number in sorted(turns)},
        meter.requests,
        meter.tokens,
        meter.spent is not None,
        meter.spent,
        meter.figures() if meter.usage.is_known else {},
        meter.words,
        config.recorded(),
        revision(),
    )


def _by_status(outcomes: Any) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        counts.setdefault(outcome.status.value, Counter())[outcome.reason or outcome.status.value] += 1
    return {status: dict(sorted(reasons.items())) for status, reasons in sorted(counts.items())}


def _counts(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in reasons.items())

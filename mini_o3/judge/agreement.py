"""How far two judges agree on the same answers: counts, raw agreement, Cohen's kappa with its error."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mini_o3.judge.verdict import Kind, Verdict

KINDS = (Kind.CORRECT, Kind.INCORRECT, Kind.UNJUDGED)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two judges, compared. An answer that one of them could not judge is counted, and in no figure.

    Attributes:
        counts: (verdict of the first, verdict of the second) -> answers.
        both: answers that both have judged.
        raw: share of those on which they agree; None if there are none.
        kappa: agreement beyond what their shares of correct answers alone would give: 1 is full, 0 is chance.
            None if one
            verdict is all that both ever gave: then nothing tells agreement from chance.
        stderr: large-sample standard error of kappa (Fleiss, Cohen and Everitt 1969), for answers that are
            independent; several samples of one task are not quite, and make it too small.
    """

    counts: dict[tuple[Kind, Kind], int]
    both: int
    raw: float | None
    kappa: float | None
    stderr: float | None

    def table(self, first: str, second: str) -> list[str]:
        """The counts as lines of text: the first judge's verdicts down, the second's across."""
        lines = [
            f"rows: {first}",
            f"columns: {second}",
            "",
            " " * 12 + "".join(f"{kind.value:>12}" for kind in KINDS),
        ]
        return lines + [f"{a.value:<12}" + "".join(f"{self.counts[a, b]:>12}" for b in KINDS) for a in KINDS]


def agreement(pairs: Iterable[tuple[Verdict, Verdict]]) -> Agreement:
    """Compare two judges by their verdicts on the same answers."""
    found = Counter((one.kind, other.kind) for one, other in pairs)
    counts = {(a, b): found[a, b] for a in KINDS for b in KINDS}
    judged = KINDS[:2]
    both = sum(counts[a, b] for a in judged for b in judged)
    if not both:
        return Agreement(counts, 0, None, None, None)
    share = {(a, b): counts[a, b] / both for a in judged for b in judged}
    first = {a: sum(share[a, b] for b in judged) for a in judged}
    second = {b: sum(share[a, b] for a in judged) for b in judged}
    raw = sum(share[a, a] for a in judged)
    chance = sum(first[a] * second[a] for a in judged)
    if any(first[a] == second[a] == 1.0 for a in judged):
        return Agreement(counts, both, raw, None, None)
    same = sum(share[a, a] * ((1 - chance) - (first[a] + second[a]) * (1 - raw)) ** 2 for a in judged)
    different = sum(share[a, b] * (second[a] + first[b]) ** 2 for a in judged for b in judged if a is not b)
    variance = (same + (1 - raw) ** 2 * different - (raw * chance - 2 * chance + raw) ** 2) / (
        both * (1 - chance) ** 4
    )
    return Agreement(counts, both, raw, (raw - chance) / (1 - chance), math.sqrt(max(variance, 0.0)))

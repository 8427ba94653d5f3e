"""Whether confidence means what it says: reliability by bins and the expected calibration error."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from mini_o3.evaluate.metrics import Judged, judged_samples
from mini_o3.judge import tally

BINS = 10  # of equal width
Sure = tuple[float, bool]  # confidence of an answer, and whether it is right


def calibration(rows: Sequence[Judged]) -> dict[str, Any] | None:
    """Reliability of the confidence that a user is told, and its expected calibration error.

    Of tasks with several judged samples, the confidence is the share that gave the most frequent answer (`of`
    is `agreement`); of others it is what the policy recorded, the mean probability of the answer's tokens
    (`token_probability`). `ece` is the mean distance of confidence and accuracy over `bins`, each weighed by
    its number of answers. What is unjudged and what has no answer is left out. None where nothing is known.
    """
    agreed = [sure for mine in judged_samples(rows) if len(mine) > 1 and (sure := _agreement(mine))]
    told = [] if agreed else [sure for row in rows if (sure := _told(row))]
    found = agreed or told
    if not found:
        return None
    bins = [part for part in map(_bin, _divided(found)) if part["n"]]
    error = sum(part["n"] * abs(part["accuracy"] - part["confidence"]) for part in bins) / len(found)
    of = "agreement" if agreed else "token_probability"
    return {"of": of, "n": len(found), "ece": round(error, 4), "bins": bins}


def calibration_rows(found: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """The bins as lines of a table: range, answers, confidence, accuracy."""
    return [
        (
            f"{part['low']:.0%} to {part['high']:.0%}",
            str(part["n"]),
            f"{part['confidence']:.1%}",
            f"{part['accuracy']:.1%}",
        )
        for part in found["bins"]
    ]


def _agreement(mine: Sequence[Judged]) -> Sure | None:
    in_order = sorted(mine, key=lambda row: row.episode.seed)
    votes = tally([row.episode.answer for row in in_order])
    if not votes:
        return None
    return len(votes[0]) / len(in_order), in_order[votes[0][0]].verdict.is_correct


def _told(row: Judged) -> Sure | None:
    sure = row.episode.meta.get("confidence")
    if not row.verdict.is_judged or row.episode.answer is None or not isinstance(sure, int | float):
        return None
    return min(max(float(sure), 0.0), 1.0), row.verdict.is_correct


def _divided(found: Sequence[Sure]) -> list[tuple[int, list[Sure]]]:
    """The answers of each bin; 1.0 belongs to the last one."""
    return [(n, [one for one in found if min(int(one[0] * BINS), BINS - 1) == n]) for n in range(BINS)]


def _bin(numbered: tuple[int, list[Sure]]) -> dict[str, Any]:
    number, part = numbered
    return {
        "low": number / BINS,
        "high": (number + 1) / BINS,
        "n": len(part),
        "confidence": round(fmean(sure for sure, _ in part), 4) if part else 0.0,
        "accuracy": round(fmean(right for _, right in part), 4) if part else 0.0,
    }

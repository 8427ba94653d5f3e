"""How near the evidence of answers is to where the answer really is, on tasks that know it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean, median
from typing import Any

from mini_o3.evaluate.metrics import Judged
from mini_o3.vision import Region


def evidence_iou(rows: Sequence[Judged]) -> dict[str, Any] | None:
    """Intersection over union of the evidence with the smallest box that holds all targets of the task.

    `mean` and `median` are over the `n` episodes with an answer on tasks that know boxes; `sources` counts
    how often the evidence is the box that the answer names (`answer`), and how often what was looked at last
    (`last_view`). `right` has the same figures of right answers alone. None if no task knows boxes.
    """
    known = [row for row in rows if row.task.targets]
    if not known:
        return None
    answered = [row for row in known if row.episode.evidence is not None]
    sources = Counter(str(row.episode.evidence_source) for row in answered)
    return {
        **_figures(answered),
        "sources": dict(sorted(sources.items())),
        "right": _figures([row for row in answered if row.verdict.is_correct]),
    }


def iou(one: Region, other: Region) -> float:
    """Intersection over union of two regions of one frame, 0..1."""
    both = one.overlap(other) * other.area
    return both / (one.area + other.area - both)


def _figures(rows: Sequence[Judged]) -> dict[str, Any]:
    values = [iou(row.episode.evidence, _whole(row.task.targets)) for row in rows if row.episode.evidence]
    return {
        "mean": round(fmean(values), 4) if values else None,
        "median": round(median(values), 4) if values else None,
        "n": len(values),
    }


def _whole(targets: Sequence[Region]) -> Region:
    corners = list(zip(*(target.xyxy for target in targets), strict=True))
    return Region(min(corners[0]), min(corners[1]), max(corners[2]), max(corners[3]))

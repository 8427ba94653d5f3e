"""Boxes that a proposer gives a policy as hints, in its first message."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mini_o3.vision import Region
from mini_o3.vision.proposer import Proposal, RegionProposer

MOST = 40  # of the best hints; more would be read by nobody
_BEGIN = "A detector suggests these boxes, as fractions [x0, y0, x1, y1] of the whole picture's sides"
_BOX = re.compile(r"\[(\d\.\d+), (\d\.\d+), (\d\.\d+), (\d\.\d+)\]")


def hint_text(proposer: RegionProposer, proposals: Sequence[Proposal]) -> str:
    """What a policy is told; empty if nothing was proposed."""
    boxes = [", ".join(f"{value:.4f}" for value in one.region.xyxy) for one in proposals[:MOST]]
    if not boxes:
        return ""
    return f"{_BEGIN}. They may hold {proposer.what}, the likeliest first; it can be wrong: " + ", ".join(
        f"[{box}]" for box in boxes
    )


def hints_in(text: str) -> list[Region] | None:
    """The boxes that `hint_text` told; None if the text is none of its."""
    if _BEGIN not in text:
        return None
    found = ([float(value) for value in match] for match in _BOX.findall(text))
    return [Region(x0, y0, x1, y1) for x0, y0, x1, y1 in found if x0 < x1 <= 1 and y0 < y1 <= 1]

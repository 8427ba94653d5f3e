"""Places that look like text, for any policy: `RegionProposer` over the reader's detector."""

from __future__ import annotations

import math

from PIL import Image

from mini_o3.policies.reader.ocr import Ocr
from mini_o3.vision import Picture, Rect, Region, held
from mini_o3.vision.proposer import Proposal

_TILE = 1400  # pixels along the sides of a part that is looked at
_OVERLAP = 100  # pixels that neighbours have in common
_SAME = 0.6  # share of a box inside another from which on it is the same


class TextProposer:
    """Looks at all of the original, part by part, and keeps nothing of it."""

    name = "text"
    what = "text"

    def __init__(self, ocr: Ocr | None = None) -> None:
        """Raises: UserError: the extra `reader` is not installed."""
        self.ocr = ocr or Ocr()

    def propose(self, picture: Picture | Image.Image, question: str) -> list[Proposal]:
        """See `RegionProposer`; `question` does not matter. Larger text comes first."""
        found: list[Proposal] = []
        original = held(picture)
        width, height = original.size
        columns, rows = (max(math.ceil((side - _OVERLAP) / (_TILE - _OVERLAP)), 1) for side in original.size)
        for row in range(rows):
            for column in range(columns):
                left, top = column * (_TILE - _OVERLAP), row * (_TILE - _OVERLAP)
                part = Rect(left, top, min(left + _TILE, width), min(top + _TILE, height))
                for x0, y0, x1, y1 in self.ocr.spots(original.part(part, (part.width, part.height))):
                    region = Region(
                        max((left + x0) / width, 0.0),
                        max((top + y0) / height, 0.0),
                        min((left + x1) / width, 1.0),
                        min((top + y1) / height, 1.0),
                    )
                    if not any(other.region.overlap(region) > _SAME for other in found):
                        found.append(Proposal(region, min((y1 - y0) / 100, 1.0)))
        return sorted(found, key=lambda one: -one.score)

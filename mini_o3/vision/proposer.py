"""Who suggests where to look: the contract between a detector and whoever uses its boxes."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from PIL import Image

from mini_o3.vision.base import Picture
from mini_o3.vision.region import Region


class Proposal(NamedTuple):
    """One suggested region of the original picture, and how sure the proposer is of it, 0..1."""

    region: Region
    score: float


class RegionProposer(Protocol):
    """Suggests regions of a picture for a question.

    Implementations keep no state between calls, and change neither the picture nor the question.

    Attributes:
        name: for records and reports, such as `text`.
        what: what its regions may hold, for whoever is told of them, such as `text`.
    """

    name: str
    what: str

    def propose(self, picture: Picture | Image.Image, question: str) -> list[Proposal]:
        """Regions in the frame of the original picture (frame 0), best first; none is an empty list.

        Args:
            picture: upright RGB, in memory or beyond it.
            question: the name of a thing, or a short phrase.
        """
        ...

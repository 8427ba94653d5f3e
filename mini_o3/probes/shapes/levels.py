"""The difficulty rule, stated once: how small the target is, how many places it could be, how deep one must
zoom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mini_o3.vision import PixelBudget

TRAINING_SEEDS = (
    500_000_000  # seeds below may be trained on; anything that is measured uses this one or above
)

# The rule assumes a looker with nano's eye: a view of 168 x 168 pixels.
VIEW_SIDE = 168
VIEW_BUDGET = PixelBudget(
    max_pixels=VIEW_SIDE**2, min_pixels=VIEW_SIDE**2, multiple=28, square=True, marks=True
)
SEE_SHAPE = 30  # a thing this many view pixels wide shows its shape
SEE_DIGIT = 54  # and this many its digit
SEE_DOT = 4.5  # narrower things are not there for it at all
ONE_DOT = 0.105  # things nearer to each other (share of the view, in x and in y) are pointed at as one
QUARTER = 0.6  # side of a quarter of the frame: quarters overlap, so that nothing lies on a seam
SMALL_DOT = 8.5  # view pixels; from a narrower dot no shape would show in a box of `FIRST_BOX`
FIRST_BOX = 0.3  # side of a first look at a dot, share of the frame
LEAST_BOX = 0.2  # and at a small dot; and of any closer look
STEP = 0.05  # centres of boxes lie on this grid, sides on twice this grid
FILL = 0.45  # a closer look makes the thing about this share of the view
FILL_BESIDE = 0.21  # or this, if what stands beside it must show too


@dataclass(frozen=True, slots=True)
class Level:
    """One level of difficulty.

    Attributes:
        side: least and greatest side of a thing, as a share of sqrt(width x height); its square is the share
            of area.
        candidates: how many things look like a possible target from afar.
        others: how many further things of other colours there are.
        gap: least distance of two candidates, share of the frame; a box around one never shows another.
        megapixels: least and greatest size of the picture; smaller things need larger pictures to be legible
            at all.
    """

    name: str
    side: tuple[float, float]
    candidates: tuple[int, int]
    others: tuple[int, int]
    gap: float
    megapixels: tuple[float, float]

    @property
    def depth(self) -> int:
        """Zooms from the overview until the digit of a middling thing is legible."""
        return zooms_needed(sum(self.side) / 2, SEE_DIGIT)


def first_box(share: float) -> float:
    """Side of the box for the first look at a dot that is `share` of the view wide."""
    return FIRST_BOX if share * VIEW_SIDE >= SMALL_DOT else LEAST_BOX


def closer_box(share: float, fill: float = FILL) -> float:
    """Side of the box for the next look at a thing that is `share` of the current view wide."""
    return min(max(round(share / fill / (2 * STEP)) * 2 * STEP, LEAST_BOX), 0.8)


def zooms_needed(share: float, legible: int) -> int:
    """Zooms until a thing that is `share` of the whole picture wide is `legible` view pixels wide.

    What is not even a dot in the overview takes a look at a quarter first.
    """
    if share * VIEW_SIDE >= legible:
        return 0
    zooms = 1
    if share * VIEW_SIDE < SEE_DOT:
        share, zooms = share / QUARTER, 2
    share /= first_box(share)
    while share * VIEW_SIDE < legible:
        share, zooms = share / closer_box(share), zooms + 1
    return zooms


LEVELS: dict[str, Level] = {
    level.name: level
    for level in (
        Level("easy", (0.055, 0.070), (2, 4), (2, 5), 0.23, (1.8, 16.0)),
        Level("medium", (0.032, 0.042), (4, 7), (5, 9), 0.18, (3.0, 16.0)),
        Level("hard", (0.020, 0.028), (7, 12), (8, 16), 0.15, (6.0, 16.0)),
    )
}


def are_shares(shares: Mapping[str, float], known: Iterable[str]) -> bool:
    """Whether these are shares of known names that sum to 1."""
    return (
        set(shares) <= set(known)
        and min(shares.values(), default=-1) >= 0
        and abs(sum(shares.values()) - 1) < 1e-6
    )


def drawn(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    """One of the names, each as often as its share says."""
    weights = np.fromiter(shares.values(), np.float64)
    return str(rng.choice(list(shares), p=weights / weights.sum()))

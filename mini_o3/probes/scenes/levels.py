"""The difficulty rule of the scenes, stated once: how small, how many that look alike, how many looks at
least.

It is a rule about an ideal eye that is shown at most 401,408 pixels, 512 image tokens of Qwen2.5-VL, and
reads whatever has enough of them. Nothing that a question needs can be read in the first view at any level,
and everything can be read in a view at native size. Two further eyes are measured beside it: the paper's
2,000,000 pixels and nano's 28,224.
"""

from __future__ import annotations

from dataclasses import dataclass

from mini_o3.probes.shapes.levels import VIEW_BUDGET
from mini_o3.vision import PixelBudget, Rect

RULE_BUDGET = PixelBudget(max_pixels=401_408)
BUDGETS = {"401,408 px": RULE_BUDGET, "2,000,000 px": PixelBudget(), "28,224 px": VIEW_BUDGET}
SEE_TEXT = 8.0  # height of a capital letter in view pixels from which on letters and digits are told apart
SEE_ICON = 12.0  # the same for an emblem
SEE_DOT = 4.0  # what is smaller (square root of its area in view pixels) is not there at all
LEAST_LETTER = 10.0  # height of the smallest capital letter that is ever painted, pixels of the original
LEAST_ICON = 15.0
MOST_ZOOMS = (
    30  # that looking at everything that could be it may take a careful searcher, so that 32 turns suffice
)


@dataclass(frozen=True, slots=True)
class Level:
    """One level.

    Attributes:
        area: least and greatest share of the picture that the target takes: the sign, tag or badge the answer
            stands on.
        candidates: how many things look like the target from afar and fit all of the question that shows from
            afar.
        turns: least and greatest number of turns for one who knows where everything is; 3 where the question
            leads from one place (a note, a legend) to another.
        megapixels: size of the picture.
        huge: share of the pictures that are 8K (33 megapixels) instead.
        led: how many of four questions lead from one place to another where the scene allows it.
    """

    name: str
    area: tuple[float, float]
    candidates: tuple[int, int]
    turns: tuple[int, int]
    megapixels: tuple[float, float]
    huge: float = 0.0
    led: int = 1


LEVELS: dict[str, Level] = {
    level.name: level
    for level in (
        Level("easy", (0.001, 0.003), (3, 8), (2, 2), (3.0, 6.0)),
        Level("medium", (0.0003, 0.001), (6, 20), (2, 3), (6.0, 12.0)),
        Level("hard", (0.0001, 0.0003), (12, 40), (2, 3), (14.0, 24.0), huge=0.03, led=2),
    )
}


def view_scale(rect: Rect, budget: PixelBudget) -> float:
    """View pixels per pixel of the original when `rect` is shown; never above 1, as enlarging shows nothing
    more."""
    width, height = budget.fit(rect.width, rect.height)
    return min((width * height / (rect.width * rect.height)) ** 0.5, 1.0)

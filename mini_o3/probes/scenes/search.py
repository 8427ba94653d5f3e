"""The scripted searcher: it knows what could be it from what shows in its views, looks, reads, and goes on.

It lists what looks right in the first view, goes through it from top to bottom with boxes that are as large
as the writing allows and hold as many of the unread ones as possible, remembers everything it has read, and
looks at quarters of what it has seen where nothing shows. It answers only when all the evidence was legible
to an ideal eye.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from mini_o3.probes.scenes.eye import Eye, around
from mini_o3.probes.scenes.truth import Hop, Part, Question
from mini_o3.probes.searcher import Move
from mini_o3.protocol import Answer, Zoom
from mini_o3.vision import Rect, Region

_ASPECTS = (1.0, 2.0, 0.5, 4.0, 0.25)  # width over height of boxes, the better liked first
_QUARTERS = (
    (0.0, 0.0),
    (0.4, 0.0),
    (0.0, 0.4),
    (0.4, 0.4),
)  # corners; sides are 0.6, so that nothing lies on a seam
_DEPTH = 2  # how often quarters are quartered
_TRIES = 3  # looks at a thing that could not be read before it is left alone
_SLACK = 0.93  # views are rounded to whole image tokens: a box is this much smaller than it may be
_TOLD = 4  # how much of what was read a thought repeats


class ScenesSearcher:
    """One search. `parts` are the scene's: of a part it uses that it shows, and what stands on it once it was
    legible. With `everything` it looks at all that the question could mean, and never answers."""

    def __init__(
        self, parts: list[Part], question: Question, eye: Eye, size: tuple[int, int], everything: bool = False
    ) -> None:
        self.parts, self.question, self.eye, self.size = parts, question, eye, size
        self.everything = everything
        self.whole = Rect(0, 0, *size)
        self.known = eye.reads(self.whole)
        self.tries = np.zeros(len(parts), int)
        self.scale = 1.0  # at which it was last seen that writing is legible; native at first
        self.read: list[int] = []  # what the last look has shown legibly for the first time

    @property
    def found(self) -> bool:
        return bool(self.known[list(self.question.evidence)].all())

    def moves(self) -> Iterator[Move]:
        """Looks, then the answer; no answer if something cannot be found."""
        for hop in self.question.hops:
            yield from self._try(hop, self.whole)
            yield from self._descend(hop, self.whole, _DEPTH)
            if not self.everything and not self._done(hop):
                return
        if not self.everything:
            thought = f"{self._seen()}That is {self.question.goal}: {self.question.answer}."
            yield Move(Answer(self.question.answer, thought))

    def _try(self, hop: Hop, within: Rect) -> Iterator[Move]:
        """Look at all that shows in the view of `within` and could be it."""
        shows = self.eye.shows(within)
        wanted = sorted({part for spot in hop.spots for part in spot if shows[part]})
        while not self._done(hop):
            left = [part for part in wanted if not self.known[part] and self.tries[part] < _TRIES]
            if not left:
                return
            box, held = self._box(left)
            yield self._look(box, self._plan(hop, len(left), len(held)))
            missed = [part for part in held if not self.known[part]]
            self.tries[missed] += 1
            seen = [part for part in held if self.known[part]]
            self.scale = 1.0 if missed else max(float(self.eye.needs[seen].max(initial=0.0)), 0.05)

    def _descend(self, hop: Hop, within: Rect, depth: int) -> Iterator[Move]:
        """Quarter by quarter, where what could be it was too small to show."""
        parts = [part for spot in hop.spots for part in spot]
        for x, y in _QUARTERS:
            if depth == 0 or self._done(hop) or self.known[parts].all():
                return
            quarter = Region(x, y, x + 0.6, y + 0.6).to_rect(within)
            yield self._look(
                quarter,
                f"Nothing more of that kind shows; I look at a {'quarter' if depth == _DEPTH else 'part'}.",
            )
            yield from self._try(hop, quarter)
            yield from self._descend(hop, quarter, depth - 1)

    def _done(self, hop: Hop) -> bool:
        """Whether no more looks are needed for a hop."""
        return not self.everything and bool(self.known[list(hop.aim)].all())

    def _look(self, box: Rect, plan: str) -> Move:
        thought = f"{self._seen()}{plan}"
        region = _region(box, self.size)
        rect = region.to_rect(self.whole)
        reads = self.eye.reads(rect) & ~self.known
        self.read = np.flatnonzero(reads).tolist()
        self.known |= reads
        return Move(Zoom(region, thought))

    def _plan(self, hop: Hop, left: int, held: int) -> str:
        places = f"{left} places" if left > 1 else "one place"
        if not self.tries.any() and self.scale == 1.0 and not self.read:
            return (
                f"I have to find {self.question.goal}. The {hop.look} could be in {places}; I look closely at"
                f" {held}."
            )
        return (
            f"I still look for {self.question.goal}; the {hop.look} could be in {places}, {held} of them in"
            " this box."
        )

    def _seen(self) -> str:
        """What the last look has shown, in words."""
        if not self.read:
            return ""
        words = [
            f"{self.parts[part].what} {', '.join(self.parts[part].facts.values())}"
            for part in self.read[:_TOLD]
        ]
        return f"I can read: {'; '.join(words)}{' and more' if len(self.read) > _TOLD else ''}. "

    def _box(self, left: list[int]) -> tuple[Rect, list[int]]:
        """A box over the topmost of `left` and as many others as fit at the present scale, and those it
        holds."""
        boxes = self.eye.boxes[left]
        first = boxes[boxes[:, 1].argmin()]
        area = self.eye.budget.max_pixels * _SLACK / min(self.scale * 1.03, 1.0) ** 2
        best: np.ndarray | None = None
        shape = (0.0, 0.0)
        for aspect in _ASPECTS:
            width = min(math.sqrt(area * aspect), self.size[0])
            height = min(area / width, self.size[1])
            inside = _fullest(boxes, first, width - 8, height - 8)
            if inside is not None and (best is None or inside.sum() > best.sum()):
                best, shape = inside, (width, height)
        if best is None:  # larger than any box at this scale
            held = [left[int(boxes[:, 1].argmin())]]
            return around(self.eye, held, self.size), held
        held = [part for part, within in zip(left, best, strict=True) if within]
        low, high = boxes[best][:, :2].min(0), boxes[best][:, 2:].max(0)
        x, y = (
            min(max((low[axis] + high[axis] - shape[axis]) / 2, 0.0), self.size[axis] - shape[axis])
            for axis in (0, 1)
        )
        right, bottom = math.ceil(x + shape[0]), math.ceil(y + shape[1])
        return Rect(int(x), int(y), min(right, self.size[0]), min(bottom, self.size[1])), held


def cover(question: Question, eye: Eye, parts: list[Part], size: tuple[int, int]) -> int:
    """How many zooms it takes to look at everything that a question could mean."""
    return sum(1 for _ in ScenesSearcher(parts, question, eye, size, everything=True).moves())


def _fullest(boxes: np.ndarray, first: np.ndarray, width: float, height: float) -> np.ndarray | None:
    """Of all boxes of that size over `first`, what the fullest holds, (N,) bool; None if `first` does not
    fit."""
    if first[2] - first[0] > width or first[3] - first[1] > height:
        return None
    lefts = np.unique(boxes[(boxes[:, 0] <= first[0]) & (boxes[:, 0] >= first[2] - width), 0])
    tops = np.unique(boxes[(boxes[:, 1] <= first[1]) & (boxes[:, 1] >= first[3] - height), 1])
    across = (boxes[:, 0] >= lefts[:, None]) & (boxes[:, 2] <= lefts[:, None] + width)  # (L, N)
    down = (boxes[:, 1] >= tops[:, None]) & (boxes[:, 3] <= tops[:, None] + height)  # (T, N)
    counts = across.astype(np.float32) @ down.T.astype(np.float32)
    best = np.unravel_index(counts.argmax(), counts.shape)
    inside: np.ndarray = across[best[0]] & down[best[1]]
    return inside


def _region(rect: Rect, size: tuple[int, int]) -> Region:
    """A box of the original in four decimals."""
    width, height = size
    low = [math.floor(value * 1e4) / 1e4 for value in (rect.left / width, rect.top / height)]
    high = [min(math.ceil(value * 1e4) / 1e4, 1.0) for value in (rect.right / width, rect.bottom / height)]
    return Region(low[0], low[1], high[0], high[1])

"""Perception stage: one view, short questions about it, and for every cell of the view what stands there.

Departs from the paper, which starts from a pretrained model and needs no such stage. The questions are
answered in the words of `probes.shapes.eye`; the per-cell labels train the vision tower directly, and their
head is thrown away afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from mini_o3.kit.rng import stream
from mini_o3.models.chat import ChatRenderer, Rendered
from mini_o3.models.nano import NANO_BUDGET
from mini_o3.probes import backgrounds
from mini_o3.probes.shapes import LEVELS, eye
from mini_o3.probes.shapes.draw import place, sprite
from mini_o3.probes.shapes.levels import FIRST_BOX, LEAST_BOX, STEP, VIEW_SIDE, closer_box, drawn
from mini_o3.probes.shapes.scene import FAMILIES, lay_out
from mini_o3.probes.shapes.truth import Thing
from mini_o3.probes.shapes.words import COLOURS, DIGITS, SHAPES
from mini_o3.sft.repetition import repetition_noise
from mini_o3.vision import Rect, Region, show

CELLS = 6  # image tokens along a side of nano's view
LABELS = 6  # per cell: something here, colour, shape, digit, x and y


@dataclass(slots=True)
class Sample:
    """One training sequence: ids with their views; `learn` weighs the loss of each; `cells` (views, 36, 6) or
    None."""

    ids: list[int]
    learn: list[float]
    views: list[Image.Image]
    cells: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class PerceptionData:
    """Index -> samples: crowds only before `crowds_until`, then crowds and views of probes.

    A crowd is a view full of things of one size, drawn directly. It holds ten times as many labels as a view
    of a probe and costs a twentieth to make; what it does not teach is what probes look like. `crowds` and
    `layouts` are how many crowds and how many probes (on one background) an index holds. Pure: the same index
    and settings give the same samples.
    """

    renderer: ChatRenderer
    seed: int
    photos: tuple[Path, ...] = ()
    crowds_until: int = 0
    crowds: int = 4
    layouts: int = 2
    levels: tuple[tuple[str, float], ...] = (("easy", 0.7), ("medium", 0.2), ("hard", 0.1))
    families: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(FAMILIES, 0.25))

    def __call__(self, index: int) -> list[Sample]:
        rng = stream("perception", self.seed, index)
        if index < self.crowds_until:
            return [self._crowd(rng, sparse=0.0) for _ in range(20)]
        level = LEVELS[drawn(rng, dict(self.levels))]
        side = int(rng.integers(1344, 1700))
        aspect = float(np.exp(rng.uniform(-0.5, 0.5)))
        size = (int(side * aspect**0.5), int(side / aspect**0.5))
        empty = backgrounds.paint(rng, size, self.photos if rng.random() < 0.35 else ())
        samples = [self._crowd(rng, sparse=0.7) for _ in range(self.crowds)]
        for _ in range(self.layouts):  # painting a background costs as much as all views of a scene
            scene = lay_out(rng, level, drawn(rng, self.families), size)
            picture = place(rng, scene, empty.copy())
            samples += [
                self._sample(rng, picture, scene.things, rect) for rect in _rects(rng, scene.things, size)
            ]
        return samples

    def _crowd(self, rng: np.random.Generator, sparse: float) -> Sample:
        size = (2 * VIEW_SIDE, 2 * VIEW_SIDE)
        empty = backgrounds.paint(rng, size, self.photos if rng.random() < 0.35 else ())
        few = int(rng.integers(1, 4)) if rng.random() < sparse else 0
        picture, things = crowd(rng, empty, few, pair=few > 0 and rng.random() < 0.5)
        return self._sample(rng, picture, things, Rect(0, 0, *size))

    def _sample(
        self, rng: np.random.Generator, picture: Image.Image, things: tuple[Thing, ...], rect: Rect
    ) -> Sample:
        view = show(picture, rect, NANO_BUDGET)
        seen = eye.look(things, picture.size, rect)
        whole = Rendered()
        first: list[str | Image.Image] = [view]
        for question, answer in _questions(rng, seen):
            whole.add(self.renderer.message("user", [*first, question]))
            whole.add(self.renderer.generation_prompt())
            written = repetition_noise(self.renderer, self.renderer.assistant_message(answer), rng)
            whole.add(written)
            whole.add(self.renderer.turn_suffix(written.ids))
            first = []
        return Sample(whole.ids, list(map(float, whole.mask)), whole.views, cell_labels(seen)[None])


def crowd(
    rng: np.random.Generator, picture: Image.Image, few: int = 0, pair: bool = False
) -> tuple[Image.Image, tuple[Thing, ...]]:
    """Fill `picture` (changed) with things of about one size, from dots to half its side; few colours at a
    time.

    `few` says how many; 0: up to twenty. Where a thing is must be learnt from views in which it is the only
    one that could be meant, before the right one of many can be. With `pair`, things are large enough to be
    read, and the first, near the
    middle, has another touching it: what stands beside what is learnt here.
    """
    extent = picture.width
    # pairs, which must fit; dots to be found; or things to be read
    least, largest = (26.0, 39.0) if pair else (6.0, 16.0) if rng.random() < 0.35 else (20.0, 90.0)
    side = float(np.exp(rng.uniform(np.log(least), np.log(largest)))) / VIEW_SIDE * extent
    room = max(int(1.2 * extent**2 / (1.3 * side) ** 2), 1)
    colours = [str(c) for c in rng.permutation(list(COLOURS))[: rng.integers(2, 7)]]
    things: list[Thing] = []
    for _ in range(few or int(rng.integers(1, min(room, 20) + 1))):
        pixels = max(round(side * rng.uniform(0.75, 1.3)), 3)
        left, top = (int(v) for v in rng.integers(0, max(extent - pixels, 1), 2))
        if pair and not things:
            left, top = (int(v) for v in rng.uniform(0.3, 0.7, 2) * extent - pixels / 2)
        region = Region.of_rect(Rect(left, top, left + pixels, top + pixels), picture.size)
        gap = (
            2.2 * side / extent if pair else max(1.1 * pixels / extent, 0.09)
        )  # what does not touch must not seem to
        if any(
            max(abs(a - b) for a, b in zip(region.centre, t.region.centre, strict=True)) < gap for t in things
        ):
            continue
        colour = colours[rng.integers(len(colours))]
        things.append(_draw(rng, picture, colour, left, top, pixels))
        if pair and len(things) == 1:
            away = round(1.15 * pixels)
            places = ((left + away, top), (left - away, top), (left, top + away), (left, top - away))
            inside = [place for place in places if min(place) >= 0 and max(place) + pixels <= extent]
            other = str(rng.choice([name for name in COLOURS if name != colour]))
            things.append(_draw(rng, picture, other, *inside[rng.integers(len(inside))], pixels))
    return picture, tuple(things)


def _draw(
    rng: np.random.Generator, picture: Image.Image, colour: str, left: int, top: int, pixels: int
) -> Thing:
    look = (colour, SHAPES[rng.integers(len(SHAPES))], DIGITS[rng.integers(len(DIGITS))])
    tint = rng.integers(-12, 13, 3)
    image = sprite(*look, pixels, (int(tint[0]), int(tint[1]), int(tint[2])))
    picture.paste(image, (left, top), image)
    return Thing(*look, Region.of_rect(Rect(left, top, left + pixels, top + pixels), picture.size))


def _rects(rng: np.random.Generator, things: tuple[Thing, ...], size: tuple[int, int]) -> list[Rect]:
    """Views as an episode would take them: the whole, a quarter, and near and nearer looks at some things."""
    full = Rect(0, 0, *size)
    quarters = (_box(rng.choice([0.25, 0.5, 0.75], 2), 0.5, full) for _ in range(2))
    rects = [full, *quarters]
    for thing in (things[i] for i in rng.permutation(len(things))[:2]):
        share = (thing.region.area) ** 0.5
        x, y = (eye.snap(v) + float(rng.choice([0, 0, 0, 0.05, -0.05])) for v in thing.region.centre)
        near = Region.around(x, y, FIRST_BOX, FIRST_BOX).to_rect(full)
        rects.append(near)
        seen = [s for s in eye.look(things, size, near) if s.thing is thing]
        while seen and not seen[0].digit_shows:
            side = closer_box(seen[0].share)
            near = Region.around(*seen[0].spot, side, side).to_rect(near)
            rects.append(near)
            seen = [s for s in eye.look(things, size, near) if s.thing is thing]
        share = rng.uniform(
            0.3, 0.7
        )  # any size in the end, so that reading does not depend on the exact zoom
        side = min(thing.region.area**0.5 / share, 1.0)
        x, y = (v + rng.uniform(-0.3, 0.3) * side * (1 - share) for v in thing.region.centre)
        rects.append(Region.around(x, y, side, side).to_rect(full))
    if rng.random() < 0.3:
        rects.append(_box(rng.uniform(0, 1, 2), LEAST_BOX, full))
    return rects


def _box(centre: np.ndarray, side: float, full: Rect) -> Rect:
    return Region.around(float(centre[0]), float(centre[1]), side, side).to_rect(full)


def _questions(rng: np.random.Generator, seen: list[eye.Seen]) -> list[tuple[str, str]]:
    """Up to three questions about a view: point at a colour that is there, at one that may not be, at all;
    describe."""
    present = sorted({s.thing.colour for s in seen})
    middle = eye.central(seen, None)
    pairs = []
    if middle is not None and middle.share > 0.03:
        colour = middle.thing.colour
        beside = eye.neighbour(seen, eye.central(seen, colour) or middle) is not None
        pairs.append((f"describe {colour}", eye.describe(seen, colour, beside)))
        if middle.share > 0.1 and rng.random() < 0.2:
            pairs.append(("describe thing", eye.describe(seen, None)))
    elif rng.random() < 0.3:
        colour = str(rng.choice(list(COLOURS)))
        pairs.append((f"describe {colour}", eye.describe(seen, colour)))
    if middle is None or middle.share < 0.2:
        colours: list[str | None] = [str(rng.choice(list(COLOURS))) if rng.random() < 0.25 else None]
        if present:
            colours += [str(c) for c in rng.permutation(present)[:2]]
        for wanted in colours:
            found = eye.of_colour(eye.apart(seen, wanted), wanted)
            pairs.append((f"point {wanted or 'things'}", eye.point(found, wanted)))
        if present and rng.random() < 0.3:
            pairs[-1] = (f"find {present[0]}", f"{eye.survey(eye.apart(seen, present[0]), present[0])}.")
        if present and rng.random() < 0.7:  # with no colour in the question that could be copied
            pairs[0] = ("find things", f"{eye.listing(eye.apart(seen, None))}.")
    return pairs or [("describe thing", eye.describe(seen, None))]


def cell_labels(seen: list[eye.Seen]) -> np.ndarray:
    """(36, 6) float32 by cell of the view, row by row: here, colour, shape, digit, x, y; -1 where it cannot
    be told.

    x and y are the numbers of the grid lines (`levels.STEP`) that its words name.
    """
    labels = np.full((CELLS * CELLS, LABELS), -1.0, np.float32)
    labels[:, 0] = 0.0
    for s in sorted(seen, key=lambda s: s.share):
        if not (0 <= s.x < 1 and 0 <= s.y < 1):
            continue
        column, row = int(s.x * CELLS), int(s.y * CELLS)
        labels[row * CELLS + column] = (
            1.0,
            list(COLOURS).index(s.thing.colour) if s.pixels >= 2.5 else -1,
            SHAPES.index(s.thing.shape) if s.pixels >= 16 else -1,
            DIGITS.index(s.thing.digit) if s.pixels >= 30 else -1,
            round(s.spot[0] / STEP),
            round(s.spot[1] / STEP),
        )
    return labels

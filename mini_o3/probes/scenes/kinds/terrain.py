"""What a map is printed on: land, sea, lakes, forests, contour lines, rivers, roads, and its grid."""

from __future__ import annotations

import math

from mini_o3.probes.scenes.draw import Colour
from mini_o3.probes.scenes.sketch import Sketch, shade

_LAND: tuple[Colour, ...] = ((222, 226, 190), (236, 226, 200), (206, 222, 190))


def ground(s: Sketch) -> None:
    """Land, sea, lakes, forests, contour lines, rivers and roads."""
    u, rng = s.unit, s.rng
    land = s.jitter(_LAND[int(rng.integers(len(_LAND)))], 8)
    s("cloud", (0, 0, s.width, s.height), land, shade(land, 0.9), s.key(), 5)
    water: Colour = (170, 208, 232)
    for _ in range(int(rng.integers(3, 7))):
        _blob(s, rng.uniform(0, 1, 2), float(rng.uniform(0.08, 0.22)), (*s.jitter((150, 190, 140), 14), 150))
    for _ in range(int(rng.integers(2, 5))):
        centre, radius = rng.uniform(0, 1, 2), float(rng.uniform(0.12, 0.3))
        for step in range(5):
            _blob(s, centre, radius * (1 - 0.17 * step), None)
    shore = [
        (
            float(rng.uniform(0.1, 0.3)) + 0.05 * math.sin(3 * t / 40 * math.pi + float(rng.uniform(0, 0.6))),
            t / 40,
        )
        for t in range(41)
    ]
    mirror = rng.random() < 0.5
    edge = [
        ((1 - x if mirror else x) * s.width * 0.6 + (0.4 * s.width if mirror else 0), y * s.height)
        for x, y in shore
    ]
    s(
        "draw",
        "polygon",
        [*edge, ((s.width if mirror else 0), s.height), ((s.width if mirror else 0), 0)],
        fill=water,
        outline=(110, 150, 180),
    )
    for _ in range(int(rng.integers(1, 4))):
        _blob(s, rng.uniform(0.2, 0.8, 2), float(rng.uniform(0.02, 0.06)), water)
    for colour, casing, width, count in (
        ((150, 194, 224), None, 0.7, 3),
        ((252, 250, 246), (150, 140, 130), 0.9, 7),
        ((250, 214, 120), (150, 110, 50), 1.3, 3),
    ):
        for _ in range(count):
            _way(s, colour, casing, width * u)


def _blob(s: Sketch, centre, radius: float, fill: Colour | None) -> None:  # type: ignore[no-untyped-def]
    """A rounded patch; without a fill a contour line."""
    phases, side = s.rng.uniform(0, 6.3, 3), min(s.width, s.height)
    points = []
    for step in range(72):
        t = step / 72 * 2 * math.pi
        r = (
            radius
            * side
            * (
                1
                + 0.18 * math.sin(2 * t + phases[0])
                + 0.12 * math.sin(3 * t + phases[1])
                + 0.06 * math.sin(5 * t + phases[2])
            )
        )
        points.append((centre[0] * s.width + r * math.cos(t), centre[1] * s.height + r * math.sin(t)))
    if fill is None:
        s(
            "glass",
            "line",
            [*points, points[0]],
            fill=(150, 110, 70, 130),
            width=max(round(s.unit / 7), 1),
            joint="curve",
        )
    else:
        s("glass" if len(fill) == 4 else "draw", "polygon", points, fill=fill)


def _way(s: Sketch, colour: Colour, casing: Colour | None, width: float) -> None:
    """A river or a road from one side to another."""
    rng = s.rng
    across = rng.random() < 0.5
    phases, start, end = rng.uniform(0, 6.3, 2), float(rng.uniform(0, 1)), float(rng.uniform(0, 1))
    points = []
    for step in range(81):
        t = step / 80
        offset = (
            start
            + (end - start) * t
            + 0.05 * math.sin(4 * t + phases[0])
            + 0.02 * math.sin(11 * t + phases[1])
        )
        points.append((t * s.width, offset * s.height) if across else (offset * s.width, t * s.height))
    for paint, extra in ((casing, 1.45), (colour, 1.0)):
        if paint is not None:
            s("draw", "line", points, fill=paint, width=max(round(width * extra), 2), joint="curve")


def frame(s: Sketch) -> None:
    """A thin grid and a frame."""
    u, step = s.unit, s.width / 8
    for index in range(1, 8):
        s(
            "glass",
            "line",
            (index * step, 0, index * step, s.height),
            fill=(60, 80, 110, 50),
            width=max(round(u / 10), 1),
        )
    for index in range(1, int(s.height / step) + 1):
        s(
            "glass",
            "line",
            (0, index * step, s.width, index * step),
            fill=(60, 80, 110, 50),
            width=max(round(u / 10), 1),
        )
    s(
        "draw",
        "rectangle",
        (0, 0, s.width - 1, s.height - 1),
        outline=(40, 40, 40),
        width=max(round(u / 3), 1),
    )

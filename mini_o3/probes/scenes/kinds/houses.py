"""Houses with their doors and windows."""

from __future__ import annotations

from mini_o3.probes.scenes.draw import Colour
from mini_o3.probes.scenes.sketch import PAINTS, Sketch, shade


def draw_house(s: Sketch, left: float, top: float, right: float, ground: float, wall: Colour) -> None:
    u = s.unit
    roof = s.jitter(((120, 62, 48), (74, 72, 78), (98, 80, 64))[int(s.rng.integers(3))], 12)
    s.fill((left, top, right, ground), wall)
    s.fill((right - 0.08 * (right - left), top, right, ground), shade(wall, 0.86))
    s(
        "draw",
        "polygon",
        [(left - u, top), (left + 3 * u, top - 6 * u), (right - 3 * u, top - 6 * u), (right + u, top)],
        fill=roof,
    )
    s.fill((left - u, top - 0.5 * u, right + u, top + 0.3 * u), shade(roof, 0.7))
    chimney = left + float(s.rng.uniform(0.2, 0.8)) * (right - left)
    s.fill((chimney, top - 8.5 * u, chimney + 2.4 * u, top - 4 * u), shade(roof, 0.85))
    s.fill((left, ground - 1.4 * u, right, ground), shade(wall, 0.6))


def draw_door(s: Sketch, x: float, ground: float) -> None:
    u, paint = s.unit, s.jitter(PAINTS[s.one(("brown", "green", "blue", "red", "grey"))], 16)
    s.fill((x - 2.9 * u, ground - 13.2 * u, x + 2.9 * u, ground), (228, 222, 210))
    s.fill((x - 2.4 * u, ground - 12.6 * u, x + 2.4 * u, ground), shade(paint, 0.8))
    s.fill((x - 1.7 * u, ground - 11.8 * u, x + 1.7 * u, ground - 7 * u), shade(paint, 1.05))
    s("draw", "ellipse", (x + 1.2 * u, ground - 6 * u, x + 2 * u, ground - 5.2 * u), fill=(220, 190, 90))


def draw_window(s: Sketch, x: float, y: float, wide: float, tall: float, shop: bool = False) -> None:
    u = s.unit
    lit = s.rng.random() < 0.3
    pane = s.jitter((250, 222, 150) if lit else (86, 108, 130), 18)
    s.fill((x, y, x + wide, y + tall), (236, 234, 228))
    s.fill((x + 0.4 * u, y + 0.4 * u, x + wide - 0.4 * u, y + tall - 0.4 * u), pane)
    if not shop:
        s.fill((x + wide / 2 - 0.2 * u, y, x + wide / 2 + 0.2 * u, y + tall), (236, 234, 228))
    s(
        "glass",
        "polygon",
        [
            (x + 0.4 * u, y + tall - 0.4 * u),
            (x + 0.5 * wide, y + 0.4 * u),
            (x + 0.75 * wide, y + 0.4 * u),
            (x + 0.3 * wide, y + tall - 0.4 * u),
        ],
        fill=(255, 255, 255, 40),
    )

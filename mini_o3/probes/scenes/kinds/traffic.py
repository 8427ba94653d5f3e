"""Roads with cars on them, each with a licence plate and an emblem on its door."""

from __future__ import annotations

from PIL import Image, ImageDraw

from mini_o3.probes.scenes.draw import Colour
from mini_o3.probes.scenes.icons import ICONS
from mini_o3.probes.scenes.sketch import BLACK, PAINTS, Sketch, shade, smooth, sprites
from mini_o3.probes.scenes.words import LETTERS

_WIDE, _TALL = 24.0, 10.5  # of a car, in units


def road(s: Sketch, row: str, ground: float, bottom: float, colours: list[str]) -> None:
    """Pavement and road from `ground` to `bottom`, with cars of these colours."""
    u = s.unit
    s.fill((0, ground, s.width, ground + 2.4 * u), (190, 186, 178))
    s.fill((0, ground + 2.2 * u, s.width, ground + 2.6 * u), (120, 118, 114))
    s.fill((0, ground + 2.6 * u, s.width, bottom), s.jitter((84, 86, 90), 8))
    for x in range(0, s.width, round(12 * u)):
        s.fill((x, bottom - 1.6 * u, x + 6 * u, bottom - 1.1 * u), (214, 210, 190))
    left = float(s.rng.uniform(0.5, 6)) * u
    while left + _WIDE * u < s.width:
        if s.rng.random() < 0.9:
            _car(s, row, left, ground + 2.2 * u, s.one(colours))
        left += (_WIDE + float(s.rng.uniform(0.6, 4))) * u


def _car(s: Sketch, row: str, left: float, top: float, colour: str) -> None:
    u, icon = s.unit, s.one(ICONS)
    plate = f"{s.one(LETTERS)}{s.one(LETTERS)} {int(s.rng.integers(200, 1000))}"
    s("glass", "ellipse", (left, top + 9.3 * u, left + _WIDE * u, top + 11.6 * u), fill=(0, 0, 0, 80))
    s.sprite(car, (PAINTS[colour], round(_WIDE * u), round(_TALL * u)), left, top)
    parts = [
        s.plate(
            "licence plate",
            left + 18.6 * u,
            top + 5.6 * u,
            (plate,),
            {"plate": plate},
            pad=0.75,
            least=7.3,
            rim=BLACK,
            face="mono",
        ),
        s.plate(
            "emblem on the door",
            left + 9.6 * u,
            top + 5.9 * u,
            (),
            {"icon": icon},
            icon=icon,
            big=1.0,
            pad=0.4,
            radius=0.8,
            rim=None,
        ),
    ]
    s.mark("car", parts, row=row, colour=colour)


@sprites
def car(paint: Colour, width: int, height: int) -> Image.Image:
    """A car from the side, as RGBA, with a flat flank for its plates."""

    def draw(d: ImageDraw.ImageDraw, k: float) -> None:
        w, h = width * k, height * k
        d.polygon(
            [(0.14 * w, 0.36 * h), (0.27 * w, 0.03 * h), (0.7 * w, 0.03 * h), (0.86 * w, 0.36 * h)],
            fill=shade(paint, 0.9),
        )
        d.polygon(
            [(0.2 * w, 0.36 * h), (0.3 * w, 0.09 * h), (0.47 * w, 0.09 * h), (0.47 * w, 0.36 * h)],
            fill=(60, 76, 92),
        )
        d.polygon(
            [(0.5 * w, 0.36 * h), (0.5 * w, 0.09 * h), (0.67 * w, 0.09 * h), (0.79 * w, 0.36 * h)],
            fill=(70, 88, 104),
        )
        d.rounded_rectangle((0.01 * w, 0.34 * h, 0.99 * w, 0.86 * h), radius=0.14 * h, fill=paint)
        d.rectangle((0.02 * w, 0.78 * h, 0.98 * w, 0.86 * h), fill=shade(paint, 0.7))
        d.rectangle((0.0, 0.45 * h, 0.03 * w, 0.56 * h), fill=(250, 236, 170))
        for x in (0.2, 0.8):
            d.ellipse((x * w - 0.17 * h, 0.66 * h, x * w + 0.17 * h, h), fill=(28, 28, 32))
            d.ellipse((x * w - 0.08 * h, 0.75 * h, x * w + 0.08 * h, 0.91 * h), fill=(170, 172, 178))

    return smooth(width, height, draw)

"""Things that stand about in several kinds of scenes: flags beside emblems, balloons, signs on posts."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from mini_o3.probes.scenes.draw import Colour
from mini_o3.probes.scenes.icons import ICONS
from mini_o3.probes.scenes.questions import Family, Narrow
from mini_o3.probes.scenes.sketch import BLACK, INKS, PAINTS, WHITE, Sketch, shade, smooth, sprites
from mini_o3.probes.scenes.words import SIGNS

FLAG_TINTS = ("red", "blue", "green", "purple", "orange")
FLAG = Family(
    "flag",
    "flag",
    ("icon",),
    "ink",
    "flag",
    "the flag beside the {tint} {icon}",
    (
        "What colour is the number on the flag beside the {tint} {icon}?",
        "In which colour is the number written on the flag next to the {tint} {icon}?",
    ),
    (Narrow(("tint",)),),
)
SIGN = Family(
    "sign",
    "sign",
    ("icon",),
    "words",
    "sign",
    "the {paper} sign with the {icon}",
    (
        "What does the {paper} sign with the {icon} read?",
        "What is written on the {paper} sign under the {icon}?",
    ),
    (Narrow(("paper",)),),
)
BALLOON = Family(
    "balloon",
    "balloon",
    ("icon",),
    "number",
    "balloon",
    "the {colour} balloon with the {icon}",
    (
        "What number is on the {colour} balloon with the {icon}?",
        "Which number does the {colour} balloon that shows the {icon} carry?",
    ),
    (Narrow(("colour",)),),
)
_PAPERS: dict[str, tuple[Colour, Colour]] = {
    "white": (WHITE, BLACK),
    "yellow": ((250, 214, 60), BLACK),
    "blue": ((26, 66, 150), WHITE),
    "green": ((20, 104, 62), WHITE),
    "red": ((182, 26, 34), WHITE),
}
SIGN_PAPERS = tuple(_PAPERS)


def scatter(s: Sketch, count: int, wide: float, tall: float, top: float = 0.0) -> list[tuple[float, float]]:
    """Upper left corners, in pixels, of `count` boxes of `wide` x `tall` units below `top` that do not meet,
    from back to front; in loose rows where there is no room for disorder, and fewer where there is no room
    at all."""
    w, h, edge = wide * s.unit, tall * s.unit, 0.4 * s.unit
    low, high = np.array((edge, top + edge)), np.array((s.width - w - edge, s.height - h - edge))
    if count * w * h < 0.36 * (s.width - 2 * edge) * (s.height - top - 2 * edge):
        taken = np.full((count, 2), -1e9)
        for index in range(count):
            tries = s.rng.uniform(low, high, (100, 2))
            free = (np.abs(tries[:, None] - taken[None, :index]) >= (w, h)).any(2).all(1)
            if not free.any():
                break
            taken[index] = tries[free.argmax()]
        else:
            return sorted(((float(x), float(y)) for x, y in taken), key=lambda spot: spot[1])
    rows, columns = int((s.height - top - 2 * edge) / h), int((s.width - 2 * edge) / w)
    count = min(count, rows * columns)
    spare = (s.height - top - 2 * edge) / rows - h
    spots: list[tuple[float, float]] = []
    for row in range(rows):
        held = count * (row + 1) // rows - count * row // rows
        gaps = np.sort(s.rng.uniform(0, s.width - 2 * edge - held * w, held))
        y = top + edge + row * (h + spare)
        spots += [
            (edge + index * w + float(gap), y + float(s.rng.uniform(0, spare)))
            for index, gap in enumerate(gaps)
        ]
    return sorted(spots, key=lambda spot: spot[1])


def flag(s: Sketch, left: float, y: float, tint: str) -> None:
    """A flag with a number on a pole and, on a second pole beside it, an emblem of colour `tint`: 12 x 19
    units."""
    u, icon, ink = s.unit, s.one(ICONS), s.one(tuple(INKS))
    for x in (left + 1.1 * u, left + 9.8 * u):
        s("glass", "ellipse", (x - 1.5 * u, y + 17.2 * u, x + 1.5 * u, y + 18.4 * u), fill=(0, 0, 0, 70))
        s.fill(
            (x - 0.3 * u, y + 0.6 * u, x + 0.3 * u, y + 18 * u),
            (206, 206, 210),
            outline=(110, 110, 116),
            width=1,
        )
    number = str(int(s.rng.integers(10, 100)))
    cloth = s.plate(
        "flag",
        left + 4.1 * u,
        y + 3.8 * u,
        (number,),
        {"ink": ink, "number": number},
        ink=INKS[ink],
        big=1.4,
        pad=1.3,
        least=6.0,
    )
    emblem = s.plate(
        "emblem",
        left + 9.8 * u,
        y + 3.8 * u,
        (),
        {"icon": icon},
        icon=icon,
        tint=INKS[tint],
        big=1.6,
        pad=0.7,
        radius=1.0,
        rim=None,
    )
    s.mark("flag", (cloth, emblem), tint=tint)


def balloon(s: Sketch, left: float, y: float, colour: str) -> None:
    """A balloon with an emblem and a number on it: 12 x 19 units."""
    u, icon, number = s.unit, s.one(ICONS), str(int(s.rng.integers(100, 1000)))
    s(
        "glass",
        "line",
        (left + 6 * u, y + 12.5 * u, left + 5.4 * u, y + 15 * u, left + 6.4 * u, y + 18.6 * u),
        fill=(30, 30, 30, 200),
        width=max(round(u / 7), 1),
    )
    s.sprite(envelope, (PAINTS[colour], round(12 * u), round(13.2 * u)), left, y)
    parts = (
        s.plate(
            "number",
            left + 6 * u,
            y + 8.4 * u,
            (number,),
            {"number": number},
            big=1.4,
            pad=0.8,
            least=6.0,
            radius=0.5,
            rim=None,
        ),
        s.plate(
            "emblem",
            left + 6 * u,
            y + 4.0 * u,
            (),
            {"icon": icon},
            icon=icon,
            big=1.5,
            pad=0.9,
            radius=1.4,
            rim=None,
        ),
    )
    s.mark("balloon", parts, colour=colour)


def sign(s: Sketch, left: float, y: float, paper: str) -> None:
    """A sign on a post, with an emblem and a few words: 12 x 19 units."""
    u, icon, words = s.unit, s.one(ICONS), s.one(SIGNS)
    back, ink = _PAPERS[paper]
    lines = words.rsplit(" ", 1) if len(words) > 8 else [words]
    s("glass", "ellipse", (left + 4.4 * u, y + 17.4 * u, left + 7.6 * u, y + 18.6 * u), fill=(0, 0, 0, 70))
    s.fill(
        (left + 5.5 * u, y + 5 * u, left + 6.5 * u, y + 18 * u), (146, 122, 96), outline=(90, 74, 58), width=1
    )
    board = s.plate(
        "sign",
        left + 6 * u,
        y + 4.6 * u,
        lines,
        {"icon": icon, "words": words},
        icon=icon,
        paper=back,
        ink=ink,
        rim=ink,
        pad=0.7,
        radius=0.5,
    )
    s.mark("sign", (board,), paper=paper)


@sprites
def envelope(paint: Colour, width: int, height: int) -> Image.Image:
    """A balloon without its string, as RGBA, lit from the upper left."""

    def draw(d: ImageDraw.ImageDraw, k: float) -> None:
        w, h = width * k, height * k
        d.polygon([(0.44 * w, h), (0.56 * w, h), (0.5 * w, 0.9 * h)], fill=shade(paint, 0.6))
        d.ellipse((0, 0, w, 0.95 * h), fill=shade(paint, 0.82))
        d.ellipse((0.01 * w, 0.01 * h, 0.93 * w, 0.88 * h), fill=paint)
        d.ellipse((0.1 * w, 0.1 * h, 0.3 * w, 0.3 * h), fill=shade(paint, 1.25))

    return smooth(width, height, draw)

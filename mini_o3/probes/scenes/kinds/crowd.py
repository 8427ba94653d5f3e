"""A crowd on a square: people with badges, numbers and caps, flags beside emblems, boards above."""

from __future__ import annotations

from PIL import Image, ImageDraw

from mini_o3.probes.scenes.draw import Colour
from mini_o3.probes.scenes.icons import ICONS
from mini_o3.probes.scenes.kinds.props import FLAG, FLAG_TINTS, flag, scatter
from mini_o3.probes.scenes.questions import Family, Narrow, Via
from mini_o3.probes.scenes.sketch import BLACK, PAINTS, WHITE, Sketch, shade, smooth, sprites
from mini_o3.probes.scenes.words import PEOPLE

_IN_SHIRT = Narrow(("shirt",), "in the {shirt} shirt")
FAMILIES = (
    Family(
        "number",
        "person",
        ("name",),
        "number",
        "badge",
        "the number of {name}",
        ("What number does {name} {where} wear?", "Which number is on the chest of {name} {where}?"),
        (Narrow(), Narrow(("shirt",), "(in a {shirt} shirt)")),
    ),
    Family(
        "name",
        "person",
        ("number",),
        "name",
        "number",
        "the person with number {number}",
        (
            "What is the name on the badge of the person {where} with number {number}?",
            "Who {where} wears number {number}?",
        ),
        (Narrow(), _IN_SHIRT),
    ),
    Family(
        "cap",
        "person",
        ("icon",),
        "number",
        "cap",
        "the person in {shirt} with the {icon} on the cap",
        (
            "What number does the person {where} with the {icon} on the cap wear?",
            "Somebody {where} has the {icon} on the cap. Which number is that?",
        ),
        (_IN_SHIRT,),
    ),
    FLAG,
    Family(
        "board",
        "person",
        ("number",),
        "name",
        "number",
        "the person whose number is on the {via_board} board",
        (
            "What is the name of the person {where} whose number is on the {via_board} board?",
            "The {via_board} board shows a number. What is the name of the one {where} who wears it?",
        ),
        (Narrow(), _IN_SHIRT),
        Via("board", ("board",), "number", "board at the top"),
    ),
)
_SHIRTS = ("red", "blue", "green", "yellow", "orange", "purple", "white", "grey")
_BOARDS = ("red", "blue", "green", "yellow", "white")
_SKINS: tuple[Colour, ...] = ((244, 206, 176), (222, 172, 134), (168, 116, 80), (110, 72, 50))
_HAIR: tuple[Colour, ...] = ((46, 34, 28), (120, 84, 48), (196, 160, 96), (150, 150, 152))
_TROUSERS: tuple[Colour, ...] = ((50, 60, 86), (84, 78, 70), (40, 40, 46))
_WIDE, _TALL = 13.0, 34.0  # of a person, in units
_PITCH = 19.5  # rows of people this far apart, in units: those in front hide only the legs of those behind


def lay_out(s: Sketch) -> None:
    u = s.unit
    top = 11.0 * u
    _square(s, top)
    flags, people = s.wanted(2), min(s.wanted(5), len(PEOPLE))
    spots = scatter(s, flags + people, _WIDE + 0.3, _PITCH, top)
    flags = flags * len(spots) // (flags + people)
    people = len(spots) - flags
    kinds = s.rng.permutation([index < flags for index in range(len(spots))])
    tints = s.some(FLAG_TINTS, 2)
    names, numbers = s.some(PEOPLE, people), s.some([str(n) for n in range(100, 1000)], people)
    shirts = s.some(_SHIRTS, 5)
    worn = []
    for (x, y), is_flag in zip(spots, kinds, strict=True):
        if is_flag:
            flag(s, x, y, s.one(tints))
        else:
            worn.append(numbers.pop())
            _person(s, x, y, names.pop(), worn[-1], s.one(shirts))
    _boards(s, top, worn)
    s("light", s.key(), float(s.rng.uniform(0.05, 0.18)))


def _square(s: Sketch, top: float) -> None:
    """Paving, and a wall behind with windows in which nothing is to be read."""
    u = s.unit
    stone = s.jitter(((178, 170, 156), (150, 150, 152), (186, 160, 132))[int(s.rng.integers(3))], 14)
    s("cloud", (0, round(top * 0.8), s.width, s.height), stone, shade(stone, 0.84), s.key(), 6)
    step = float(s.rng.uniform(9, 14)) * u
    for row in range(int((s.height - top) / step) + 1):
        y = round(top + row * step)
        s("glass", "line", (0, y, s.width, y), fill=(*shade(stone, 0.62), 120), width=max(round(u / 8), 1))
        for column in range(int(s.width / step) + 2):
            x = round((column - 0.5 * (row % 2)) * step)
            s(
                "glass",
                "line",
                (x, y, x, y + step),
                fill=(*shade(stone, 0.62), 120),
                width=max(round(u / 8), 1),
            )
    wall = s.jitter((170, 132, 104), 24)
    s("slope", (0, 0, s.width, round(top)), shade(wall, 1.1), shade(wall, 0.85))
    for column in range(int(s.width / (9 * u)) + 1):
        left = (column + 0.3) * 9 * u
        s.fill(
            (left, 1.2 * u, left + 4.5 * u, 8.2 * u),
            shade(wall, 0.5),
            outline=shade(wall, 1.35),
            width=max(round(u / 4), 1),
        )
    s.fill((0, top - 1.2 * u, s.width, top), shade(wall, 0.62))


def _person(s: Sketch, left: float, y: float, name: str, number: str, shirt: str) -> None:
    u, middle = s.unit, left + _WIDE / 2 * s.unit
    look = tuple(int(s.rng.integers(n)) for n in (len(_SKINS), len(_HAIR), len(_TROUSERS)))
    capped = s.rng.random() < 0.6
    s("glass", "ellipse", (left, y + 31.5 * u, left + _WIDE * u, y + 34.5 * u), fill=(0, 0, 0, 60))
    s.sprite(person, (PAINTS[shirt], look, round(_WIDE * u), round(_TALL * u)), left, y)
    parts = [
        s.plate("badge", middle, y + 10.8 * u, (name,), {"name": name}, least=7.0, rim=(90, 90, 96)),
        s.plate(
            "number",
            middle,
            y + 15.6 * u,
            (number,),
            {"number": number},
            big=1.5,
            pad=0.75,
            least=6.0,
            rim=(120, 30, 30),
        ),
    ]
    if capped:
        icon, cap = s.one(ICONS), s.one(("red", "blue", "green", "purple"))
        s(
            "draw",
            "pieslice",
            (middle - 3.6 * u, y - 0.6 * u, middle + 3.6 * u, y + 6 * u),
            180,
            360,
            fill=PAINTS[cap],
        )
        parts.append(
            s.plate("cap", middle, y + 1.3 * u, (), {"icon": icon}, icon=icon, pad=0.35, rim=None, radius=0.5)
        )
    s.mark("person", parts, shirt=shirt)


def _boards(s: Sketch, top: float, worn: list[str]) -> None:
    u, left = s.unit, float(s.rng.uniform(2, 10)) * s.unit
    colours = s.some(_BOARDS, len(_BOARDS))
    for colour, number in zip(colours, s.some(worn, len(colours)), strict=True):
        if left + 12 * u > s.width:
            return
        s.fill(
            (left, 1.4 * u, left + 11 * u, top - 1.8 * u),
            PAINTS[colour],
            outline=BLACK,
            width=max(round(u / 5), 1),
        )
        board = s.plate(
            "board at the top",
            left + 5.5 * u,
            top / 2 - 0.2 * u,
            (number,),
            {"number": number},
            paper=WHITE,
            pad=0.9,
            least=7.0,
            rim=None,
        )
        s.mark("board", (board,), board=colour)
        left += float(s.rng.uniform(14, max(15.0, s.width / u / 5))) * u


@sprites
def person(shirt: Colour, look: tuple[int, int, int], width: int, height: int) -> Image.Image:
    """Somebody who stands, seen from the front, as RGBA."""
    skin, hair, trousers = _SKINS[look[0]], _HAIR[look[1]], _TROUSERS[look[2]]

    def draw(d: ImageDraw.ImageDraw, k: float) -> None:
        u = width * k / _WIDE

        def box(x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
            return (x0 * u, y0 * u, x1 * u, y1 * u)

        d.rounded_rectangle(box(3.4, 19, 6.2, 32.6), radius=u, fill=trousers)
        d.rounded_rectangle(box(6.8, 19, 9.6, 32.6), radius=u, fill=shade(trousers, 0.85))
        d.ellipse(box(2.6, 31.4, 6.4, 33.6), fill=(36, 30, 28))
        d.ellipse(box(6.7, 31.4, 10.5, 33.6), fill=(30, 26, 24))
        for side, dark in ((0.4, 0.95), (10.2, 0.8)):
            d.rounded_rectangle(box(side, 8.8, side + 2.4, 18), radius=u, fill=shade(shirt, dark))
            d.ellipse(box(side, 17, side + 2.4, 19.6), fill=skin)
        d.rectangle(box(5.4, 6, 7.6, 9), fill=shade(skin, 0.88))
        d.rounded_rectangle(box(1.6, 8.2, 11.4, 21), radius=1.8 * u, fill=shirt)
        d.rounded_rectangle(box(9.6, 9, 11.4, 20.6), radius=u, fill=shade(shirt, 0.82))
        d.ellipse(box(3.3, 0.2, 9.7, 7.2), fill=hair)
        d.ellipse(box(3.8, 1.6, 9.2, 7.8), fill=skin)
        for x in (5.2, 7.2):
            d.ellipse(box(x, 4.2, x + 0.6, 5), fill=(30, 24, 24))
        d.arc(box(5.4, 4.6, 7.6, 6.6), 20, 160, fill=(150, 60, 60), width=max(round(0.25 * u), 1))

    return smooth(width, height, draw)

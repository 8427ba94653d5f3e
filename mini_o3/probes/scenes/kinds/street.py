"""A town on a hillside: terraces of houses with numbers, shop signs and emblems, and a road with cars before
each row."""

from __future__ import annotations

from mini_o3.probes.scenes.draw import Colour
from mini_o3.probes.scenes.icons import ICONS
from mini_o3.probes.scenes.kinds.houses import draw_door, draw_house, draw_window
from mini_o3.probes.scenes.kinds.traffic import road
from mini_o3.probes.scenes.questions import Family, Narrow, Via
from mini_o3.probes.scenes.sketch import BLACK, PAINTS, WHITE, Sketch, shade
from mini_o3.probes.scenes.words import ORDINALS, SHOPS

_HOUSE = (
    Narrow(),
    Narrow(("wall",), "(the walls are {wall})"),
    Narrow(("row",), "in the {row} row of houses from the top"),
)
FAMILIES = (
    Family(
        "number",
        "house",
        ("icon",),
        "number",
        "emblem above the door",
        "the house with the {icon} above its door",
        (
            "What is the number of the house {where} that has the {icon} above its door?",
            "Which house number stands beside the door {where} under the {icon}?",
        ),
        (
            Narrow(),
            Narrow(("wall",), "with {wall} walls"),
            Narrow(("row",), "in the {row} row of houses from the top"),
        ),
    ),
    Family(
        "shop",
        "house",
        ("number",),
        "shop",
        "number plate",
        "the shop sign of house number {number}",
        (
            "What does the sign over the shop at number {number} {where} read?",
            "What kind of shop {where} is at number {number}?",
        ),
        _HOUSE,
    ),
    Family(
        "address",
        "house",
        ("shop",),
        "number",
        "shop sign",
        "the number of the shop {shop}",
        (
            "At which house number {where} is the shop whose sign reads {shop}?",
            "What is the house number of {shop} {where}?",
        ),
        _HOUSE,
    ),
    Family(
        "plate",
        "car",
        ("icon",),
        "plate",
        "emblem on the door",
        "the {colour} car with the {icon} on its door",
        (
            "What is the licence plate of the {colour} car {where} with the {icon} on its door?",
            "Which plate does the {colour} car {where} that shows the {icon} have?",
        ),
        (Narrow(("colour",)), Narrow(("colour", "row"), "on the {row} road from the top")),
    ),
    Family(
        "poster",
        "house",
        ("number",),
        "shop",
        "number plate",
        "the shop at the house number under the {via_poster} balloon",
        (
            "What does the sign over the shop read whose house number hangs under the {via_poster} balloon?",
            "Under the {via_poster} balloon hangs a house number. What does the shop sign there read?",
        ),
        (Narrow(),),
        Via("poster", ("poster",), "number", "poster under a balloon"),
    ),
)
_WALLS: dict[str, Colour] = {
    "red": (176, 92, 76),
    "yellow": (226, 200, 128),
    "grey": (172, 172, 170),
    "blue": (138, 166, 196),
    "green": (150, 176, 140),
    "pink": (226, 172, 168),
}
_SIGNS: tuple[tuple[Colour, Colour], ...] = (
    ((30, 60, 52), WHITE),
    ((110, 26, 30), (250, 236, 200)),
    ((24, 36, 84), WHITE),
    ((246, 238, 214), (60, 30, 20)),
    (BLACK, (250, 214, 90)),
)


def lay_out(s: Sketch) -> None:
    u, sky = s.unit, 12.0 * s.unit
    horizon = s.jitter((206, 220, 232), 12)
    s("slope", (0, 0, s.width, s.height), shade(horizon, 0.82), horizon)
    rows = max(int((s.height - sky - 6 * u) / (62 * u)), 1)
    pitch = (s.height - sky) / rows
    count = min(s.wanted(4 if rows > 1 else 1), 140)
    numbers = s.some([str(n) for n in range(2, 200)], 198)
    cars = s.some(("red", "blue", "yellow", "white", "green"), 2 if s.scene.level == "easy" else 4)
    walls = s.some(tuple(_WALLS), 4)
    shown: list[str] = []
    for row in range(rows):
        ground = sky + (row + 1) * pitch - 15 * u
        _hill(s, sky + row * pitch, sky + (row + 1) * pitch, first=row == 0)
        shown += _houses(
            s, ORDINALS[min(row, 9)], sky + row * pitch, ground, numbers, walls, -(-count // rows)
        )
        road(s, ORDINALS[min(row, 9)], ground, sky + (row + 1) * pitch, cars)
    _posters(s, sky, shown)
    s("light", s.key(), float(s.rng.uniform(0.05, 0.2)))


def _hill(s: Sketch, top: float, bottom: float, first: bool) -> None:
    """Grass behind a row of houses, with trees on it; above the first row there is sky."""
    u, grass = s.unit, s.jitter((96, 128, 76), 16)
    ridge = top + (0.22 * (bottom - top) if first else 0.0)
    s("cloud", (0, round(ridge), s.width, round(bottom)), grass, shade(grass, 0.75), s.key(), 6)
    for _ in range(int(s.width / (14 * u))):
        x, wide = float(s.rng.uniform(0, s.width)), float(s.rng.uniform(5, 9)) * u
        y = ridge + 1.35 * wide + float(s.rng.uniform(0, 12)) * u  # below the road of the row above
        leaves = s.jitter((62, 104, 56), 20)
        s.fill((x - 0.5 * u, y - 2 * u, x + 0.5 * u, y + 3 * u), (92, 70, 50))
        s("draw", "ellipse", (x - wide / 2, y - wide, x + wide / 2, y), fill=leaves)
        s(
            "draw",
            "ellipse",
            (x - 0.4 * wide, y - 1.3 * wide, x + 0.3 * wide, y - 0.5 * wide),
            fill=shade(leaves, 1.12),
        )


def _houses(
    s: Sketch, row: str, top: float, ground: float, numbers: list[str], walls: list[str], count: int
) -> list[str]:
    """A row of houses; returns the numbers of those with a shop."""
    u, left = s.unit, float(s.rng.uniform(0, 4)) * s.unit
    shown: list[str] = []
    spare = max(s.width - count * 31 * u, 0.0) / max(count, 1)
    while True:
        wide = float(s.rng.uniform(26, 33)) * u
        if left + wide > s.width or not numbers:
            return shown
        wall, number = s.one(walls), numbers.pop()
        tall = min(float(s.rng.uniform(34, 44)) * u, ground - top - 9 * u)
        draw_house(s, left, ground - tall, left + wide, ground, s.jitter(_WALLS[wall], 10))
        door = left + (0.24 if s.rng.random() < 0.5 else 0.76) * wide
        draw_door(s, door, ground)
        other = left + wide - (door - left)
        middle = other - (0.03 * wide if other > door else -0.03 * wide)
        icon, shop, (paper, ink) = s.one(ICONS), s.one(SHOPS), _SIGNS[int(s.rng.integers(len(_SIGNS)))]
        draw_window(s, middle - 4.5 * u, ground - 10 * u, 9 * u, 8 * u, shop=True)
        side = 5.6 * u if other > door else -5.6 * u
        parts = [
            s.plate(
                "number plate",
                door + side,
                ground - 9.5 * u,
                (number,),
                {"number": number},
                paper=(34, 62, 140),
                ink=WHITE,
                rim=WHITE,
                pad=0.9,
                big=1.2,
                least=5.2,
                radius=0.5,
            ),
            s.plate(
                "emblem above the door",
                door,
                ground - 17.2 * u,
                (),
                {"icon": icon},
                icon=icon,
                big=1.4,
                pad=0.6,
                radius=1.0,
                rim=(70, 60, 40),
            ),
        ]
        if s.rng.random() < 0.75:
            parts.append(
                s.plate(
                    "shop sign",
                    (middle + left + wide / 2) / 2,
                    ground - 22 * u,
                    (shop,),
                    {"shop": shop},
                    paper=paper,
                    ink=ink,
                    rim=ink,
                    pad=0.85,
                    face=s.one(("sans", "serif")),
                )
            )
            shown.append(number)
        for y in range(2):
            for x in range(3):
                if ground - tall + (3 + 8 * y) * u + 6 * u < ground - 24.5 * u:
                    draw_window(
                        s, left + wide * (0.16 + 0.27 * x), ground - tall + (3 + 8 * y) * u, 4.4 * u, 5.6 * u
                    )
        s.mark("house", parts, row=row, wall=wall)
        left += wide + min(float(s.rng.uniform(0, 2)) * spare, 30 * u)


def _posters(s: Sketch, sky: float, numbers: list[str]) -> None:
    """Posters under balloons in the sky, each with a house number."""
    u, left = s.unit, float(s.rng.uniform(3, 12)) * s.unit
    colours = s.some(("red", "blue", "yellow", "green", "purple"), 5)
    for colour, number in zip(colours, s.some(numbers, 5) if numbers else (), strict=False):
        if left + 10 * u > s.width:
            return
        s(
            "draw",
            "ellipse",
            (left, 0.4 * u, left + 9 * u, 5.2 * u),
            fill=PAINTS[colour],
            outline=shade(PAINTS[colour], 0.7),
            width=2,
        )
        s(
            "draw",
            "line",
            (left + 4.5 * u, 5 * u, left + 4.5 * u, 7 * u),
            fill=BLACK,
            width=max(round(u / 6), 1),
        )
        text = f"No. {number}"
        poster = s.plate(
            "poster under a balloon",
            left + 4.5 * u,
            7.6 * u,
            (text,),
            {"number": number},
            pad=0.7,
            least=8.0,
            rim=PAINTS[colour],
        )
        s.mark("poster", (poster,), poster=colour)
        left += float(s.rng.uniform(14, max(15.0, s.width / u / 5))) * u

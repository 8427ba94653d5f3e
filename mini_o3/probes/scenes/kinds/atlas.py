"""A map: land and water, roads, places with a symbol and a name, summits with their height, a legend."""

from __future__ import annotations

from mini_o3.probes.scenes.kinds.terrain import frame, ground
from mini_o3.probes.scenes.questions import Family, Narrow, Via
from mini_o3.probes.scenes.sketch import BLACK, INKS, WHITE, Sketch
from mini_o3.probes.scenes.words import TOWNS

_OF_TINT = Narrow(("tint",))
FAMILIES = (
    Family(
        "place",
        "place",
        ("icon",),
        "town",
        "symbol",
        "the place with the {icon} on {tint}",
        (
            "What is the name of the place whose symbol is the {icon} on {tint}?",
            "Which place is marked with the {icon} on a {tint} square?",
        ),
        (_OF_TINT,),
    ),
    Family(
        "symbol",
        "place",
        ("town",),
        "icon",
        "name plate",
        "the symbol of {town}",
        ("Which symbol stands beside {town} {where}?", "What does the symbol of {town} {where} show?"),
        (Narrow(), Narrow(("tint",), "(a {tint} square)")),
    ),
    Family(
        "height",
        "summit",
        ("peak",),
        "metres",
        "summit",
        "the height of {peak}",
        ("How many metres high is {peak}?", "What height is given for the summit called {peak}?"),
    ),
    Family(
        "summit",
        "summit",
        ("metres",),
        "peak",
        "summit",
        "the summit of {metres} metres",
        ("Which summit is {metres} metres high?", "What is the name of the mountain of {metres} metres?"),
    ),
    Family(
        "legend",
        "place",
        ("icon",),
        "town",
        "symbol",
        "the place on {tint} whose symbol means {via_word}",
        (
            (
                "What is the name of the place on a {tint} square whose symbol stands for {via_word} in the"
                " legend?"
            ),
            "The legend explains the symbols. Which place on {tint} has the one for {via_word}?",
        ),
        (_OF_TINT,),
        Via("legend", (), "icon", "line of the legend", ("word",)),
    ),
)
_MEANINGS = {
    "star": "viewpoint",
    "heart": "hospital",
    "moon": "observatory",
    "sun": "lido",
    "fish": "fishery",
    "tree": "park",
    "house": "inn",
    "umbrella": "beach",
    "key": "castle",
    "anchor": "harbour",
    "bell": "chapel",
    "cup": "cafe",
    "lightning bolt": "power plant",
    "flower": "garden",
    "boat": "ferry",
    "crown": "palace",
    "mushroom": "woodland",
    "cat": "zoo",
    "diamond": "mine",
    "cross": "clinic",
}
_CELL, _PITCH = 17.0, 8.5  # of the places where names may stand, in units


def lay_out(s: Sketch) -> None:
    u = s.unit
    ground(s)
    frame(s)
    columns, rows = int((s.width - 2 * u) / (_CELL * u)), int((s.height - 2 * u) / (_PITCH * u))
    icons = s.some(tuple(_MEANINGS), 20)
    lines = min(5 if s.scene.level == "easy" else 8, rows - 1)
    # The legend takes the lower right corner: one cell wide, and as high as it must be.
    free = [
        (row, column)
        for row in range(rows)
        for column in range(columns)
        if column < columns - 1 or row < rows - lines
    ]
    peaks = min(s.wanted(1), len(free) // 3)
    places = min(s.wanted(3), len(free) - peaks, len(TOWNS) - peaks)
    names, tints = s.some(TOWNS, len(TOWNS)), s.some(("red", "blue", "green", "black", "purple"), 3)
    heights = s.some([str(n) for n in range(203, 2990, 3)], peaks)
    chosen = sorted(
        (free[index], order < peaks)
        for order, index in enumerate(s.rng.permutation(len(free))[: peaks + places])
    )
    for (row, column), is_peak in chosen:
        x = (1 + column * _CELL + float(s.rng.uniform(0, _CELL - 16))) * u
        y = (1 + (row + 0.5) * _PITCH + float(s.rng.uniform(-1.6, 1.6))) * u
        if is_peak:
            _summit(s, x, y, names.pop(), heights.pop())
        else:
            _place(s, x, y, names.pop(), s.one(icons), s.one(tints))
    _legend(s, icons[:lines], (s.width - (_CELL + 1) * u, s.height - (1 + lines * _PITCH * 0.62) * u))
    s("light", s.key(), float(s.rng.uniform(0.02, 0.1)))


def _place(s: Sketch, x: float, y: float, town: str, icon: str, tint: str) -> None:
    u = s.unit
    symbol = s.plate(
        "symbol",
        x + 2.4 * u,
        y,
        (),
        {"icon": icon},
        icon=icon,
        paper=INKS[tint],
        ink=WHITE,
        big=1.55,
        pad=0.85,
        radius=0.8,
        rim=WHITE,
    )
    label = s.plate(
        "name plate",
        x + 10.2 * u,
        y,
        (town,),
        {"town": town},
        pad=0.75,
        least=7.0,
        rim=None,
        face="serif",
        radius=0.5,
    )
    s.mark("place", (label, symbol), tint=tint)


def _summit(s: Sketch, x: float, y: float, peak: str, metres: str) -> None:
    u = s.unit
    s(
        "draw",
        "polygon",
        [(x + 1.6 * u, y - 1.6 * u), (x + 3.2 * u, y + 1.2 * u), (x, y + 1.2 * u)],
        fill=(110, 76, 48),
        outline=WHITE,
    )
    label = s.plate(
        "name plate",
        x + 9.4 * u,
        y,
        (peak, metres),
        {"peak": peak, "metres": metres},
        pad=0.6,
        least=7.0,
        rim=(120, 84, 54),
        face="serif",
        paper=(246, 238, 222),
    )
    s.mark("summit", (label,))


def _legend(s: Sketch, icons: list[str], corner: tuple[float, float]) -> None:
    u, (left, top) = s.unit, corner
    s.fill(
        (left, top - 0.4 * u, s.width - u, s.height - u),
        (250, 248, 240),
        outline=BLACK,
        width=max(round(u / 6), 1),
    )
    for index, icon in enumerate(icons):
        y = top + (index + 0.5) * _PITCH * 0.62 * u
        symbol = s.plate(
            "symbol of the legend",
            left + 2.6 * u,
            y,
            (),
            {"icon": icon},
            icon=icon,
            pad=0.5,
            big=1.4,
            rim=None,
        )
        word = s.plate(
            "word of the legend",
            left + 10.4 * u,
            y,
            (_MEANINGS[icon],),
            {"word": _MEANINGS[icon]},
            pad=0.5,
            least=10.0,
            rim=None,
            paper=(238, 236, 226),
        )
        s.mark("legend", (symbol, word))

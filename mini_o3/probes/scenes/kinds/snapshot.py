"""Photo mode: signs, flags and balloons small in a noisy photograph, with numbered sheets that point to
them."""

from __future__ import annotations

from dataclasses import replace

from mini_o3.probes.scenes.kinds.props import (
    BALLOON,
    FLAG,
    FLAG_TINTS,
    SIGN,
    SIGN_PAPERS,
    balloon,
    flag,
    scatter,
    sign,
)
from mini_o3.probes.scenes.questions import Family, Narrow, Via
from mini_o3.probes.scenes.sketch import Sketch

_SHEETS = {
    "pink": (248, 176, 206),
    "orange": (250, 186, 110),
    "turquoise": (130, 224, 216),
    "violet": (206, 176, 244),
}
FAMILIES = (
    FLAG,
    SIGN,
    BALLOON,
    replace(
        BALLOON,
        name="emblem",
        keys=("number",),
        ask="icon",
        goal="the {colour} balloon with the number {number}",
        wordings=(
            "What is shown on the {colour} balloon with the number {number}?",
            "Which emblem does the {colour} balloon with the number {number} show?",
        ),
    ),
    Family(
        "sheet",
        "balloon",
        ("number",),
        "icon",
        "balloon",
        "the {colour} balloon whose number is on the {via_sheet} sheet",
        (
            "Which emblem does the {colour} balloon show whose number is on the {via_sheet} sheet?",
            (
                "Read the number on the {via_sheet} sheet. What is shown on the {colour} balloon with that"
                " number?"
            ),
        ),
        (Narrow(("colour",)),),
        Via("sheet", ("sheet",), "number", "sheet"),
    ),
)


def lay_out(s: Sketch) -> None:
    """Needs photographs: `s.photos` must not be empty."""
    u = s.unit
    photo = s.photos[int(s.rng.integers(len(s.photos)))]
    s.scene.photo = photo.name
    share, place = float(s.rng.uniform(0.8, 1.0)), s.rng.random(2)
    s("photo", str(photo), share, (float(place[0]), float(place[1])), bool(s.rng.random() < 0.5))
    balloons, tints, papers = (
        s.some(("red", "blue", "green", "yellow", "purple", "orange"), 2),
        s.some(FLAG_TINTS, 2),
        s.some(SIGN_PAPERS, 2),
    )
    things = [("balloon", colour) for colour in balloons for _ in range(s.wanted(1))]
    if s.scene.level != "hard" or s.rng.random() < 0.5:
        things += [("flag", tint) for tint in tints for _ in range(s.wanted(1))]
    if s.scene.level != "hard" or len(things) < 80:
        things += [("sign", paper) for paper in papers for _ in range(s.wanted(1))]
    things += [("sheet", sheet) for sheet in s.some(tuple(_SHEETS), 3)]
    spots = scatter(s, len(things), 12.3, 19.5)
    numbers: list[str] = []
    later: list[tuple[float, float, str]] = []
    for index, (x, y) in zip(s.rng.permutation(len(things)), spots, strict=False):
        what, colour = things[index]
        if what == "sheet":
            later.append((x, y, colour))
            continue
        {"balloon": balloon, "flag": flag, "sign": sign}[what](s, x, y, colour)
        if what == "balloon":
            numbers.append(s.scene.parts[-2].facts["number"])
    for (x, y, sheet), number in zip(later, s.some(numbers, len(later)), strict=True):
        part = s.plate(
            "sheet",
            x + 6 * u,
            y + 9 * u,
            (number,),
            {"number": number},
            paper=_SHEETS[sheet],
            rim=None,
            pad=1.6,
            least=6.0,
            face="mono",
        )
        s.mark("sheet", (part,), sheet=sheet)
    s("light", s.key(), float(s.rng.uniform(0.05, 0.3)))

"""The wall of a control room: panels with gauges and charts, each with a name, a reading and a lamp; messages
above."""

from __future__ import annotations

import math

from mini_o3.probes.scenes.draw import Colour
from mini_o3.probes.scenes.questions import Family, Narrow, Via
from mini_o3.probes.scenes.sketch import BLACK, Sketch, shade
from mini_o3.probes.scenes.words import MACHINES, ORDINALS

_NARROW = (
    Narrow(),
    Narrow(("form",), "(it is a {form})"),
    Narrow(("row",), "in the {row} row from the top"),
    Narrow(("row", "form"), "(a {form} in the {row} row from the top)"),
)
FAMILIES = (
    Family(
        "reading",
        "panel",
        ("machine",),
        "value",
        "name plate",
        "the reading of {machine}",
        ("What value does the panel of {machine} {where} show?", "What is the reading of {machine} {where}?"),
        _NARROW,
    ),
    Family(
        "machine",
        "panel",
        ("value",),
        "machine",
        "reading",
        "the panel that reads {value}",
        (
            "Which machine's panel {where} reads {value}?",
            "On the panel of which machine {where} does the number {value} stand?",
        ),
        _NARROW,
    ),
    Family(
        "lamp",
        "panel",
        ("machine",),
        "lamp",
        "name plate",
        "the lamp of {machine}",
        (
            "What colour is the lamp on the panel of {machine} {where}?",
            "Which colour does the lamp of {machine} {where} have?",
        ),
        _NARROW,
    ),
    Family(
        "message",
        "panel",
        ("machine",),
        "value",
        "name plate",
        "the reading of the machine in the {via_strip} message",
        (
            "What value does the panel of the machine named in the {via_strip} message show {where}?",
            "The {via_strip} message at the top names a machine. What is its reading {where}?",
        ),
        _NARROW,
        Via("message", ("strip",), "machine", "message at the top"),
    ),
)
FORMS = ("gauge", "bar chart", "line chart", "tank")
_LAMPS: dict[str, Colour] = {
    "red": (235, 40, 40),
    "green": (30, 190, 70),
    "yellow": (245, 205, 40),
    "blue": (50, 110, 240),
    "white": (245, 245, 240),
}
_STRIPS: dict[str, Colour] = {
    "red": (150, 34, 34),
    "yellow": (206, 170, 40),
    "blue": (36, 76, 156),
    "green": (34, 116, 66),
    "grey": (96, 100, 108),
}
_WIDE, _TALL = 31.0, 26.0  # of a panel, in units


def lay_out(s: Sketch) -> None:
    u, top = s.unit, 7.0 * s.unit
    back = s.jitter(((26, 30, 38), (44, 48, 52), (206, 208, 206), (30, 40, 44))[int(s.rng.integers(4))], 6)
    s("cloud", (0, 0, s.width, s.height), back, shade(back, 0.9), s.key())
    columns, rows = (
        int((s.width - u) / (_WIDE * u)),
        min(int((s.height - top - u) / (_TALL * u)), len(ORDINALS)),
    )
    wide, tall = (s.width - u) / columns, (s.height - top - u) / rows
    machines = s.some([f"{name} {number}" for name in MACHINES for number in range(2, 10)], columns * rows)
    values = s.some([f"{n / 10:.1f}" for n in range(101, 1000)], columns * rows)
    # Small walls have few kinds of panels, so that enough of them look alike.
    forms = s.some(FORMS, 2 if s.scene.level == "easy" else 4)
    for row in range(rows):
        for column in range(columns):
            index = row * columns + column
            box = (
                0.7 * u + column * wide,
                top + row * tall,
                0.3 * u + (column + 1) * wide,
                top + (row + 1) * tall - 0.5 * u,
            )
            _panel(s, box, machines[index], values[index], s.one(forms), ORDINALS[row], back)
    _messages(s, machines[: columns * rows])
    s("light", s.key(), float(s.rng.uniform(0.05, 0.25)))


def _panel(
    s: Sketch,
    box: tuple[float, float, float, float],
    machine: str,
    value: str,
    form: str,
    row: str,
    back: Colour,
) -> None:
    u, (left, top, right, bottom) = s.unit, box
    steel = s.jitter((188, 192, 196) if sum(back) < 300 else (232, 232, 228), 10)
    s.fill(box, steel, radius=0.8 * u, outline=shade(steel, 0.55), width=max(round(u / 6), 1))
    for x, y in ((left + u, top + u), (right - u, top + u), (left + u, bottom - u), (right - u, bottom - u)):
        s("draw", "ellipse", (x - 0.4 * u, y - 0.4 * u, x + 0.4 * u, y + 0.4 * u), fill=shade(steel, 0.6))
    face = (left + 2.2 * u, top + 5.2 * u, right - 2.2 * u, bottom - 6.0 * u)
    s.fill(
        face,
        (16, 24, 30) if form in ("bar chart", "line chart") else (242, 240, 230),
        outline=shade(steel, 0.5),
        width=max(round(u / 6), 1),
    )
    {"gauge": _gauge, "bar chart": _bars, "line chart": _lines, "tank": _tank}[form](s, face)
    lamp = s.one(tuple(_LAMPS))
    middle = (left + right) / 2
    parts = [
        s.plate(
            "reading",
            middle - 3 * u,
            bottom - 3.2 * u,
            (value,),
            {"value": value},
            paper=(12, 26, 18),
            ink=(120, 250, 150),
            rim=BLACK,
            big=1.25,
            pad=0.9,
            face="mono",
        ),
        s.plate(
            "name plate",
            middle,
            top + 2.8 * u,
            (machine,),
            {"machine": machine},
            paper=(28, 30, 34),
            ink=(240, 240, 236),
            rim=None,
            pad=0.75,
            least=9.0,
        ),
        _lamp(s, right - 5.2 * u, bottom - 3.2 * u, lamp),
    ]
    s.mark("panel", parts, form=form, row=row)


def _lamp(s: Sketch, x: float, y: float, lamp: str) -> int:
    return s.plate(
        "lamp",
        x,
        y,
        (),
        {"lamp": lamp},
        icon="lamp",
        tint=_LAMPS[lamp],
        paper=(40, 42, 46),
        big=1.5,
        pad=0.9,
        radius=0.8,
        rim=BLACK,
    )


def _gauge(s: Sketch, face: tuple[float, float, float, float]) -> None:
    u, (left, top, right, bottom) = s.unit, face
    radius = min(right - left, 1.7 * (bottom - top)) / 2 - 0.6 * u
    x, y = (left + right) / 2, bottom - 1.2 * u
    radius = min(radius, y - top - 0.6 * u)
    box = (x - radius, y - radius, x + radius, y + radius)
    for start, end, colour in (
        (180, 270, (70, 170, 90)),
        (270, 325, (236, 190, 60)),
        (325, 360, (214, 60, 50)),
    ):
        s("draw", "arc", box, start, end, fill=colour, width=max(round(0.9 * u), 2))
    for tick in range(11):
        t = math.pi * (1 + tick / 10)
        points = [(x + k * radius * math.cos(t), y + k * radius * math.sin(t)) for k in (0.72, 0.84)]
        s("draw", "line", points, fill=BLACK, width=max(round(u / 6), 1))
    t = math.pi * (1 + float(s.rng.uniform(0.05, 0.95)))
    s(
        "draw",
        "line",
        (x, y, x + 0.8 * radius * math.cos(t), y + 0.8 * radius * math.sin(t)),
        fill=(190, 24, 24),
        width=max(round(0.35 * u), 2),
    )
    s("draw", "ellipse", (x - 0.7 * u, y - 0.7 * u, x + 0.7 * u, y + 0.7 * u), fill=(60, 60, 64))


def _bars(s: Sketch, face: tuple[float, float, float, float]) -> None:
    u, (left, top, right, bottom) = s.unit, face
    colour = s.jitter(((90, 190, 240), (250, 180, 70), (140, 220, 120))[int(s.rng.integers(3))], 16)
    count = int((right - left - 1.4 * u) / (2.2 * u))
    for index in range(count):
        x, tall = left + (0.8 + 2.2 * index) * u, float(s.rng.uniform(0.1, 0.92)) * (bottom - top)
        s.fill((x, bottom - tall, x + 1.5 * u, bottom - 0.3 * u), colour)


def _lines(s: Sketch, face: tuple[float, float, float, float]) -> None:
    u, (left, top, right, bottom) = s.unit, face
    for index in range(1, 5):
        y = top + index * (bottom - top) / 5
        s("draw", "line", (left + 0.4 * u, y, right - 0.4 * u, y), fill=(46, 66, 74), width=1)
    for colour in ((90, 230, 150), (250, 130, 110)):
        steps = s.rng.normal(0, 0.12, 25).cumsum()
        low, high = float(steps.min()), float(steps.max())
        points = [
            (
                left + (0.5 + index / 25) * 0.96 * (right - left) * 25 / 26,
                bottom - (0.12 + 0.74 * (value - low) / max(high - low, 0.1)) * (bottom - top),
            )
            for index, value in enumerate(steps)
        ]
        shift = points[0][0] - left - 0.6 * u
        s(
            "draw",
            "line",
            [(min(x - shift, right - 0.4 * u), y) for x, y in points],
            fill=colour,
            width=max(round(u / 4), 1),
            joint="curve",
        )


def _tank(s: Sketch, face: tuple[float, float, float, float]) -> None:
    u, (left, top, right, bottom) = s.unit, face
    x0, x1, level = left + 0.3 * (right - left), right - 0.3 * (right - left), float(s.rng.uniform(0.1, 0.9))
    s.fill(
        (x0, top + 0.8 * u, x1, bottom - 0.8 * u),
        (214, 222, 228),
        outline=(80, 84, 90),
        width=max(round(u / 5), 1),
    )
    surface = bottom - 0.8 * u - level * (bottom - top - 1.8 * u)
    s.fill((x0 + 0.3 * u, surface, x1 - 0.3 * u, bottom - u), s.jitter((60, 130, 210), 20))
    for index in range(5):
        y = top + (1.4 + index) * (bottom - top) / 6.5
        s("draw", "line", (x1 + 0.4 * u, y, x1 + 1.8 * u, y), fill=BLACK, width=max(round(u / 6), 1))


def _messages(s: Sketch, machines: list[str]) -> None:
    u, left, colours = s.unit, 1.0 * s.unit, s.some(tuple(_STRIPS), len(_STRIPS))
    wide = max(min((s.width - 2 * u) / len(colours), 40 * u), 24 * u)
    for colour, machine in zip(colours, s.some(machines, len(colours)), strict=True):
        if left + wide > s.width:
            return
        s.fill((left, 0.9 * u, left + wide - u, 6.1 * u), _STRIPS[colour], radius=0.8 * u)
        text = f"{s.one(('CHECK', 'STOP', 'START', 'WATCH'))} {machine}"
        part = s.plate(
            "message at the top",
            left + (wide - u) / 2,
            3.5 * u,
            (text,),
            {"machine": machine},
            rim=None,
            pad=0.7,
        )
        s.mark("message", (part,), strip=colour)
        left += wide

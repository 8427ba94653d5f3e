"""Charts of a report as small inline SVG: curve, histogram, bars, with error bars of one standard error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

_WIDTH, _HEIGHT = 460, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 12, 40
_INSET, _APART = 12, 20  # of a curve from the sides, and between the names on its axis
_ROW, _NAMES = 24, 170  # of horizontal bars, in pixels


class Point(NamedTuple):
    """One figure: its name, its value (None: not known) and its standard error (None: not known)."""

    name: str
    value: float | None
    error: float | None = None


def curve_chart(points: Sequence[Point], *, label: str, axis: str) -> str:
    """Shares 0..1 over numbers, to scale, joined by a line. `label` names the chart, `axis` what the numbers
    are; names that have no room are left out."""
    known = [(number, point) for number, point in enumerate(points) if point.value is not None]
    places = [float(point.name) for point in points]
    least, most = min(places, default=0.0), max(places, default=1.0)
    wide = _WIDTH - _LEFT - _RIGHT - 2 * _INSET

    def x(number: int) -> float:
        return _LEFT + _INSET + wide * ((places[number] - least) / (most - least) if most > least else 0.5)

    def y(share: float) -> float:
        return _TOP + (1 - min(max(share, 0.0), 1.0)) * (_HEIGHT - _TOP - _BOTTOM)

    marks = [_grid(y(share), f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)]
    line = " ".join(f"{x(number):.1f},{y(point.value or 0.0):.1f}" for number, point in known)
    marks.append(f'<polyline class="line" points="{line}"/>')
    for number, point in known:
        value = point.value or 0.0
        if point.error is not None:
            top, bottom = y(value + point.error), y(value - point.error)
            marks.append(f'<path class="error" d="M{x(number):.1f} {top:.1f}V{bottom:.1f}"/>')
        marks.append(
            f'<circle class="dot" cx="{x(number):.1f}" cy="{y(value):.1f}" r="3.5">{_title(point)}</circle>'
        )
    marks += [_name(at, points[number].name) for number, at in _with_room([x(n) for n in range(len(points))])]
    return _svg(label, axis, marks)


def reliability_chart(bins: Sequence[dict[str, Any]], *, label: str) -> str:
    """Share of right answers over confidence: dots as large as their bins are full, and the line on which a
    confidence means what it says."""
    wide, high = _WIDTH - _LEFT - _RIGHT - 2 * _INSET, _HEIGHT - _TOP - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return _LEFT + _INSET + x * wide, _TOP + (1 - y) * high

    marks = [_grid(place(0, share)[1], f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)]
    marks += [_name(place(share, 0)[0], f"{share:.0%}") for share in (0, 0.5, 1)]
    (x0, y0), (x1, y1) = place(0, 0), place(1, 1)
    marks.append(f'<path class="ideal" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>')
    most = max((part["n"] for part in bins), default=1)
    for part in bins:
        x, y = place(part["confidence"], part["accuracy"])
        radius = 3 + 7 * math.sqrt(part["n"] / most)
        told = f"{part['n']} answers: {part['confidence']:.0%} sure, {part['accuracy']:.0%} right"
        marks.append(
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"><title>{told}</title></circle>'
        )
    return _svg(label, "confidence", marks)


def histogram(points: Sequence[Point], *, label: str, axis: str) -> str:
    """Counts as upright bars."""
    most = max((point.value or 0.0 for point in points), default=0.0) or 1.0
    step = (_WIDTH - _LEFT - _RIGHT) / max(len(points), 1)
    high = _HEIGHT - _TOP - _BOTTOM
    marks = [_grid(_TOP + high * (1 - count / most), f"{count:g}") for count in _ticks(most)]
    every = -(-len(points) // 16)  # at most 16 names have room
    for number, point in enumerate(points):
        tall = high * (point.value or 0.0) / most
        left = _LEFT + step * number
        marks.append(
            f'<rect class="bar" x="{left + step * 0.1:.1f}" y="{_TOP + high - tall:.1f}"'
            f' width="{step * 0.8:.1f}" height="{tall:.1f}"><title>{escape(point.name)}:'
            f" {point.value or 0:g}</title></rect>"
        )
        if number % every == 0:
            marks.append(_name(left + step / 2, point.name))
    return _svg(label, axis, marks)


def _with_room(places: Sequence[float]) -> list[tuple[int, float]]:
    """Of rising places those whose names do not lie on each other, by their number; the last always."""
    found: list[tuple[int, float]] = []
    for number, at in enumerate(places):
        is_last = number == len(places) - 1
        if is_last or ((not found or at - found[-1][1] >= _APART) and places[-1] - at >= _APART):
            found.append((number, at))
    return found


def _ticks(most: float) -> list[float]:
    """Round counts from 0 to `most`, at most six of them."""
    size = 10 ** math.floor(math.log10(max(most, 1) / 5)) if most > 5 else 1
    step = next(size * factor for factor in (1, 2, 5, 10) if most / (size * factor) <= 5)
    return [step * n for n in range(int(most / step) + 1)]


def bar_chart(points: Sequence[Point], *, label: str) -> str:
    """Shares 0..1 as horizontal bars, a row each, with the figure at the end."""
    height, wide = _ROW * len(points) + 8, _WIDTH - _NAMES - 96
    marks = []
    for number, point in enumerate(points):
        middle = 4 + _ROW * (number + 0.5)
        value = point.value or 0.0
        name = point.name if len(point.name) <= 26 else point.name[:25] + "…"
        marks.append(
            f'<text x="{_NAMES - 8}" y="{middle:.1f}" class="row">{escape(name)}{_title(point)}</text>'
        )
        marks.append(
            f'<rect class="bar" x="{_NAMES}" y="{middle - 8:.1f}" width="{wide * value:.1f}" height="16"/>'
        )
        if point.error is not None and point.value is not None:
            ends = [_NAMES + wide * min(max(value + side * point.error, 0.0), 1.0) for side in (-1, 1)]
            marks.append(f'<path class="error" d="M{ends[0]:.1f} {middle:.1f}H{ends[1]:.1f}"/>')
        marks.append(
            f'<text x="{_NAMES + wide + 10}" y="{middle:.1f}" class="value">{escape(percent(point))}</text>'
        )
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(label)}">'
        f"<title>{escape(label)}</title>{''.join(marks)}</svg>"
    )


def percent(point: Point) -> str:
    """`80.2% ± 1.8`, or `not known`."""
    if point.value is None:
        return "not known"
    return f"{100 * point.value:.1f}%" + ("" if point.error is None else f" ± {100 * point.error:.1f}")


def _svg(label: str, axis: str, marks: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">'
        f"<title>{escape(label)}</title>{''.join(marks)}"
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 6}"'
        f' class="name">{escape(axis)}</text></svg>'
    )


def _grid(y: float, name: str) -> str:
    return (
        f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
        f'<text x="{_LEFT - 6}" y="{y:.1f}" class="row">{escape(name)}</text>'
    )


def _name(x: float, name: str) -> str:
    return f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 14}" class="name">{escape(name)}</text>'


def _title(point: Point) -> str:
    return f"<title>{escape(point.name)}: {escape(percent(point))}</title>"

"""Numbers over steps as a small inline SVG: one line per name, ticks at true round values, a legend below."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

Line = list[tuple[float, float]]  # (step, value), steps rising

_WIDTH, _HEIGHT = 460, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 10, 30
_TICKS = 5  # at most about so many on an axis


def line_chart(lines: Mapping[str, Line], *, label: str, is_share: bool = False) -> str:
    """The chart with its legend; colours come from the classes `c0`, `c1` ... of the page's style.

    Args:
        lines: name -> at least one point each.
        label: names the chart to who cannot see it.
        is_share: the values run from 0 to 1, and so does the axis.
    """
    points = [point for line in lines.values() for point in line if math.isfinite(point[1])]
    steps, values = [step for step, _ in points] or [0], [value for _, value in points] or [0.0]
    x_ticks = ticks(min(steps), max(steps), whole=True)
    y_ticks = ticks(0.0, 1.0) if is_share else ticks(min(values), max(values))
    left, right = min(x_ticks[0], min(steps)), max(x_ticks[-1], max(steps))
    low, high = y_ticks[0], y_ticks[-1]

    def x(step: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (step - left) / max(right - left, 1e-12)

    def y(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / max(high - low, 1e-12)

    marks = [
        f'<path class="grid" d="M{_LEFT} {y(tick):.1f}H{_WIDTH - _RIGHT}"/>'
        f'<text class="y" x="{_LEFT - 6}" y="{y(tick):.1f}">{_number(tick)}</text>'
        for tick in y_ticks
    ]
    marks += [
        f'<path class="grid" d="M{x(tick):.1f} {_HEIGHT - _BOTTOM}v4"/>'
        f'<text class="x" x="{x(tick):.1f}" y="{_HEIGHT - _BOTTOM + 17}">{_number(tick)}</text>'
        for tick in x_ticks
    ]
    for number, line in enumerate(lines.values()):
        known = [(x(step), y(value)) for step, value in line if math.isfinite(value)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in known)
        marks.append(f'<polyline class="line c{number}" points="{path}"/>')
        if len(known) <= 20:
            marks += [f'<circle class="dot c{number}" cx="{a:.1f}" cy="{b:.1f}" r="2.6"/>' for a, b in known]
    legend = "".join(
        f'<li class="c{number}">{escape(name)} <b>{_number(line[-1][1])}</b></li>'
        for number, (name, line) in enumerate(lines.items())
    )
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">'
        f'{"".join(marks)}</svg><ul class="legend">{legend}</ul>'
    )


def ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Round values from at most `low` to at least `high`, evenly apart; whole numbers stay within them."""
    if not high - low > 1e-12 * max(abs(low), abs(high)):  # alike, or apart by rounding only
        high = low + (abs(low) * 0.1 or 1.0)
        if whole:
            return [low]
    rough = (high - low) / _TICKS
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough * 0.999)
    if whole:
        step = max(1.0, step)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    else:
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    decimals = 1 - math.floor(math.log10(step))  # whatever the scale: learning rates are small
    return [round(number * step, decimals) for number in range(first, last + 1)]


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"

"""Where lines stand to each other: beside, above, in the same row, and how far apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mini_o3.policies.reader.match import value_of
from mini_o3.policies.reader.question import ORDINALS, Kind, Wanted
from mini_o3.policies.reader.seen import Reading

_AGAINST = 6.0  # by how much farther away a line seems in the direction in which it is not expected
_NUMERIC = (Kind.NUMBER, Kind.PRICE, Kind.PHONE, Kind.DATE)


def direction(wanted: Wanted, anchor: Reading) -> int:
    """Where what is asked for is expected: 1 below or right of what is named, -1 above or left, 0 anywhere.

    What a number or price belongs to is written above it or before it.
    """
    if wanted.above or wanted.below:
        return -1 if wanted.above else 1
    if wanted.kind in _NUMERIC:
        return 1
    is_number = value_of(anchor.text, Kind.NUMBER) or value_of(anchor.text, Kind.PRICE)
    return -1 if is_number and wanted.kind is Kind.NAME else 0


def distance(anchor: Reading, one: Reading, direction: int) -> float:
    """How far `one` is from `anchor`, in heights of a letter."""
    height = max(min(anchor.height, one.height), 1.0)
    gap_x = max(one.box[0] - anchor.box[2], anchor.box[0] - one.box[2], 0.0)
    gap_y = max(one.box[1] - anchor.box[3], anchor.box[1] - one.box[3], 0.0)
    dx, dy = one.centre[0] - anchor.centre[0], one.centre[1] - anchor.centre[1]
    cost = math.hypot(gap_x, gap_y) + 0.4 * min(abs(dx), abs(dy))
    if direction:
        along = dx if gap_y == 0 and gap_x > 0 else dy
        if along * direction < 0:
            cost = cost * _AGAINST + height
    return cost / height


def against(wanted: Wanted, anchor: Reading, one: Reading, lines: Sequence[Reading]) -> float:
    """What speaks against a pair: colours and rows that are not those of the question."""
    cost = 0.0
    for colour in wanted.colours:
        if colour in (one.paper, anchor.paper):
            continue
        cost += 2.0 if colour in one.around + anchor.around else 12.0
    if wanted.row is not None:
        rows, row = place_in_rows(wanted, anchor, one, lines)
        cost += 0.0 if row == (wanted.row if wanted.row >= 0 else rows - 1) else 30.0
    return cost


def place_in_rows(wanted: Wanted, anchor: Reading, one: Reading, lines: Sequence[Reading]) -> tuple[int, int]:
    """How many rows there are of what a number or price stands in, and in which of them a pair stands."""
    kind = wanted.kind if wanted.kind in _NUMERIC else Kind.NUMBER
    if value_of(anchor.text, Kind.PRICE):
        kind = Kind.PRICE
    of = next((x for x in (one, anchor) if value_of(x.text, kind)), one)
    like = [
        x
        for x in lines
        if value_of(x.text, kind)
        and 0.6 < x.height / max(of.height, 1) < 1.6
        and (kind is Kind.PRICE or x.paper == of.paper)
    ]
    levels = sorted({x.centre[1] for x in [*like, of]})
    starts = [levels[0]]
    before = levels[0]
    for level in levels[1:]:
        if level - before > 1.5 * of.height:
            starts.append(level)
        before = level
    return len(starts), sum(start <= of.centre[1] for start in starts) - 1


def row_name(wanted: Wanted, anchor: Reading, one: Reading, lines: Sequence[Reading]) -> str:
    _, row = place_in_rows(wanted, anchor, one, lines)
    number = ORDINALS[row] if row < len(ORDINALS) else f"{row + 1}th"
    return f"the {number} {wanted.asks_row} from the top"

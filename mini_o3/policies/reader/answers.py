"""The answer from what has been read: which line is named, which one beside it is asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mini_o3.policies.reader.blocks import around, block_of, joined
from mini_o3.policies.reader.layout import against, direction, distance, place_in_rows, row_name
from mini_o3.policies.reader.match import likeness, says, value_of
from mini_o3.policies.reader.ocr import Box
from mini_o3.policies.reader.question import Kind, Wanted
from mini_o3.policies.reader.seen import Reading

_READ = 0.6  # score from which on a line may be an answer
_FAR = 26.0  # heights of a letter between two lines that belong together, at most
_NEXT = 9.0  # the same of what stands above or below
_LARGE = 12.0  # height of a line in view pixels at which it is surely read
_HUGE, _CERTAIN = 24.0, 0.95  # height in view pixels and score of a line that need no second look
_FEW = 3  # lines in the whole picture among which a colour need not match, which is easily misnamed


@dataclass(frozen=True, slots=True)
class Found:
    """An answer.

    Attributes:
        text: in words.
        box: what it rests on, in pixels of the original.
        sure: whether nothing that has not been looked at yet could be a better one.
        why: one sentence for the thought.
        score: how sure the model is of the words, 0..1.
        large: whether they were so large in a view that looking closer would show nothing more.
    """

    text: str
    box: Box
    sure: bool
    why: str
    score: float = 1.0
    large: bool = False


def find(
    wanted: Wanted, readings: Sequence[Reading], size: tuple[int, int], complete: bool = False
) -> Found | None:
    """The best answer so far; None if there is none.

    Args:
        complete: everything was looked at, so that what is not there will not turn up.
    """
    read = [one for one in readings if one.score >= _READ and one.text and not (one.cut and not complete)]
    lines = whole_lines(read)
    found = _find(wanted, lines, size, complete)
    return _choose(wanted, found, lines, complete) if wanted.options else found


def whole_lines(readings: Sequence[Reading]) -> list[Reading]:
    """Words that the models found apart put together to the lines in which they stand."""
    lines: list[Reading] = []
    for one in sorted(readings, key=lambda reading: reading.box[0]):
        before = next((line for line in lines if _goes_on(line, one)), None)
        if before is None:
            lines.append(one)
            continue
        lines[lines.index(before)] = replace(
            before,
            text=f"{before.text} {one.text}",
            score=min(before.score, one.score),
            box=around((before, one)),
            letters=min(before.letters, one.letters),
            cut=before.cut or one.cut,
        )
    return lines


def _goes_on(line: Reading, one: Reading) -> bool:
    """Whether `one` is the next word of a line: as high, and a space away from it."""
    low, high = sorted((line.height, one.height))
    same_row = abs(line.centre[1] - one.centre[1]) < 0.4 * low
    return same_row and high < 1.6 * low and -0.5 * low < one.box[0] - line.box[2] < 0.6 * low


def named(wanted: Wanted, readings: Sequence[Reading]) -> list[Reading]:
    """The lines that the question names, the best match first."""
    lines = whole_lines([one for one in readings if one.score >= _READ and one.text])
    for text in wanted.anchors:
        scored = [(says(one.text, text), one) for one in lines]
        if fitting := [(score, one) for score, one in scored if score]:
            best = max(score for score, _ in fitting)
            return [one for score, one in fitting if score >= best - 0.1]
    return []


def _find(wanted: Wanted, lines: list[Reading], size: tuple[int, int], complete: bool) -> Found | None:
    if wanted.kind is Kind.OTHER:
        return None
    if wanted.kind in (Kind.PLACE, Kind.PRESENCE):
        return _place(wanted, named(wanted, lines), size)
    if wanted.lead is not None or wanted.anchors:
        pairs = (
            _led(wanted, lines) if wanted.lead is not None else [(one, 0.0) for one in named(wanted, lines)]
        )
        return _beside(wanted, pairs, lines, complete)
    return _alone(wanted, lines, size, complete)


def _place(wanted: Wanted, anchors: Sequence[Reading], size: tuple[int, int]) -> Found | None:
    if not anchors:
        return None
    one = max(anchors, key=lambda reading: (reading.clear, reading.score, reading.height))
    x, y = (centre / side for centre, side in zip(one.centre, size, strict=True))
    across = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
    down = "top" if y < 1 / 3 else "bottom" if y > 2 / 3 else ""
    where = f"at the {' '.join(filter(None, (down, across)))}" if across or down else "in the middle"
    text = "yes" if wanted.kind is Kind.PRESENCE else where
    sure = one.clear and one.letters >= _LARGE
    return Found(text, one.box, sure, f'"{one.text}" stands {where}.', one.score, _is_large(one))


def _beside(
    wanted: Wanted, pairs: Sequence[tuple[Reading, float]], lines: list[Reading], complete: bool
) -> Found | None:
    """What is asked for, beside one of the lines that are named; `pairs` has them with a malus each."""
    best: tuple[float, Reading, Reading, str] | None = None
    for anchor, malus in pairs:
        if wanted.label and (rest := _after(anchor.text, wanted.label)):
            return Found(rest, anchor.box, anchor.clear, f'I read "{anchor.text}".', anchor.score)
        for one in lines:
            value = value_of(one.text, wanted.kind)
            if value is None:
                continue
            if one is anchor:
                if wanted.kind not in (Kind.PRICE, Kind.PHONE, Kind.DATE, Kind.ADDRESS):
                    continue
                cost = 0.0
            else:
                cost = distance(anchor, one, direction(wanted, anchor))
            if cost > (_NEXT if wanted.above or wanted.below else _FAR):
                continue
            cost += malus + against(wanted, anchor, one, lines)
            if best is None or cost < best[0]:
                best = cost, anchor, one, value
    if best is None:
        return None
    cost, anchor, one, value = best
    if wanted.kind is Kind.WORDS:
        block = [line for line in block_of(one, lines) if line is not anchor]
        if (wanted.above or wanted.below) and anchor in block_of(one, lines):
            block = [one]  # of one thing the line next to the one that is named
        value, box = joined(block), around(block)
    else:
        box = one.box
    if wanted.asks_row:
        value = f"{row_name(wanted, anchor, one, lines)}, {value}"
    told = wanted.row is None and not wanted.asks_row
    sure = complete or (told and cost < 20 and all(x.clear and x.letters >= _LARGE for x in (anchor, one)))
    why = f'Beside "{anchor.text}" stands "{one.text}".'
    return Found(value, box, sure, why, one.score, _is_large(one))


def _after(text: str, label: str) -> str:
    """What follows a label on its own line, as in `ISBN 978-3-16-148410-0`."""
    head, _, rest = text.partition(" ")
    return rest.strip() if likeness(head.strip(":."), label) >= 0.9 else ""


def _led(wanted: Wanted, lines: Sequence[Reading]) -> list[tuple[Reading, float]]:
    """Lines that say what a line on the thing that leads on says, with what speaks against each."""
    assert wanted.lead is not None
    kind = Kind.NUMBER if wanted.lead.is_number else Kind.NAME
    found = []
    for lead in lines:
        said = value_of(lead.text, kind)
        if said is None or wanted.lead.colour not in (lead.paper, *lead.around):
            continue
        malus = 0.0 if lead.paper == wanted.lead.colour else 4.0
        for one in lines:
            if one is lead or distance(lead, one, 0) < 4:
                continue
            same = value_of(one.text, kind) == said if wanted.lead.is_number else says(said, one.text) >= 0.85
            if same and value_of(one.text, kind):
                found.append((one, malus))
    return found


def _alone(wanted: Wanted, lines: Sequence[Reading], size: tuple[int, int], complete: bool) -> Found | None:
    """What is asked for where the question names no text."""
    scored = []
    for one in lines:
        value = value_of(one.text, wanted.kind)
        if value is None:
            continue
        missed = [c for c in wanted.colours if c != one.paper]
        nowhere = [c for c in missed if c not in one.around]
        cost = len(missed) + 5.0 * (bool(nowhere) and len(nowhere) == len(wanted.colours)) + len(nowhere)
        x, y = one.centre[0] / size[0], one.centre[1] / size[1]
        inside = {"top": y < 0.5, "bottom": y > 0.5, "left": x < 0.5, "right": x > 0.5}
        cost += sum(3.0 for side in wanted.sides if not inside[side])
        if wanted.row is not None:
            rows, row = place_in_rows(wanted, one, one, lines)
            cost += 0.0 if row == (wanted.row if wanted.row >= 0 else rows - 1) else 6.0
        cost += 0.5 * (len(value) == 1)  # an ornament may look like a letter or a nought
        scored.append((cost, -_prominence(one), one, value))
    if not scored:
        return None
    scored.sort(key=lambda entry: entry[:2])
    cost, _, one, value = scored[0]
    if cost >= 5 and not (complete and len(lines) <= _FEW):
        return None  # the colour that is asked for is nowhere
    if wanted.symbol and sum(entry[0] <= cost for entry in scored) > 1:
        return None  # only the symbol tells which
    box = one.box
    if wanted.kind is Kind.WORDS:
        block = block_of(one, list(lines))
        value, box = joined(block), around(block)
    is_certain = one.clear and one.letters >= _LARGE and cost <= 1 and len(value) > 1
    sure = complete or (is_certain and wanted.row is None)
    return Found(value, box, sure, f'I read "{value}".', one.score, _is_large(one))


def _is_large(one: Reading) -> bool:
    return one.clear and one.score >= _CERTAIN and one.letters >= _HUGE


def _prominence(one: Reading) -> float:
    return one.height * math.sqrt(max(len(one.text), 1)) * one.score


def _choose(wanted: Wanted, found: Found | None, lines: Sequence[Reading], complete: bool) -> Found | None:
    """The letter of the option that says what was found, or else of the one that is written somewhere."""
    if found is not None:
        score, letter = max((likeness(found.text, text), letter) for letter, text in wanted.options)
        if score >= 0.7:
            return replace(found, text=letter)
    written = [
        (says(one.text, text), one.score, letter, one) for letter, text in wanted.options for one in lines
    ]
    best = max(written, key=lambda entry: entry[:2], default=None)
    if best is None or not best[0]:
        return None
    others = {letter for score, _, letter, _ in written if score >= best[0] - 0.05}
    if len(others) > 1 and not complete:
        return None
    one = best[3]
    return Found(
        best[2], one.box, complete, f'"{one.text}" is one of the choices.', one.score, _is_large(one)
    )

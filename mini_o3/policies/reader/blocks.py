"""Lines of text that stand together as a block, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Sequence

from mini_o3.policies.reader.ocr import Box
from mini_o3.policies.reader.seen import Reading


def block_of(one: Reading, lines: Sequence[Reading]) -> list[Reading]:
    """The lines that stand with a line on the same thing, from top to bottom."""
    block = [one]
    grew = True
    while grew:
        grew = False
        for line in lines:
            if line not in block and any(_adjoin(line, member) for member in block):
                block.append(line)
                grew = True
    words = [line for line in block if len(line.text) > 1]  # an emblem may look like a letter
    return in_order(words if any(len(line.text) > 2 for line in words) else block)


def _adjoin(line: Reading, member: Reading) -> bool:
    low, high = sorted((line.height, member.height))
    if high > 2.2 * low:
        return False
    gap_x = max(line.box[0] - member.box[2], member.box[0] - line.box[2])
    gap_y = max(line.box[1] - member.box[3], member.box[1] - line.box[3])
    if line.paper != member.paper:
        return gap_x < 0 and gap_y < 0.2 * low
    return (gap_x < 0 and gap_y < 0.9 * low) or (gap_y < -0.5 * low and gap_x < 1.2 * low)


def in_order(block: Sequence[Reading]) -> list[Reading]:
    """Line by line, each from left to right."""
    rows: list[list[Reading]] = []
    for line in sorted(block, key=lambda one: one.centre[1]):
        if rows and line.centre[1] - rows[-1][0].centre[1] < 0.5 * line.height:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda one: one.box[0])]


def joined(block: Sequence[Reading]) -> str:
    return " ".join(line.text for line in block)


def around(block: Sequence[Reading]) -> Box:
    return (
        min(line.box[0] for line in block),
        min(line.box[1] for line in block),
        max(line.box[2] for line in block),
        max(line.box[3] for line in block),
    )

"""Two evaluations as one page: what differs in making and outcome, and the tasks that flipped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from mini_o3.episode import Episode
from mini_o3.evaluate.metrics import Judged
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import write_text
from mini_o3.show.page import COLOURS, page_head
from mini_o3.vision import Rect, load_picture
from mini_o3.vision.draw import data_url

FLIPS = 60  # pairs on the page
_SIDE, _BUDGET = 900, 12_000_000  # longest side of a picture, and bytes of all of them


class Flip(NamedTuple):
    """A task that one evaluation has right and the other wrong: an episode of each that shows it."""

    before: Judged
    after: Judged

    @property
    def is_better(self) -> bool:
        return self.after.verdict.is_correct


def flips(first: Sequence[Judged], second: Sequence[Judged]) -> list[Flip]:
    """The tasks whose majority of judged samples changed sides, those that became wrong first."""
    sides = [_by_task(rows) for rows in (first, second)]
    found = []
    for task, before in sides[0].items():
        after = sides[1].get(task, [])
        if not after or _is_right(before) is _is_right(after):
            continue
        found.append(Flip(_one(before), _one(after)))
    return sorted(found, key=lambda flip: flip.is_better)


def write_diff(out: Path, names: tuple[str, str], lines: Sequence[str], found: Sequence[Flip]) -> str:
    """Write the page to `out` and return a line that says what is on it; `lines` say how the two compare."""
    room = _BUDGET
    parts = [
        page_head("Two evaluations", "report.css"),
        f"<header><h1>{escape(names[0])} and {escape(names[1])}</h1></header><main>",
        "<h2>What differs</h2>",
        *(f'<div class="act">{escape(line)}</div>' for line in lines),
        f"<h2>Tasks that flipped: {len(found)}</h2>",
        f"<p>{_extent(found)}</p>",
        '<div class="flips">',
    ]
    for flip in found[:FLIPS]:
        url = _picture(flip.before.episode.picture)
        url, room = (None, room) if url is None or len(url) > room else (url, room - len(url))
        expected = f"<br>expected: {escape(flip.before.episode.expected or '')}"
        parts.append(f"<h3>{escape(flip.before.episode.question)}{expected}</h3>")
        for name, row in zip(names, flip, strict=True):
            parts.append(_side(name, row, url))
    parts.append("</div></main></body></html>\n")
    write_text(out, "".join(parts))
    return f"{out}: {min(len(found), FLIPS)} of {len(found)} tasks that flipped"


def _extent(found: Sequence[Flip]) -> str:
    better = sum(flip.is_better for flip in found)
    shown = f", the first {FLIPS} are shown" if len(found) > FLIPS else ""
    return f"{len(found) - better} became wrong, {better} became right{shown}. Dotted: the evidence."


def _side(name: str, row: Judged, url: str | None) -> str:
    episode = row.episode
    state = "right" if row.verdict.is_correct else "wrong"
    said = "no answer" if episode.answer is None else f"answer: {episode.answer}"
    where = f"{Path(episode.picture).name}, sample {episode.seed}"
    facts = f"{where}, {episode.num_turns} turns, {episode.stop.value}"
    return (
        f'<div class="side {state}"><div class="meta">{escape(name)}</div>'
        f"<div><b>{escape(said)}</b> ({state})</div>"
        f'<div class="meta">{escape(facts)}</div>{_drawn(episode, url)}</div>'
    )


def _drawn(episode: Episode, url: str | None) -> str:
    if url is None:
        return '<div class="meta">The picture is not on this page.</div>'
    width, height = episode.size
    unit = max(width, height) / 1000
    boxes = [
        _box(turn.rect, COLOURS[number % len(COLOURS)], 3 * unit)
        for number, turn in enumerate(episode.turns)
        if turn.rect is not None
    ]
    if episode.evidence is not None:
        rect = episode.evidence.to_rect(Rect(0, 0, width, height))
        dots = f' stroke-dasharray="{2 * unit:.1f} {6 * unit:.1f}" stroke-linecap="round"'
        boxes += [_box(rect, "#000", 8 * unit), _box(rect, "#00e5ff", 5 * unit, dots)]
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="the picture with the search">'
        f'<image href="{url}" width="{width}" height="{height}"/>{"".join(boxes)}</svg>'
    )


def _box(rect: Rect, colour: str, wide: float, more: str = "") -> str:
    return (
        f'<rect x="{rect.left}" y="{rect.top}" width="{rect.width}" height="{rect.height}" fill="none"'
        f' stroke="{colour}" stroke-width="{wide:.1f}"{more}/>'
    )


def _picture(path: str) -> str | None:
    try:
        return data_url(load_picture(path).thumbnail(_SIDE), quality=75)
    except UserError:
        return None


def _by_task(rows: Sequence[Judged]) -> dict[str, list[Judged]]:
    found: dict[str, list[Judged]] = {}
    for row in rows:
        if row.verdict.is_judged:
            found.setdefault(row.task.id, []).append(row)
    return found


def _is_right(rows: Sequence[Judged]) -> bool:
    return 2 * sum(row.verdict.is_correct for row in rows) > len(rows)


def _one(rows: Sequence[Judged]) -> Judged:
    """The first sample that stands for the majority."""
    right = _is_right(rows)
    return next((row for row in rows if row.verdict.is_correct is right), rows[0])

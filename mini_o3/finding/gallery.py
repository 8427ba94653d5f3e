"""The contact sheet of a search: a tile for each picture, the best first; a click opens its search.

Nothing is loaded from a network and no script runs; what models and people wrote is escaped.
"""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Sequence
from html import escape
from pathlib import Path

from PIL import Image

from mini_o3.episode import Episode
from mini_o3.finding.query import STATUSES
from mini_o3.finding.result import Result
from mini_o3.kit.files import write_atomically, write_text
from mini_o3.show.page import episode_page, page_head
from mini_o3.vision import Picture, Rect

PAGE = "index.html"
FOLDER = "searches"  # the page and the small pictures of each search, under its key
MOST = 2000  # tiles on a sheet
_SIDE = 320  # longest side of a small picture, in pixels
_NAMES = 3  # copies that are named on a tile
_WORDS = {
    "found": "found",
    "gave_up": "given up",
    "stopped": "stopped",
    "not_found": "not found",
    "failed": "failed",
}


def write_search(folder: Path, episode: Episode, picture: Picture, *, page: bool) -> None:
    """Keep what the sheet needs of a search while its picture is in memory; with `page` also its own page."""
    place = folder / FOLDER
    _save(picture.thumbnail(_SIDE), place / f"{episode.task_id}.jpg")
    if episode.evidence is not None and episode.evidence.area < 1:
        box = episode.evidence.to_rect(Rect(0, 0, *picture.size))
        _save(picture.thumbnail(_SIDE, box), place / f"{episode.task_id}.crop.jpg")
    if page:
        write_text(place / f"{episode.task_id}.html", episode_page(episode, picture))


def write_gallery(folder: Path, query: str, results: Sequence[Result], facts: Sequence[str]) -> Path:
    """Write the sheet; `facts` are lines about the whole search. Returns its path."""
    copies: dict[str, list[str]] = defaultdict(list)
    for result in results:
        if result.copy_of is not None:
            copies[result.key].append(result.picture)
    searched = [result for result in results if result.copy_of is None]
    shown = searched[:MOST]
    counts = Counter(result.status for result in results)
    kinds = [status for status in STATUSES if counts[status]]
    more = (
        [] if len(shown) == len(searched) else [f"the first {MOST:,} searches are shown; hits.jsonl has all"]
    )
    path = folder / PAGE
    write_text(
        path,
        "".join(
            (
                page_head(f"find: {query}", "gallery.css"),
                f"<header><h1>{escape(query)}</h1>",
                *(f'<div class="meta">{escape(fact)}</div>' for fact in [*facts, *more]),
                "</header>",
                *(_filter(kind, f"{_WORDS[kind]} ({counts[kind]})") for kind in kinds),
                '<main class="sheet">',
                *(_tile(folder, result, copies[result.key] if result.key else []) for result in shown),
                "</main></body></html>\n",
            )
        ),
    )
    return path


def _filter(kind: str, words: str) -> str:
    """A box that shows or hides a kind of results by the style sheet alone."""
    return (
        f'<input type="checkbox" class="show" id="show-{kind}" checked>'
        f'<label for="show-{kind}" class="{kind}">{escape(words)}</label>'
    )


def _tile(folder: Path, result: Result, copies: Sequence[str]) -> str:
    place = folder / FOLDER
    page = place / f"{result.key}.html"
    name = result.picture.rpartition("/")[2]
    sure = "" if result.confidence is None else f" · {result.confidence:.0%} sure"
    lines = [f'<b class="{result.status}">{_WORDS[result.status]}</b>{sure}']
    if result.answer:
        lines.append(f'<div class="answer">{escape(_cut(result.answer, 200))}</div>')
    if result.error:
        lines.append(f'<div class="error">{escape(_cut(result.error, 300))}</div>')
    lines.append(f'<div class="name" title="{escape(result.picture)}">{escape(name)}</div>')
    if copies:
        rest = f" and {len(copies) - _NAMES} more" if len(copies) > _NAMES else ""
        names = ", ".join(one.rpartition("/")[2] for one in copies[:_NAMES])
        lines.append(f'<div class="name">also: {escape(names + rest)}</div>')
    crop = _image(place / f"{result.key}.crop.jpg", "what the answer rests on") if result.is_found else ""
    content = (
        f'<div class="views">{_picture(place, result)}{crop}</div><div class="words">{"".join(lines)}</div>'
    )
    kind = f'class="tile {result.status}" id="n{result.rank}"'
    if result.key and page.exists():
        return f'<a {kind} href="{FOLDER}/{result.key}.html">{content}</a>'
    return f"<div {kind}>{content}</div>"


def _picture(place: Path, result: Result) -> str:
    """The small picture with the box of the evidence on it."""
    url = _url(place / f"{result.key}.jpg") if result.key else None
    if url is None:
        return '<div class="none">no picture</div>'
    width, height = result.size
    box, mark = result.box, ""
    if box is not None:
        mark = f'<rect x="{box.left}" y="{box.top}" width="{box.width}" height="{box.height}"/>'
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(result.picture)}">'
        f'<image href="{url}" width="{width}" height="{height}" preserveAspectRatio="none"/>{mark}</svg>'
    )


def _image(path: Path, words: str) -> str:
    url = _url(path)
    return "" if url is None else f'<img alt="{escape(words)}" src="{url}">'


def _url(path: Path) -> str | None:
    try:
        return f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}"
    except OSError:
        return None


def _save(picture: Image.Image, path: Path) -> None:
    write_atomically(path, lambda part: picture.convert("RGB").save(part, "JPEG", quality=78))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}..."

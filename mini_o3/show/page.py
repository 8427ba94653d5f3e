"""An episode as one self-contained HTML page: the picture with numbered boxes, and its turns beside it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from pathlib import Path

from PIL import Image

from mini_o3.episode import Episode, Turn
from mini_o3.protocol import Answer, Malformed, Zoom, source_name
from mini_o3.show.terminal import verdict_lines
from mini_o3.vision import Picture, Rect, Region, held
from mini_o3.vision.draw import data_url

COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#f032e6")
_OVERVIEW, _CROP = 1600, 360  # longest sides in pixels

_ASSETS = Path(__file__).parent / "assets"


def asset(name: str) -> str:
    """A file of `show/assets`: markup, style or script."""
    return (_ASSETS / name).read_text(encoding="utf-8")


def page_head(title: str, style: str, script: str = "", *, beside: bool = False) -> str:
    """A page up to its body. Its Content-Security-Policy lets it load nothing and run only its own script.

    Args:
        style: name of the style sheet that it has besides `base.css`.
        script: text of the one script that it has; empty for none.
        beside: it may show pictures that lie beside it on the same disk or server.
    """
    pictures = "data: 'self' file:" if beside else "data:"
    policy = f"default-src 'none'; img-src {pictures}; style-src 'unsafe-inline'"
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy += f"; script-src 'sha256-{digest}'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{escape(title)}</title><style>{asset('base.css')}{asset(style)}</style></head><body>"
    )


def episode_page(episode: Episode, picture: Picture | Image.Image) -> str:
    """The page; `picture` is the upright original."""
    picture = held(picture)
    verdict = "".join(f"<div>{escape(line)}</div>" for line in verdict_lines(episode))
    state = "verdict" if episode.answer is not None else "verdict none"
    expected = f" · expected: {escape(episode.expected)}" if episode.expected is not None else ""
    return "".join(
        (
            page_head(episode.question, "episode.css"),
            f"<header><h1>{escape(episode.question)}</h1>",
            (
                f'<div class="meta">{escape(", ".join(episode.pictures))} ·'
                f" {episode.size[0]} x {episode.size[1]} px · "
                f"{escape(episode.policy)} · {episode.num_turns} turns{expected}</div>"
            ),
            f'<div class="{state}">{verdict}</div></header><main><div class="picture">',
            _boxes(episode, picture),
            '</div><div class="turns">',
            *(_card(number, turn, picture, episode) for number, turn in enumerate(episode.turns, start=1)),
            "</div></main></body></html>\n",
        )
    )


def _boxes(episode: Episode, picture: Picture) -> str:
    """The overview with the outline of every zoom, in view-box units of the original's pixels."""
    width, height = episode.size
    unit = max(width, height) / 1000
    marks = []
    rects = [(n, turn.rect) for n, turn in enumerate(episode.turns, start=1) if turn.rect is not None]
    for number, rect in _widest_first(rects):
        colour = COLOURS[(number - 1) % len(COLOURS)]
        radius = 12 * unit
        x = min(max(rect.left, radius), width - radius)
        y = min(max(rect.top, radius), height - radius)
        marks.append(
            f'<g class="box" data-turn="{number}"><rect x="{rect.left}" y="{rect.top}" width="{rect.width}"'
            f' height="{rect.height}" fill="none" stroke="{colour}" stroke-width="{3 * unit:.1f}"/><circle'
            f' cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}"/><text x="{x:.1f}" y="{y:.1f}"'
            f' fill="#fff" font-size="{15 * unit:.1f}" font-weight="700" font-family="sans-serif"'
            f' text-anchor="middle" dominant-baseline="central">{number}</text></g>'
        )
    image = data_url(picture.thumbnail(_OVERVIEW))
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="the picture with numbered boxes">'
        f'<image href="{image}" width="{width}" height="{height}"/>{"".join(marks)}</svg>'
    )


def _widest_first(rects: Sequence[tuple[int, Rect]]) -> list[tuple[int, Rect]]:
    return sorted(rects, key=lambda item: -item[1].width * item[1].height)


def zoom_words(action: Zoom, pictures: int = 1) -> str:
    """`[0.1, 0.2, 0.3, 0.4] of observation_1`."""
    box = ", ".join(f"{value:.3g}" for value in action.region.xyxy)
    return f"[{box}] of {source_name(action.region.frame, pictures)}"


def _card(number: int, turn: Turn, picture: Picture, episode: Episode) -> str:
    lines, action = [f'<span class="n">{number}</span>'], turn.action
    if turn.thought:
        lines.append(f'<span class="thought">{escape(turn.thought)}</span>')
    crop = ""
    if isinstance(action, Malformed):
        lines.append(f'<div class="act bad">{action.kind.value}: {escape(action.detail)}</div>')
        lines.append(f'<div class="act">{escape(turn.text)}</div>')
    elif isinstance(action, Answer):
        lines.append(f'<div class="act">answer: <b>{escape(action.text)}</b></div>')
    else:
        lines.append(f'<div class="act">zoom {zoom_words(action, episode.first_views)}</div>')
    if turn.rect is not None and turn.shown is not None:
        rect = turn.rect
        region = Region.of_rect(rect, picture.size)
        lines.append(
            f'<div class="act">observation_{turn.observation}: {rect.width} x {rect.height} px at'
            f" ({rect.left}, {rect.top}), {region.area:.2%} of the picture, shown as {turn.shown[0]} x"
            f" {turn.shown[1]}</div>"
        )
        crop = f'<img alt="observation {turn.observation}" src="{data_url(picture.thumbnail(_CROP, rect))}">'
    colour = COLOURS[(number - 1) % len(COLOURS)] if turn.rect is not None else "#777"
    return f'<div class="turn" style="--c: {colour}">{"".join(lines)}{crop}</div>'

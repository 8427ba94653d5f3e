"""A sheet of examples: pictures with their target boxes, the question and the answer below each."""

from __future__ import annotations

import hashlib
import textwrap
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from mini_o3.episode import SearchTask
from mini_o3.kit.files import write_atomically
from mini_o3.vision.draw import shrink

_SIDE, _GAP, _COLUMNS = 320, 12, 4  # pixels, pixels, pictures in a row
_LINES, _LINE, _WIDTH = 9, 15, 50  # lines of text below a picture, pixels of one, characters in one
_LEAST = 12  # pixels; a smaller box is drawn that large, or nobody would see it
_INK = "#e6194b"


class Sheet:
    """At most `count` tasks, drawn evenly from however many are offered; the same tasks always give the same
    sheet."""

    def __init__(self, count: int = 24) -> None:
        self.count = count
        self.kept: list[tuple[str, Image.Image]] = []  # by a hash of the task, smallest first

    def wants(self, task: SearchTask) -> bool:
        """Whether this task would be among the chosen ones if no other came."""
        return len(self.kept) < self.count or _rank(task) < self.kept[-1][0]

    def add(self, task: SearchTask, picture: Image.Image) -> None:
        """Add a task with its upright picture; one that was chosen before may have to go."""
        self.kept.append((_rank(task), _cell(task, picture)))
        self.kept = sorted(self.kept, key=lambda item: item[0])[: self.count]

    def image(self) -> Image.Image:
        columns = min(_COLUMNS, max(len(self.kept), 1))
        rows = max(-(-len(self.kept) // columns), 1)
        width, height = _SIDE + _GAP, _SIDE + _LINES * _LINE + 2 * _GAP
        sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), "white")
        for i, (_, cell) in enumerate(self.kept):
            sheet.paste(cell, (_GAP + i % columns * width, _GAP + i // columns * height))
        return sheet

    def save(self, path: Path) -> None:
        image = self.image()
        write_atomically(path, lambda part: image.save(part, "JPEG", quality=88))


def _cell(task: SearchTask, picture: Image.Image) -> Image.Image:
    small = shrink(picture, _SIDE).copy()
    draw = ImageDraw.Draw(small)
    for region in task.targets:
        (cx, cy), (x0, y0, x1, y1) = region.centre, region.xyxy
        half_w = max((x1 - x0) * small.width, _LEAST) / 2
        half_h = max((y1 - y0) * small.height, _LEAST) / 2
        x, y = cx * small.width, cy * small.height
        draw.rectangle(
            (x - half_w - 1, y - half_h - 1, x + half_w + 1, y + half_h + 1), outline="white", width=4
        )
        draw.rectangle((x - half_w, y - half_h, x + half_w, y + half_h), outline=_INK, width=2)
    cell = Image.new("RGB", (_SIDE, _SIDE + _LINES * _LINE + _GAP), "white")
    cell.paste(small, ((_SIDE - small.width) // 2, (_SIDE - small.height) // 2))
    answer = "no answer given" if task.answer is None else f"= {task.answer}"
    lines = [part for line in task.asked.split("\n") for part in textwrap.wrap(line, _WIDTH)]
    if len(lines) >= _LINES:
        lines = [*lines[: _LINES - 2], "..."]
    text = "\n".join([*lines, textwrap.shorten(answer, _WIDTH, placeholder="...")])
    ImageDraw.Draw(cell).multiline_text(
        (0, _SIDE + 4), text, fill="black", font=ImageFont.load_default(12), spacing=2
    )
    return cell


def _rank(task: SearchTask) -> str:
    return hashlib.sha256(f"{task.id}{task.name}".encode()).hexdigest()

"""Several pictures on one canvas, so that whatever searches a picture searches them all.

Each lies on it at full resolution, in a cell as large as the largest, row by row. A rectangle of the canvas
is a rectangle of the picture that it lies in, so records, metrics and pages need to know nothing else.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from mini_o3.vision.base import Picture
from mini_o3.vision.load import load_picture
from mini_o3.vision.region import Rect

SHOWN = 8  # pictures whose first views are all shown; of more there is a contact sheet
SHEET = (
    "The picture is a contact sheet of {count} pictures, numbered 1 to {count} in their upper left corners,"
    " from left to right and from top to bottom."
)
_BETWEEN = 0.02  # of a cell's longer side, between two cells
_GREY = (236, 236, 236)
_LABEL = 16  # pixels of a number on a view


class Album(Picture):
    """Several pictures as one.

    Attributes:
        pictures: the pictures, in their order.
        places: the rectangle of the canvas that each covers.
    """

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self.pictures = tuple(pictures)
        self.size, self.places = lay_out([picture.size for picture in pictures])
        self.note = "; ".join(dict.fromkeys(picture.note for picture in pictures if picture.note))

    def part(self, rect: Rect, size: tuple[int, int]) -> Image.Image:
        seen = [
            (number, inside) for number, place in enumerate(self.places) if (inside := _shared(rect, place))
        ]
        if len(seen) == 1 and seen[0][1] == rect:
            number = seen[0][0]
            return self.pictures[number].part(_moved(rect, self.places[number]), size)
        out = Image.new("RGB", size, _GREY)
        across, down = size[0] / rect.width, size[1] / rect.height
        for number, inside in seen:
            left, top = round((inside.left - rect.left) * across), round((inside.top - rect.top) * down)
            right = max(round((inside.right - rect.left) * across), left + 1)
            bottom = max(round((inside.bottom - rect.top) * down), top + 1)
            own = _moved(inside, self.places[number])
            out.paste(self.pictures[number].part(own, (right - left, bottom - top)), (left, top))
            _number(out, number + 1, (left, top))
        return out


def load_pictures(paths: Sequence[str | os.PathLike[str]]) -> Picture:
    """The picture of a question, or of several the canvas with them all.

    Raises:
        UserError: as `load_picture`.
    """
    return load_picture(paths[0]) if len(paths) == 1 else Album([load_picture(path) for path in paths])


def lay_out(sizes: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], tuple[Rect, ...]]:
    """The (width, height) of a canvas for pictures of these sizes, and their places on it."""
    width, height = max(size[0] for size in sizes), max(size[1] for size in sizes)
    gap = max(round(_BETWEEN * max(width, height)), 1)
    columns = min(max(round(math.sqrt(len(sizes) * (height + gap) / (width + gap))), 1), len(sizes))
    places = []
    for number, (wide, high) in enumerate(sizes):
        row, column = divmod(number, columns)
        left, top = column * (width + gap), row * (height + gap)
        places.append(Rect(left, top, left + wide, top + high))
    rows = -(-len(sizes) // columns)
    return (columns * (width + gap) - gap, rows * (height + gap) - gap), tuple(places)


def locate(places: Sequence[Rect], rect: Rect) -> tuple[int, Rect] | None:
    """The number (from 0) of the picture that a rectangle of the canvas lies in, and the rectangle in its own
    pixels; None if it lies in none, or in several."""
    seen = _overlaps(places, rect)
    if len(seen) != 1:
        return None
    number, inside = seen[0]
    return number, _moved(inside, places[number])


def _overlaps(places: Sequence[Rect], rect: Rect) -> list[tuple[int, Rect]]:
    """What a rectangle of the canvas covers of each picture, on the canvas."""
    return [(number, inside) for number, place in enumerate(places) if (inside := _shared(rect, place))]


def _shared(one: Rect, other: Rect) -> Rect | None:
    both = Rect(
        max(one.left, other.left),
        max(one.top, other.top),
        min(one.right, other.right),
        min(one.bottom, other.bottom),
    )
    return both if both.width > 0 and both.height > 0 else None


def _moved(rect: Rect, place: Rect) -> Rect:
    """A rectangle of the canvas in pixels of the picture at `place`."""
    return Rect(
        rect.left - place.left, rect.top - place.top, rect.right - place.left, rect.bottom - place.top
    )


def _number(view: Image.Image, number: int, corner: tuple[int, int]) -> None:
    draw, font = ImageDraw.Draw(view), ImageFont.load_default(size=_LABEL)
    right, bottom = draw.textbbox(corner, str(number), font=font)[2:]
    draw.rectangle((corner[0], corner[1], right + 4, bottom + 4), fill="white")
    draw.text((corner[0] + 2, corner[1]), str(number), font=font, fill="black")

"""A clip as one picture: frames in order of time, each with its seconds above it, at their full resolution.

So whoever can search a picture can search a clip: the first view is the clip at a glance, a zoom into a frame
shows it as it is, and a rectangle of the sheet is a time and a rectangle of a frame.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import open_file
from mini_o3.vision.region import Rect
from mini_o3.vision.video import Clip, frames_at, open_clip, spread_frames

COUNT = 16  # frames of a clip at a glance (VideoSeek's overview, arXiv 2603.20185)
PIXELS = 100_000_000  # of a sheet; frames of a larger one are scaled down
HINT = (
    "The picture is a contact sheet of a video: its frames in order of time, from left to right and from top"
    " to bottom, each with its time in seconds above it."
)
_SHEET = "film"  # key of `Image.info`
_WIDER = 1.4  # a sheet is so many times wider than high
_CAPTION = 9  # a caption is a ninth as high as its frame


class Located(NamedTuple):
    """Where in a clip a rectangle of its sheet lies.

    Attributes:
        times: seconds of the first and the last frame that it covers most of or that cover most of it.
        box: the rectangle in pixels of the one frame; None if they are several.
    """

    times: tuple[float, float]
    box: Rect | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """How frames lie on a sheet.

    Attributes:
        times: seconds of the frames, in order.
        columns: frames in a row.
        cell: (width, height) of a frame on the sheet, in pixels.
        frame: (width, height) of a frame of the clip, upright.
        caption: height of the caption above a frame, in pixels.
    """

    times: tuple[float, ...]
    columns: int
    cell: tuple[int, int]
    frame: tuple[int, int]
    caption: int

    def place(self, number: int) -> Rect:
        """Where a frame lies, without its caption."""
        row, column = divmod(number, self.columns)
        width, height = self.cell
        left, top = column * width, row * (height + self.caption) + self.caption
        return Rect(left, top, left + width, top + height)

    def locate(self, rect: Rect) -> Located:
        """What a rectangle of the sheet means in the clip."""
        shares = [_overlap(rect, self._with_caption(number)) for number in range(len(self.times))]
        seen = [number for number, share in enumerate(shares) if share >= max(shares) / 2]
        times = self.times[seen[0]], self.times[seen[-1]]
        if len(seen) > 1:
            return Located(times, None)
        place = self.place(seen[0])
        across, down = self.frame[0] / self.cell[0], self.frame[1] / self.cell[1]
        box = Rect(
            round((max(rect.left, place.left) - place.left) * across),
            round((max(rect.top, place.top) - place.top) * down),
            round((min(rect.right, place.right) - place.left) * across),
            round((min(rect.bottom, place.bottom) - place.top) * down),
        )
        return Located(times, box if box.width > 0 and box.height > 0 else Rect(0, 0, *self.frame))

    def _with_caption(self, number: int) -> Rect:
        left, top, right, bottom = self.place(number)
        return Rect(left, top - self.caption, right, bottom)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, for the `meta` of a record."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Sheet:
        """Read what `to_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        (cell_w, cell_h), (width, height) = data["cell"], data["frame"]
        times = tuple(float(time) for time in data["times"])
        return cls(times, int(data["columns"]), (cell_w, cell_h), (width, height), int(data["caption"]))


def sheet_of(picture: Image.Image) -> Sheet | None:
    """How frames lie on an opened picture, if it is the sheet of a clip."""
    found = picture.info.get(_SHEET)
    return found if isinstance(found, Sheet) else None


def open_film(
    path: Path, start: float | None = None, end: float | None = None, count: int = COUNT
) -> Image.Image:
    """A clip, or a span of it in seconds, as a sheet of at most `count` frames; of a single time its frame.

    Raises:
        UserError: the extra `video` is not installed, it is no video, or it has nothing there.
    """
    if start is not None and end is not None and end < start:
        raise UserError(f"{path}@{start:g}-{end:g}: ends before it begins; give the earlier time first")
    with open_file(path) as file, open_clip(str(path), file) as clip:
        if start is not None and clip.seconds is not None and start > clip.seconds:
            raise UserError(f"{path}@{start:g}: is after the end; the clip has {clip.seconds:.1f} seconds")
        if start is not None and start == end:
            (frame,) = frames_at(clip, [start])
            picture = frame.image
            sheet = Sheet((frame.time,), 1, picture.size, picture.size, 0)
        else:
            picture, sheet = _drawn(clip, start or 0.0, end, count)
    picture.info[_SHEET] = sheet
    return picture


def _drawn(clip: Clip, start: float, end: float | None, count: int) -> tuple[Image.Image, Sheet]:
    frame = cell = (0, 0)

    def fitted(image: Image.Image) -> Image.Image:
        nonlocal frame, cell
        if not frame[0]:
            frame = image.size
            scale = min(math.sqrt(PIXELS / (count * frame[0] * frame[1] * (1 + 1 / _CAPTION))), 1.0)
            cell = max(int(frame[0] * scale), 1), max(int(frame[1] * scale), 1)
        return image if image.size == cell else image.resize(cell, reducing_gap=3.0)

    frames = spread_frames(clip, count, fitted, start, end)
    columns = min(math.ceil(math.sqrt(len(frames) * cell[1] / cell[0] * _WIDER)), len(frames))
    rows = -(-len(frames) // columns)
    sheet = Sheet(
        tuple(round(one.time, 3) for one in frames), columns, cell, frame, max(cell[1] // _CAPTION, 14)
    )
    picture = Image.new("RGB", (columns * cell[0], rows * (cell[1] + sheet.caption)))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(round(sheet.caption * 0.8))
    for number, one in enumerate(frames):
        place = sheet.place(number)
        picture.paste(one.image, (place.left, place.top))
        middle = place.left + cell[0] // 2, place.top - sheet.caption // 2
        draw.text(middle, f"{one.time:.1f} s", "white", font, anchor="mm")
    return picture, sheet


def _overlap(one: Rect, other: Rect) -> float:
    """Area that two rectangles share, as a share of the smaller one."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    smaller = min(one.width * one.height, other.width * other.height)
    return max(width, 0) * max(height, 0) / smaller

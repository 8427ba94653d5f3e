"""Frames of a clip with their times, in one pass from its beginning to its end, never all in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from mini_o3.kit.errors import UserError
from mini_o3.kit.extras import require
from mini_o3.vision.picture import DECODE_BUDGET, check_size
from mini_o3.vision.small import are_same

# Containers only: what FFmpeg knows besides are lists of other files and addresses, which it would follow.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,asf,flv,ogg"
_GLANCE = (32, 18)  # pixels in which a change of scene is looked for
_GLANCES = 0.2  # seconds between two such looks
_CUT = 24  # levels of 255 by which the mean pixel changes at a cut
_FAR = 10.0  # seconds ahead from which on seeking is quicker than decoding


class Frame(NamedTuple):
    """A frame and its time in seconds from the beginning of the clip; `image` is upright RGB."""

    time: float
    image: Image.Image


class Clip:
    """A video that is open for reading. Its pictures are turned as a phone that was held sideways says.

    Attributes:
        name: what messages call it.
        seconds: how long it is by its own account; None if it does not say.
        damaged: how many pieces could not be decoded so far.
    """

    def __init__(self, name: str, container: Any) -> None:
        self.name, self.container, self.damaged = name, container, 0
        self.stream = next(
            (one for one in container.streams.video if not int(one.disposition) & _COVER), None
        )
        if self.stream is None:
            raise UserError(f"{name}: has no video stream; give a clip with pictures")
        if self.stream.codec_context is None:
            raise UserError(f"{name}: its codec is not known here; convert it to H.264")
        width, height = self.stream.codec_context.width, self.stream.codec_context.height
        check_size(name, (width, height), DECODE_BUDGET)
        self.stream.thread_type = "AUTO"
        start, base = self.stream.start_time, self.stream.time_base
        self._begin = float(start * base) if start is not None and base else 0.0
        length = self.stream.duration * base if self.stream.duration and base else None
        if length is None and container.duration:
            length = container.duration / 1_000_000
        self.seconds: float | None = float(length) if length else None

    def frames(self, start: float = 0.0, end: float | None = None) -> Iterator[tuple[float, Any]]:
        """Times and frames as they are stored, from the last one at or before `start` until `end`; what is
        broken is left out."""
        held: tuple[float, Any] | None = None
        for time, frame in self._decoded(start):
            if time > start or (held is None and time >= start):
                if held is not None:
                    yield held
                    held = None
                if end is not None and time > end:
                    return
                yield time, frame
            else:
                held = time, frame
        if held is not None:
            yield held

    def _decoded(self, start: float) -> Iterator[tuple[float, Any]]:
        import av

        assert self.stream is not None
        if start > _FAR:
            self.container.seek(int((start + self._begin) / self.stream.time_base), stream=self.stream)
        time, rate = 0.0, float(self.stream.average_rate or 25)
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets)
                decoded = packet.decode()
            except StopIteration:
                return
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.damaged += 1
                if self.damaged > _MOST_DAMAGED:
                    return
                continue
            for frame in decoded:
                if frame.width * frame.height > DECODE_BUDGET:  # not what its header said
                    self.damaged += 1
                    continue
                time = time + 1 / rate if frame.time is None else frame.time - self._begin
                yield time, frame

    def upright(self, frame: Any) -> Image.Image:
        """A frame as RGB, turned."""
        image: Image.Image = frame.to_image()
        turn = _TURNS.get(round(frame.rotation) % 360)
        return image if turn is None else image.transpose(turn)


_COVER = 0x400  # disposition of a stream that is a picture of the cover (AV_DISPOSITION_ATTACHED_PIC)
_MOST_DAMAGED = 1000
_TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


@contextmanager
def open_clip(name: str, file: BinaryIO) -> Iterator[Clip]:
    """A clip in an open file; `name` is what messages call it.

    Raises:
        UserError: the extra is not installed, it is no video, or has no pictures.
    """
    require("video", f"{name}: a video")
    import av

    if not file.read(1):
        raise UserError(f"{name}: the file is empty; get a fresh copy")
    file.seek(0)
    try:
        container = av.open(file, options={"format_whitelist": _FORMATS})
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{name}: not a video that can be read ({reason})") from None
    with container:
        yield Clip(name, container)


def different_frames(clip: Clip, every: float) -> Iterator[Frame]:
    """Frames that show something new: one at most `every` seconds and one at each cut, unless it is the same
    as the one before it everywhere (`vision.small.are_same`), as while nothing moves.

    Raises:
        UserError: there is no frame that can be decoded.
    """
    last: Image.Image | None = None
    due = looked = -1e9
    before = np.zeros((1, 1), np.int16)
    for time, frame in clip.frames():
        is_due = time >= due
        if not is_due and time < looked + _GLANCES:
            continue
        looked = time
        glance = frame.reformat(*_GLANCE, format="gray").to_ndarray().astype(np.int16)
        is_cut = before.shape == glance.shape and float(np.abs(glance - before).mean()) > _CUT
        before = glance
        if not (is_due or is_cut):
            continue
        due = time + every
        image = clip.upright(frame)
        if last is None or not are_same(last, image):
            last = image
            yield Frame(time, image)
    if last is None:
        raise UserError(f"{clip.name}: holds no frame that can be decoded; get a fresh copy")


def frames_at(clip: Clip, times: Sequence[float]) -> Iterator[Frame]:
    """What is on the screen at each of some rising times; after the end the last frame."""
    wanted = list(times)
    shown: tuple[float, Any] | None = None
    for time, frame in clip.frames(wanted[0] if wanted else 0.0):
        while shown is not None and wanted and time > wanted[0]:
            yield Frame(shown[0], clip.upright(shown[1]))
            wanted.pop(0)
        shown = time, frame
        if not wanted:
            return
    if shown is None:
        raise UserError(f"{clip.name}: holds no frame that can be decoded; get a fresh copy")
    for _ in wanted:
        yield Frame(shown[0], clip.upright(shown[1]))


def spread_frames(
    clip: Clip,
    count: int,
    make: Callable[[Image.Image], Image.Image],
    start: float = 0.0,
    end: float | None = None,
) -> list[Frame]:
    """At most `count` frames spread evenly over a span, each as `make` leaves it, in one pass whatever the
    length is: twice as many are kept at the most, and every second one is dropped when they get too many.

    Raises:
        UserError: there is no frame that can be decoded.
    """
    known = end if end is not None else clip.seconds
    step = max((known - start) / count, 0.0) if known is not None else 0.1
    kept: list[Frame] = []
    due = -1e9
    for time, frame in clip.frames(start, end):
        if time < due:
            continue
        due = max(due + step, time + step / 2) if kept else time + step
        kept.append(Frame(time, make(clip.upright(frame))))
        if len(kept) == 2 * count:
            kept, step = kept[::2], 2 * step
    if not kept:
        raise UserError(f"{clip.name}: holds no frame that can be decoded; get a fresh copy")
    while len(kept) > count:
        kept = kept[::2]
    return kept

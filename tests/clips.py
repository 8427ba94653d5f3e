"""Short clips for tests, written with PyAV."""

from __future__ import annotations

import struct
from fractions import Fraction

import numpy as np
from PIL import Image


def write_clip(path, images, *, fps=10, times=None):
    """A clip of Pillow pictures, a frame each; `times` in seconds makes the frame rate vary."""
    import av

    width, height = images[0].size
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.options = {"crf": "12", "bf": "0", "g": "10"}
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            seconds = number / fps if times is None else times[number]
            frame.pts, frame.time_base = round(seconds * 1000), Fraction(1, 1000)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def turn_clip(path, height):
    """Make an MP4 say that it is to be shown turned by a quarter to the right, as a phone does."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, height << 16, 0, 1 << 30)
    path.write_bytes(content)


def plain(colour, size=(160, 96), mark=None):
    """A picture of one colour, with a white square whose middle is at `mark`."""
    image = Image.new("RGB", size, colour)
    if mark is not None:
        x, y = mark
        image.paste((255, 255, 255), (x - 12, y - 12, x + 12, y + 12))
    return image

"""Seconds and memory of a clip's contact sheet and of its frames for `find`, by the length of the clip.

    python bench/video.py --minutes 1 10

It writes clips of 1920 x 1080 at 10 frames a second in which something moves for a while and then rests, and
reads each in a process of its own. Needs the extra `video`.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from mini_o3.vision.film import open_film
from mini_o3.vision.video import different_frames, open_clip

RATE, SIZE = 10, (1920, 1080)


def write(path: Path, minutes: float) -> None:
    """A square crosses a rough ground for half a minute, then rests for half a minute."""
    rng = np.random.default_rng(0)
    ground = np.kron(rng.integers(0, 160, (27, 48, 3), dtype=np.uint8), np.ones((40, 40, 1), np.uint8))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "23"}
        for number in range(round(minutes * 60 * RATE)):
            left = min(number % (60 * RATE), 30 * RATE) * 6
            picture = ground.copy()
            picture[500:560, left : left + 60] = 255
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def read(path: Path, how: str) -> None:
    began, cpu, count = time.perf_counter(), time.process_time(), 0
    if how == "sheet":
        count = len(open_film(path).info["film"].times)
    else:
        with path.open("rb") as file, open_clip(path.name, file) as clip:
            for _ in different_frames(clip, 1.0):
                count += 1
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"{path.stem} minutes, {how}: {count} frames, {wall:.1f} s, {cpu:.1f} CPU s, {most:.0f} MB at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10])
    parser.add_argument("--read", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        read(Path(given.read[0]), given.read[1])
        return
    with tempfile.TemporaryDirectory() as folder:
        for minutes in given.minutes:
            path = Path(folder) / f"{minutes:g}.mp4"
            write(path, minutes)
            for how in ("sheet", "frames"):
                subprocess.run([sys.executable, __file__, "--read", str(path), how], check=True)


if __name__ == "__main__":
    main()

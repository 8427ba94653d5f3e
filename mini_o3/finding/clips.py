"""Videos among what is searched: each frame that shows something new becomes a picture of its own."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from PIL import Image

from mini_o3.finding.source import Source
from mini_o3.finding.sources import Sources
from mini_o3.kit.errors import UserError
from mini_o3.kit.extras import is_there
from mini_o3.kit.files import make_folder, read_jsonl, write_atomically, write_jsonl
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.vision.video import Frame, different_frames, frames_at, open_clip

FOLDER = "frames"  # inside the folder of results: the frames, so that a clip is decoded once
_LIST = "frames.jsonl"  # there once a clip was read to its end


def take_in_frames(sources: Sources, folder: Path, every: float, progress: OnProgress = no_progress) -> None:
    """Put the frames of the clips behind the pictures; what is wrong with a clip goes to `sources.bad`."""
    if sources.clips and not is_there("video"):
        sources.left_out["clips, for which `pip install 'mini-o3[video]'` is needed"] += len(sources.clips)
        return
    for number, clip in enumerate(sources.clips, start=1):
        try:
            sources.pictures += frames_of(clip, folder, every)
        except UserError as error:
            sources.bad[clip.name] = str(error)
        progress(number, len(sources.clips))


def frames_of(clip: Source, folder: Path, every: float) -> list[Source]:
    """The frames of a clip that differ from those before them, called `clip.mp4@12.5` by their seconds.

    They are kept as files below `folder`; what is there is not decoded again.

    Raises:
        UserError: the extra `video` is not installed, or it is no video.
    """
    place = _place(clip, folder, every)
    rows = read_jsonl(place / _LIST, skip_damaged=True)
    if not rows:
        make_folder(place)
        with clip.file() as file, open_clip(clip.name, file) as video:
            for frame in different_frames(video, every):
                path = _kept(frame, place)
                rows.append({"time": round(frame.time, 3), "file": path.name})
        write_jsonl(place / _LIST, rows)
    return [_frame(clip, place / row["file"], row["time"]) for row in rows]


def frames_around(
    clips: Sequence[Source], hits: Sequence[Source], folder: Path, every: float, finer: int
) -> list[Source]:
    """More frames of clips, `finer` of them evenly between each hit and where the next look before and after
    it was due; they tell when something comes and goes."""
    times: dict[str, set[float]] = defaultdict(set)
    for hit in hits:
        if hit.time is not None:
            steps = [every * step / (finer + 1) for step in range(-finer, finer + 1) if step]
            times[hit.name.rpartition("@")[0]] |= {hit.time + step for step in steps if hit.time + step > 0}
    more = []
    for clip in clips:
        if not (wanted := sorted(times[clip.name])):
            continue
        place = _place(clip, folder, every)
        known = {row["file"] for row in read_jsonl(place / _LIST, skip_damaged=True)}
        with clip.file() as file, open_clip(clip.name, file) as video:
            for frame in frames_at(video, wanted):
                path = _kept(frame, place)
                if path.name not in known:
                    known.add(path.name)
                    more.append(_frame(clip, path, round(frame.time, 3)))
    return more


def _place(clip: Source, folder: Path, every: float) -> Path:
    """Where the frames of a clip are kept; a clip that was changed has another place."""
    key = hashlib.sha256(json.dumps([clip.name, *clip.stamp, every]).encode()).hexdigest()[:16]
    return folder / FOLDER / key


def _kept(frame: Frame, place: Path) -> Path:
    """The file of a frame, which is written if it is not there yet."""
    path = place / f"{frame.time:.3f}.jpg"
    if not path.exists():
        write_atomically(path, partial(_save, frame.image))
    return path


def _frame(clip: Source, path: Path, time: float) -> Source:
    status = path.stat()
    stamp = status.st_size, status.st_mtime_ns
    return replace(clip, name=f"{clip.name}@{time:g}", path=path, stamp=stamp, time=time)


def _save(image: Image.Image, path: Path) -> None:
    image.save(path, "JPEG", quality=95, subsampling=0)

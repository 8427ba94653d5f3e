"""A folder of probes: pictures first, then their line in tasks.jsonl, so that every line has its picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from mini_o3.episode.task import TASKS_FILE, SearchTask
from mini_o3.kit.errors import SettingError
from mini_o3.kit.files import append_jsonl, read_jsonl, write_atomically
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.probes.dataset import find_photos, owned
from mini_o3.probes.shapes.generate import make_probe
from mini_o3.probes.shapes.levels import LEVELS
from mini_o3.probes.shapes.several import MOST, make_several

SETTINGS = "probes.json"


def make_probes(
    level: str,
    count: int,
    seed: int,
    out: Path,
    *,
    photos: str | None = None,
    absent: float = 0.0,
    pictures: int = 1,
    progress: OnProgress = no_progress,
) -> int:
    """Make probes with seeds `seed .. seed + count - 1` and return how many lie in `out`.

    In a share `absent` of them the target is not there, and the answer is `NOT_THERE`. With several
    `pictures` each asks one question about so many (`several.make_several`).

    Probes that are there already are kept, so an interrupted run goes on where it stopped. Another process is
    waited for.

    Raises:
        UserError: the level is unknown, there are no photos, or `out` holds something else.
    """
    if level not in LEVELS:
        raise SettingError("level", f"unknown; choose one of {', '.join(LEVELS)}", level)
    files = find_photos(photos)
    if not 1 <= pictures <= MOST:
        raise SettingError("pictures", f"must be 1 to {MOST}", pictures)
    settings: dict[str, Any] = {"level": level, "photos": photos}
    settings |= {"absent": absent} if absent else {}
    settings |= {"pictures": pictures} if pictures > 1 else {}
    with owned(out, SETTINGS, settings):
        done = {row["seed"] for row in read_jsonl(out / TASKS_FILE)}
        for index, number in enumerate(range(seed, seed + count), start=1):
            if number not in done:
                if pictures > 1:
                    several = make_several(number, level, pictures, photos=files, absent=absent)
                    _save(several.task, several.pictures, out)
                else:
                    probe = make_probe(number, level, photos=files, absent=absent)
                    _save(probe.task, (probe.picture,), out)
            progress(index, count)
        return len(read_jsonl(out / TASKS_FILE))


def _save(task: SearchTask, pictures: Sequence[Image.Image], out: Path) -> None:
    for name, picture in zip(task.pictures, pictures, strict=True):
        write_atomically(out / name, partial(picture.save, format="JPEG", quality=90))
    append_jsonl(out / TASKS_FILE, task.to_dict())

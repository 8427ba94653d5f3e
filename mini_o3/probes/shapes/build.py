"""A folder of probes: pictures first, then their line in tasks.jsonl, so that every line has its picture."""

from __future__ import annotations

from pathlib import Path

from mini_o3.episode.task import TASKS_FILE
from mini_o3.kit.errors import SettingError
from mini_o3.kit.files import append_jsonl, read_jsonl, write_atomically
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.probes.dataset import find_photos, owned
from mini_o3.probes.shapes.generate import Probe, make_probe
from mini_o3.probes.shapes.levels import LEVELS

SETTINGS = "probes.json"


def make_probes(
    level: str,
    count: int,
    seed: int,
    out: Path,
    *,
    photos: str | None = None,
    absent: float = 0.0,
    progress: OnProgress = no_progress,
) -> int:
    """Make probes with seeds `seed .. seed + count - 1` and return how many lie in `out`.

    In a share `absent` of them the target is not there, and the answer is `NOT_THERE`.

    Probes that are there already are kept, so an interrupted run goes on where it stopped. Another process is
    waited for.

    Raises:
        UserError: the level is unknown, there are no photos, or `out` holds something else.
    """
    if level not in LEVELS:
        raise SettingError("level", f"unknown; choose one of {', '.join(LEVELS)}", level)
    files = find_photos(photos)
    settings = {"level": level, "photos": photos, **({"absent": absent} if absent else {})}
    with owned(out, SETTINGS, settings):
        done = {row["seed"] for row in read_jsonl(out / TASKS_FILE)}
        for index, number in enumerate(range(seed, seed + count), start=1):
            if number not in done:
                _save(make_probe(number, level, photos=files, absent=absent), out)
            progress(index, count)
        return len(read_jsonl(out / TASKS_FILE))


def _save(probe: Probe, out: Path) -> None:
    write_atomically(out / probe.task.picture, lambda part: probe.picture.save(part, "JPEG", quality=90))
    append_jsonl(out / TASKS_FILE, probe.task.to_dict())

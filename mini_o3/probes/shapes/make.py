"""A folder of probes: pictures first, then their line in tasks.jsonl, so that every line has its picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from mini_o3.episode.task import TASKS_FILE
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, read_jsonl, write_atomically, write_json
from mini_o3.kit.run import held
from mini_o3.probes.shapes.generate import Probe, make_probe
from mini_o3.probes.shapes.levels import LEVELS

BUNDLED_PHOTOS = Path(__file__).parents[1] / "photos"
_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"}


def make_probes(
    level: str,
    count: int,
    seed: int,
    out: Path,
    *,
    photos: str | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Make probes with seeds `seed .. seed + count - 1` and return how many lie in `out`.

    Probes that are there already are kept, so an interrupted run goes on where it stopped. Another process is
    waited for.

    Raises:
        UserError: the level is unknown, there are no photos, or `out` holds other probes.
    """
    if level not in LEVELS:
        raise UserError(f"--level {level}: unknown; choose one of {', '.join(LEVELS)}")
    files = find_photos(photos)
    with held(out, wait=True):
        _same_settings(out, {"level": level, "photos": photos})
        done = {row["seed"] for row in read_jsonl(out / TASKS_FILE)}
        for index, number in enumerate(range(seed, seed + count), start=1):
            if number not in done:
                probe = make_probe(number, level, photos=files)
                _save(probe, out)
            report(index, count)
        return len(read_jsonl(out / TASKS_FILE))


def find_photos(photos: str | None) -> tuple[Path, ...]:
    """The pictures of a folder, sorted by name; `bundled` names those that come with the package.

    Raises:
        UserError: the folder holds none.
    """
    if photos is None:
        return ()
    folder = BUNDLED_PHOTOS if photos == "bundled" else Path(photos)
    files = tuple(sorted(path for path in folder.glob("*") if path.suffix.lower() in _PICTURES))
    if not files:
        raise UserError(f"--photos {photos}: no pictures there; give a folder with photographs, or `bundled`")
    return files


def _save(probe: Probe, out: Path) -> None:
    write_atomically(out / probe.task.picture, lambda part: probe.picture.save(part, "JPEG", quality=90))
    append_jsonl(out / TASKS_FILE, probe.task.to_dict())


def _same_settings(out: Path, settings: dict[str, str | None]) -> None:
    path = out / "probes.json"
    if path.exists() and (kept := json.loads(path.read_text(encoding="utf-8"))) != settings:
        raise UserError(f"{out}: holds other probes ({kept}); give another --out folder")
    write_json(path, settings)

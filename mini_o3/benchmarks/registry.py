"""Which loader reads what lies there."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mini_o3.benchmarks import coldstart, deepeyes, detection, hrbench, mme, smaller, user, visualprobe, vstar
from mini_o3.benchmarks.layout import Job, Layout, Loader, Source
from mini_o3.episode.task import TASKS_FILE
from mini_o3.kit.errors import SettingError, UserError

LOADERS: dict[str, Loader] = {
    loader.name: loader
    for loader in (
        vstar.LOADER,
        hrbench.LOADER,
        mme.LOADER,
        visualprobe.LOADER,
        deepeyes.LOADER,
        coldstart.LOADER,
        smaller.TREEBENCH,
        smaller.O3BENCH,
        detection.COCO,
        detection.OPEN_IMAGES,
        user.LOADER,
        user.TABLE,
    )
}
_GENERAL = ("user", "table")  # taken only if nothing that has a name of its own fits


class Found(NamedTuple):
    loader: Loader
    layout: Layout
    job: Job


def find_loader(path: Path, name: str = "auto", seed: int = 0) -> Found:
    """The loader for a folder or a file, and the files it will read.

    Raises:
        UserError: nothing is there; no loader fits, or several do; or `name` does not fit, with what it
            misses.
    """
    source = Source.of(path)
    if name != "auto":
        if name not in LOADERS:
            raise SettingError("format", f"unknown; choose auto or one of {', '.join(LOADERS)}", name)
        return _sniff(LOADERS[name], source, seed) or _complain(LOADERS[name], source)
    if (source.root / TASKS_FILE).is_file() and source.only in (None, source.root / TASKS_FILE):
        raise UserError(f"{path}: holds tasks already ({TASKS_FILE}); use it as it is")
    found = [found for loader in LOADERS.values() if (found := _sniff(loader, source, seed))]
    special = [item for item in found if item.loader.name not in _GENERAL]
    if len(special) > 1:
        names = ", ".join(item.loader.name for item in special)
        raise UserError(f"{path}: holds several data sets ({names}); name one as `format`, or give its file")
    if not found:
        raise UserError(
            f"{path}: no data set is recognised there; `format` NAME says what that one needs (NAME:"
            f" {', '.join(LOADERS)})"
        )
    return (special or found)[0]


def _sniff(loader: Loader, source: Source, seed: int) -> Found | None:
    for layout in loader.layouts:
        if files := layout.files(source):
            return Found(loader, layout, Job(source.root, tuple(files), seed))
    return None


def _complain(loader: Loader, source: Source) -> Found:
    """Say what is missing: of the layout that is nearly there, or of each if none is."""
    missing = [layout.missing(source) for layout in loader.layouts]
    near = [
        gone for gone, layout in zip(missing, loader.layouts, strict=True) if len(gone) < len(layout.needs)
    ]
    wanted = "; or ".join(" and ".join(_plain(pattern) for pattern in gone) for gone in near or missing)
    raise UserError(
        f"{source.only or source.root}: is not {loader.title}: missing {wanted}. Where to get it:"
        f" {loader.get}"
    )


def _plain(pattern: str) -> str:
    return pattern.split("|")[0]

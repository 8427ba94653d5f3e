"""A whole set of scenes on disk: painted on all cores, resumable at any time, checked, and the same every
time.

    DIR/train/tasks.jsonl  scenes.jsonl  pictures/    DIR/test/...    DIR/dataset_card.md  readers.json
    manifest.json

While it is being made, finished scenes are noted in DIR/.journal.jsonl; when it is done that file is gone and
`manifest.json` names every other file with its SHA-256.
"""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any

from mini_o3.episode.task import TASKS_FILE, SearchTask
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, read_jsonl, to_json, write_json, write_text
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.kit.run import folder_lock
from mini_o3.kit.signals import leave_signals_to_the_parent
from mini_o3.probes.dataset import clear_parts, owned
from mini_o3.probes.scenes.card import CARD, PLOT, READERS, write_card
from mini_o3.probes.scenes.check import check
from mini_o3.probes.scenes.config import SPLITS, ScenesConfig
from mini_o3.probes.scenes.plan import PICTURES, Assets, Job, find_assets, hash_file, make, plan, provenance
from mini_o3.probes.scenes.truth import SCENES_FILE, SceneFile, read_parts
from mini_o3.vision import Region

MANIFEST = "manifest.json"
SETTINGS = "settings.json"
_FILES = (
    *(f"{split}/{name}" for split in SPLITS for name in (SCENES_FILE, TASKS_FILE)),
    SETTINGS,
    CARD,
    READERS,
    PLOT,
)
_JOURNAL = ".journal.jsonl"
_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of glibc's mallopt
_MEMORY = 940e6  # bytes for everything together, less than 1 GiB
_PARENT, _WORKER, _PER_PIXEL = (
    110e6,
    60e6,
    4.5,
)  # bytes: of the first process, of each other one, of a pixel being painted
_MOST_WORKERS = 8  # more would wait for each other's memory

Row = dict[str, Any]


def build(
    config: ScenesConfig, out: Path, *, workers: int | None = None, progress: OnProgress = no_progress
) -> int:
    """Make a set, or go on with one, and return how many questions it has.

    What is already there is kept if its hash is right; else it is made again. `workers` is the number of
    processes, None: as many as there are cores. `report` is told how many questions are done of how many.

    Raises:
        UserError: `out` holds another set, or something that the config names is missing.
    """
    assets = find_assets(config)
    settings = provenance(config, assets)
    jobs = plan(config)
    total = sum(job.asked for job in jobs)
    with owned(out, SETTINGS, settings):
        done = _finished(out, jobs)
        left = [job for job in jobs if job.picture not in done]
        count = total - sum(job.asked for job in left)
        if not left:
            progress(count, total)
        for job, row in _paint(left, assets, out, workers or _cores()):
            append_jsonl(out / _JOURNAL, row)
            count += job.asked
            progress(count, total)
        seal(out, settings, _finish(out, jobs))
    return total


def measure_readers(out: Path, *, progress: OnProgress = no_progress) -> list[str]:
    """Measure the readers on a finished set anew, renew its card and manifest, and return the table.

    Raises:
        UserError: there is no finished set.
    """
    try:
        kept = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        settings, figures = kept["settings"], kept["checks"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise UserError(
            f"{out / MANIFEST}: no finished set there; make one with `mini-o3 probe make scenes`"
        ) from None
    with folder_lock(out, wait=True):
        lines = write_card(out, progress)
        seal(out, settings, figures)
    return lines


def read_rows(out: Path, split: str) -> list[Row]:
    """The rows of a finished split.

    Raises:
        UserError: there is none.
    """
    path = out / split / SCENES_FILE
    if not path.is_file():
        raise UserError(f"{path}: no such file; make a set with `mini-o3 probe make scenes`")
    return read_jsonl(path)


def tasks_of(row: Row) -> list[SearchTask]:
    """The questions about one picture."""
    size, parts = (row["size"][0], row["size"][1]), read_parts(row)
    tasks = []
    for question in row["questions"]:
        evidence = list(dict.fromkeys(part for hop in reversed(question["hops"]) for part in hop["aim"]))
        tasks.append(
            SearchTask(
                row["picture"],
                question["question"],
                question["answer"],
                category=row["kind"],
                family=question["family"],
                level=row["level"],
                size=size,
                seed=row["seed"],
                targets=tuple(Region.of_rect(parts[part].rect, size) for part in evidence),
            )
        )
    return tasks


def seal(out: Path, settings: Row, figures: Row) -> None:
    """Write the manifest: hashes and sizes of all files of a set, and what was found about them."""
    pictures = (f"{split}/{name}" for split in SPLITS for name in SceneFile(out / split).pictures)
    files = sorted(out / name for name in (*_FILES, *pictures))
    listed = {
        path.relative_to(out).as_posix(): {"sha256": hash_file(path), "bytes": path.stat().st_size}
        for path in files
        if path.is_file()
    }
    write_json(out / MANIFEST, {"settings": settings, "checks": figures, "files": listed})


def _finish(out: Path, jobs: Sequence[Job]) -> Row:
    """Put the rows in their order and everything that is made from them in its place; returns what `check`
    found."""
    for name in (*_FILES, MANIFEST):
        clear_parts((out / name).parent, {Path(name).name})
    for split in SPLITS:
        clear_parts(out / split / PICTURES, {Path(job.picture).name for job in jobs if job.split == split})
    done = {row["picture"]: row for row in _noted(out)}  # of scenes that were made again the last row counts
    for split in SPLITS:
        rows = [done[job.picture] for job in jobs if job.split == split]
        write_text(out / split / SCENES_FILE, "".join(to_json(row) + "\n" for row in rows))
        tasks = [task.to_dict() for row in rows for task in tasks_of(row)]
        write_text(out / split / TASKS_FILE, "".join(to_json(task) + "\n" for task in tasks))
    figures = check(*([done[job.picture] for job in jobs if job.split == split] for split in SPLITS))
    (out / _JOURNAL).unlink(missing_ok=True)
    done.clear()  # the card reads what it needs anew
    write_card(out)
    return figures


def _noted(out: Path) -> Iterator[Row]:
    """Rows of a finished set, then those of the journal, one at a time; a line that a kill has cut off is
    left out."""
    for path in (*(out / split / SCENES_FILE for split in SPLITS), out / _JOURNAL):
        if path.exists():
            with path.open("rb") as file:
                for line in file:
                    with suppress(ValueError, RecursionError):
                        yield json.loads(line)


def _finished(out: Path, jobs: Sequence[Job]) -> set[str]:
    """Pictures that are on disk as they were made."""
    splits, hashes = (
        {job.picture: job.split for job in jobs},
        {row["picture"]: row["sha256"] for row in _noted(out)},
    )
    paths = {picture: out / splits[picture] / picture for picture in hashes if picture in splits}
    return {
        picture for picture, path in paths.items() if path.is_file() and hash_file(path) == hashes[picture]
    }


def _paint(jobs: Sequence[Job], assets: Assets, out: Path, workers: int) -> Iterator[tuple[Job, Row]]:
    """Every job and its row, in the order in which they are done."""
    if workers == 1:
        yield from ((job, make(job, assets, out)) for job in jobs)
        return
    if not jobs:
        return
    workers = min(workers, len(jobs), _MOST_WORKERS)
    room = (_MEMORY - _PARENT - workers * _WORKER) / _PER_PIXEL
    left, running = list(reversed(jobs)), dict[Future[Row], Job]()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_begin) as pool:
        try:
            while left or running:
                while left and len(running) < workers + 1:
                    used = sum(job.held(assets) for job in running.values())
                    if running and used + left[-1].held(assets) > room:
                        break
                    job = left.pop()
                    running[pool.submit(partial(make, job, assets, out))] = job
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        except BrokenProcessPool:
            raise UserError(
                f"{out}: a worker was killed, perhaps for want of memory; run the same command again"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """In a worker: Ctrl-C is the parent's to handle, and when the parent is gone so is the worker."""
    leave_signals_to_the_parent()
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(
                _MMAP_THRESHOLD, 1 << 20
            )  # pictures go back to the system as soon as they are done
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (wait_for([parent.sentinel]), os._exit(1)), daemon=True).start()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""Any data set into our folder: `tasks.jsonl` and the pictures it needs. A killed run goes on where it
stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from mini_o3.benchmarks.hub import PREFIX, fetch_data_set
from mini_o3.benchmarks.layout import Draft, Job, Layout
from mini_o3.benchmarks.pictures import PictureStore, Placed, SameAs, check
from mini_o3.benchmarks.registry import Found, find_loader
from mini_o3.benchmarks.rows import BadRow, NoPicture, Record
from mini_o3.episode import SearchTask
from mini_o3.episode.task import TASKS_FILE
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.files import make_folder, read_jsonl, to_json, write_json
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.kit.run import ensure_same_run

SKIPPED_FILE = "skipped.jsonl"  # rows that were left out: file, row, reason
STATE_FILE = "import.json"  # how far the import is
SOURCE_FILE = "source.json"  # of what came from the hub: repository, commit, hash of every file
_SAVE_EVERY = 64  # records; what a kill can cost


@dataclass
class Imported:
    """How far an import is.

    Attributes:
        records: rows that have been read.
        tasks, skipped: how many tasks were written, how many rows were left out because something is wrong
            with them.
        silent: rows that hold no question, such as pictures whose labels leave none, or that are not there.
        repeated: tasks that are the same as an earlier one; they are kept.
        tasks_bytes, skipped_bytes: length of the two files at this point.
        done: the whole source has been read.
    """

    format: str = ""
    records: int = 0
    tasks: int = 0
    skipped: int = 0
    silent: int = 0
    repeated: int = 0
    tasks_bytes: int = 0
    skipped_bytes: int = 0
    done: bool = False


def import_tasks(
    source: Path | str,
    out: Path | str,
    *,
    format: str = "auto",
    limit: int | None = None,
    seed: int = 0,
    on_error: str = "stop",
    copy: bool = False,
    decode: bool = False,
    progress: OnProgress = no_progress,
) -> Imported:
    """Turn a data set into tasks.

    Args:
        source: its folder, or one file of it; `hub:NAME[@REVISION]` fetches a known one from the hub, or
            `hub:ORG/NAME` any, and then `out` gets `source.json`, with the commit and the hash of every file.
        out: gets `tasks.jsonl`, `pictures/`, `skipped.jsonl` and `import.json`. Pictures inside rows are
            written once each, under the hash of their content; pictures that are files are named where they
            lie, unless `copy`.
        limit: stop after this many tasks; a later run without it, or with a larger one, goes on.
        seed: of orders of options that have to be drawn, and of questions about boxes.
        on_error: `stop` at the first row with something wrong, or `skip` it and write it down.
        decode: decode every picture, which also finds damage inside a file.
        progress: called with tasks so far, an estimate of how many there will be, and a word on skipped rows.

    Raises:
        UserError: the source is not recognised or incomplete, `out` holds something else, a row is wrong and
            `on_error` is `stop`, or no task came of it.
    """
    if on_error not in ("stop", "skip"):
        raise SettingError("on_error", "choose stop or skip", on_error)
    name, fetched, out = str(source), None, Path(out)
    if name.startswith(PREFIX):
        fetched, usual = fetch_data_set(name)
        name, source = f"{PREFIX}{fetched.name}@{fetched.revision}", fetched.folder
        format = usual if format == "auto" else format
    source = Path(source)
    found = find_loader(source, format, seed)
    make_folder(out)
    state = _claim(out, name if fetched else str(source.resolve()), found, seed, copy)
    if fetched:
        record = {"repository": fetched.name, "revision": fetched.revision, "files": fetched.files()}
        write_json(out / SOURCE_FILE, record)
    _cut(out / TASKS_FILE, state.tasks_bytes)
    _cut(out / SKIPPED_FILE, state.skipped_bytes)
    if not state.done and (limit is None or state.tasks < limit):
        _Import(out, found, state, PictureStore(out, copy=copy, decode=decode), on_error, progress).run(limit)
    if state.done and not state.tasks:
        raise UserError(f"{source}: no task came of it; {_first_problem(out, state)}")
    return state


class _Import:
    def __init__(
        self,
        out: Path,
        found: Found,
        state: Imported,
        store: PictureStore,
        on_error: str,
        progress: OnProgress,
    ) -> None:
        self.out, self.found, self.state, self.store = out, found, state, store
        self.on_error, self.progress = on_error, progress
        rows = read_jsonl(out / TASKS_FILE)
        self.pictures = {row["id"]: row["picture"] for row in rows}
        self.by_name = {row["name"]: row["picture"] for row in rows if row.get("name")}

    def run(self, limit: int | None) -> None:
        records = islice(self.found.layout.records(self.found.job), self.state.records, None)
        with ExitStack() as stack:
            tasks, skipped = (
                stack.enter_context((self.out / name).open("ab")) for name in (TASKS_FILE, SKIPPED_FILE)
            )
            try:
                for record in records:
                    self._take(record, tasks, skipped)
                    if self.state.records % _SAVE_EVERY == 0:
                        self._save(tasks, skipped)
                    self._tell(record.share, limit)
                    if limit is not None and self.state.tasks >= limit:
                        break
                else:
                    self.state.done = True
            except UserError:
                self._save(tasks, skipped)  # up to the row before
                raise
            self._save(tasks, skipped)

    def _take(self, record: Record, tasks: BinaryIO, skipped: BinaryIO) -> None:
        """Everything that comes of one record, or nothing."""
        where = f"{record.file}, row {record.row}"
        try:
            made = [self._place(draft) for draft in drafts_of(record, self.found.layout, self.found.job)]
        except BadRow as error:
            if self.on_error == "stop":
                remedy = (
                    f"unpack or fetch it ({self.found.loader.get})"
                    if isinstance(error, NoPicture)
                    else "mend it"
                )
                raise UserError(
                    f"{where}: {error}; {remedy}, or go on without such rows: `on_error` skip"
                ) from None
            skipped.write(_line({"file": str(record.file), "row": record.row, "reason": str(error)}))
            self.state.skipped += 1
        else:
            for task in made:
                self.state.repeated += task.id in self.pictures
                self.pictures[task.id] = task.picture
                self.by_name[task.name] = task.picture
                tasks.write(_line(task.to_dict()))
            self.state.tasks += len(made)
            self.state.silent += not made
        self.state.records += 1

    def _place(self, draft: Draft) -> SearchTask:
        placed = (
            self._of_row(draft.picture.name)
            if isinstance(draft.picture, SameAs)
            else self.store.place(draft.picture)
        )
        task = draft.task(placed.path, placed.header)
        other = self.pictures.get(task.id)
        if other is not None and other != task.picture and isinstance(draft.picture, Path):
            # Two files of one name with the same question: under its content's name this one has an id of its
            # own.
            task = replace(task, picture=self.store.place(draft.picture, copy=True).path)
        return task

    def _of_row(self, name: str) -> Placed:
        if name not in self.by_name:
            raise BadRow(f"its picture is that of row {name[:60]!r}, which has not been read")
        path = self.by_name[name]
        return Placed(path, check(self.out / path))

    def _save(self, tasks: BinaryIO, skipped: BinaryIO) -> None:
        tasks.flush()
        skipped.flush()
        self.state.tasks_bytes, self.state.skipped_bytes = tasks.tell(), skipped.tell()
        write_json(self.out / STATE_FILE, asdict(self.state))

    def _tell(self, share: float, limit: int | None) -> None:
        tasks, skipped = self.state.tasks, self.state.skipped
        total = max(round(tasks / max(share, 1e-9)), tasks) if tasks else 1
        self.progress(
            tasks, min(total, max(limit or total, tasks)), f"{skipped} rows skipped" if skipped else ""
        )


def drafts_of(record: Record, layout: Layout, job: Job) -> list[Draft]:
    """The tasks in the making that a record holds.

    Raises:
        BadRow: something is wrong with it.
    """
    if record.error:
        raise BadRow(record.error)
    return layout.convert(record, job)


def iterate(found: Found) -> Iterator[tuple[Record, list[Draft] | BadRow]]:
    """All records of a data set with what comes of each, nothing written."""
    for record in found.layout.records(found.job):
        try:
            yield record, drafts_of(record, found.layout, found.job)
        except BadRow as error:
            yield record, error


def _claim(out: Path, source: str, found: Found, seed: int, copy: bool) -> Imported:
    """How far an import into `out` is; refuses a folder with anything else in it."""
    path = out / STATE_FILE
    if (out / TASKS_FILE).exists() and not path.exists():
        raise UserError(f"{out}: holds tasks that were not imported there; give another `out` folder")
    sizes = [file.stat().st_size for file in found.job.files]
    settings: dict[str, Any] = {
        "source": source,
        "format": found.loader.name,
        "seed": seed,
        "copy": copy,
        "content": f"{len(sizes)} files, {sum(sizes)} bytes",
    }
    ensure_same_run(out, settings)
    state = (
        Imported(**json.loads(path.read_text(encoding="utf-8")))
        if path.exists()
        else Imported(found.loader.name)
    )
    if not path.exists():
        write_json(path, asdict(state))
    return state


def _cut(path: Path, size: int) -> None:
    if path.exists():
        os.truncate(path, size)


def _first_problem(out: Path, state: Imported) -> str:
    if not state.skipped:
        return f"none of its {state.records} rows holds a question about a picture that is there"
    first = read_jsonl(out / SKIPPED_FILE)[0]
    return (
        f"{state.skipped} rows were skipped, the first: {first['file']}, row {first['row']}:"
        f" {first['reason']}"
    )


def _line(row: dict[str, Any]) -> bytes:
    return (to_json(row) + "\n").encode()

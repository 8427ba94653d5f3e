"""Rows of any file, one at a time: JSON lines, JSON arrays, tables of text and parquet.

Of text one row is in memory; of parquet one row group, because writers put all its pictures into one page. A
row that cannot be read comes out as a record with an `error`; only a file that cannot be read at all raises.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mini_o3.benchmarks.jsonstream import JsonStream
from mini_o3.kit.errors import UserError
from mini_o3.kit.extras import require

CELL_LIMIT = 2**31 - 1  # characters; a picture of HR-Bench 8K takes tens of millions
_BATCH = 1  # parquet rows decoded together; a row may hold a picture of 30 MB


class BadRow(ValueError):
    """What is wrong with one row; whoever reads rows adds file and number."""


class NoPicture(BadRow):
    """The file of its picture is not there."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row as it stands in a file.

    Attributes:
        row: its number, from 1: the line of a JSON lines file, the item of an array, the row of a table below
            the header.
        data: its fields.
        share: how much of all files has been read, 0..1.
        error: why it has no fields; empty if it has.
    """

    file: Path
    row: int
    data: dict[str, Any] = field(default_factory=dict)
    share: float = 1.0
    error: str = ""


Reader = Callable[[Path], Iterator[Record]]


def read_files(files: Sequence[Path], read: Reader) -> Iterator[Record]:
    """The rows of several files one after the other; a file counts by its size."""
    sizes = [max(path.stat().st_size, 1) for path in files]
    done, total = 0, sum(sizes)
    for path, size in zip(files, sizes, strict=True):
        for record in read(path):
            yield replace(record, share=(done + record.share * size) / total)
        done += size


def read_lines(path: Path) -> Iterator[Record]:
    """A JSON object per line; empty lines are passed over."""
    size = max(path.stat().st_size, 1)
    with _opened(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    yield _record(path, number, json.loads(line), file.tell() / size)
                except (ValueError, RecursionError) as error:
                    yield Record(
                        path, number, share=file.tell() / size, error=f"is not valid JSON ({_short(error)})"
                    )


def read_array(path: Path) -> Iterator[Record]:
    """The objects of a JSON file that is one array.

    Raises:
        UserError: the file is no array, or is damaged from some item on.
    """
    with _opened(path).open("rb") as file:
        stream = JsonStream(file, path)
        for number, item in enumerate(stream.items(), start=1):
            yield _record(path, number, item, stream.share)


def read_tabs(path: Path) -> Iterator[Record]:
    """A table of text with a header, cells divided by tabs and quoted where they need it, as pandas writes
    it."""
    return _read_text_table(path, "\t")


def read_commas(path: Path) -> Iterator[Record]:
    """The same, divided by commas."""
    return _read_text_table(path, ",")


def _read_text_table(path: Path, delimiter: str) -> Iterator[Record]:
    csv.field_size_limit(
        CELL_LIMIT
    )  # one value for the whole process; the default stops at 131,072 characters
    size = max(path.stat().st_size, 1)
    with _opened(path).open("rb") as file:
        lines = (
            line.decode("utf-8", "surrogateescape") for line in file
        )  # what is not text shows when it is looked at
        table = csv.reader(lines, delimiter=delimiter)
        try:
            header = [name.lstrip("\ufeff").strip() for name in next(table, [])]
            for number, cells in enumerate(table, start=1):
                share = min(file.tell() / size, 1.0)
                if len(cells) == len(header):
                    yield Record(path, number, dict(zip(header, cells, strict=True)), share)
                elif cells:
                    yield Record(
                        path, number, share=share, error=f"has {len(cells)} cells, the header {len(header)}"
                    )
        except csv.Error as error:
            raise UserError(
                f"{path}: damaged near line {table.line_num} ({error}); get a fresh copy"
            ) from None


def read_parquet(path: Path) -> Iterator[Record]:
    """The rows of a parquet file.

    Raises:
        UserError: it is no parquet file, or is damaged.
    """
    require("data", "reading parquet files")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Read through a buffer: without one, the compressed row group would be in memory as well.
        with pq.ParquetFile(_opened(path), buffer_size=1 << 20, pre_buffer=False) as table:
            total, number = max(table.metadata.num_rows, 1), 0
            for batch in table.iter_batches(batch_size=_BATCH, use_threads=False):
                for data in batch.to_pylist():
                    number += 1
                    yield Record(path, number, data, number / total)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{path}: not a parquet file that can be read ({_short(error)}); get a fresh copy"
        ) from None


def take(data: dict[str, Any], *names: str) -> Any:
    """The first of these fields that is there and not empty.

    Raises:
        BadRow: none is.
    """
    value = take_any(data, *names)
    if value is None:
        raise BadRow(f"has no {' or '.join(names)}")
    return value


def take_any(data: dict[str, Any], *names: str) -> Any:
    """The same, None if none is there. What tables write for nothing (an empty cell, `nan`) is nothing."""
    for name in names:
        value = data.get(name)
        empty = value is None or value == "" or value == [] or value != value
        if not empty and not (isinstance(value, str) and len(value) <= 3 and value.lower() == "nan"):
            return value
    return None


def text_of(data: dict[str, Any], *names: str) -> str:
    """The same as text, empty if none is there."""
    value = take_any(data, *names)
    return "" if value is None else str(value)


def _record(path: Path, number: int, data: Any, share: float) -> Record:
    if not isinstance(data, dict):
        return Record(path, number, share=share, error=f"is no JSON object but {type(data).__name__}")
    return Record(path, number, data, share)


def _opened(path: Path) -> Path:
    """`path`, if it can be opened."""
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise UserError(f"{path}: cannot be opened ({error.strerror or error})") from None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]

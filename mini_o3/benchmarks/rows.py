"""Rows of any file, one at a time: JSON lines, JSON arrays, tables of text and parquet.

Of text one row is in memory; of parquet one row group, because writers put all its pictures into one page. A
row that cannot be read comes out as a record with an `error`; only a file that cannot be read at all raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mini_o3.benchmarks.jsonstream import JsonStream
from mini_o3.kit.errors import UserError
from mini_o3.kit.extras import require
from mini_o3.kit.reading import json_lines, kind_of, open_file
from mini_o3.kit.tables import table_rows

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
    for line in json_lines(path):
        error = f"is {line.error}" if line.error else ""
        yield Record(path, line.number, line.row, min(line.at / size, 1.0), error)


def read_array(path: Path) -> Iterator[Record]:
    """The objects of a JSON file that is one array.

    Raises:
        UserError: the file is no array, or is damaged from some item on.
    """
    with open_file(path) as file:
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


def _read_text_table(path: Path, divider: str) -> Iterator[Record]:
    size = max(path.stat().st_size, 1)
    for number, row in enumerate(table_rows(path, divider), start=1):
        yield Record(path, number, dict(row.cells), min(row.at / size, 1.0), row.error)


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
        with open_file(path) as file, pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False) as table:
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
    """The same, None if none is there. The number NaN, which parquet files have for nothing, is nothing; the
    words NAN, None and N/A are words."""
    for name in names:
        value = data.get(name)
        if not (value is None or value == "" or value == [] or value != value):
            return value
    return None


def text_of(data: dict[str, Any], *names: str) -> str:
    """The same as text, empty if none is there."""
    value = take_any(data, *names)
    return "" if value is None else str(value)


def _record(path: Path, number: int, data: Any, share: float) -> Record:
    if not isinstance(data, dict):
        return Record(path, number, share=share, error=f"is no JSON object but {kind_of(data)}")
    return Record(path, number, data, share)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]

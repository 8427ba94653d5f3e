"""What a loader is: the files it needs, how its rows are read, and what a row says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import Any

from mini_o3.benchmarks.boxes import NO_BOXES, Boxes
from mini_o3.benchmarks.jsonstream import JsonStream
from mini_o3.benchmarks.options import settle, text_of_number
from mini_o3.benchmarks.pictures import Header, Picture
from mini_o3.benchmarks.rows import BadRow, Record
from mini_o3.episode import SearchTask
from mini_o3.kit.errors import UserError
from mini_o3.kit.extras import require
from mini_o3.kit.reading import json_lines, open_file
from mini_o3.kit.tables import table_header

MAX_QUESTION = 20_000  # characters


@dataclass(frozen=True, slots=True)
class Source:
    """What the user named: a folder, or one file of it."""

    root: Path
    only: Path | None = None

    @classmethod
    def of(cls, path: Path) -> Source:
        """Raises: UserError: there is nothing of that name."""
        if not path.exists():
            raise UserError(f"{path}: no such file or folder; give what you have downloaded")
        return cls(path) if path.is_dir() else cls(path.parent, path)

    def files(self, pattern: str) -> list[Path]:
        """What matches one of the patterns that `pattern` divides by `|`, sorted; of a named file only
        itself."""
        if self.only:
            return (
                [self.only]
                if any(fnmatch(self.only.name, Path(part).name) for part in pattern.split("|"))
                else []
            )
        return sorted({path for part in pattern.split("|") for path in self.root.glob(part)})


@dataclass(frozen=True, slots=True)
class Draft:
    """A task in the making: its picture is not placed yet, its boxes are as the benchmark has them."""

    picture: Picture
    question: str
    answer: str | None = None
    options: tuple[str, ...] = ()
    boxes: Boxes = NO_BOXES
    source: str = ""
    category: str = ""
    group: str = ""
    name: str = ""
    seed: int | None = None

    @classmethod
    def read(
        cls,
        picture: Picture,
        text: str,
        options: Sequence[str],
        answer: object,
        *,
        strict: bool = True,
        least: int = 0,
        **rest: Any,
    ) -> Draft:
        """A draft from a question as a benchmark words it, see `settle`; it must have `least` options or
        more.

        Raises:
            BadRow: its options and answer do not fit together.
        """
        if isinstance(answer, (list, tuple)) and len(answer) == 1:
            answer = answer[0]
        if isinstance(answer, (list, tuple, dict)):
            raise BadRow(f"its answer is {type(answer).__name__} of {len(answer)}, not one text")
        if isinstance(answer, int | float) and options:
            answer = text_of_number(answer, options)
        question, letter, plain = settle(
            text, options, None if answer is None else str(answer), strict=strict
        )
        if len(plain) < least:
            raise BadRow(f"has {len(plain)} options; {least} or more are expected")
        return cls(picture, question, letter, plain, **rest)

    def task(self, path: str, header: Header) -> SearchTask:
        """The task about the picture at `path`.

        Raises:
            BadRow: the question is empty, far too long, or not text; a box is not one of this picture.
        """
        if not self.question.strip():
            raise BadRow("its question is empty")
        if len(self.question) > MAX_QUESTION:
            raise BadRow(f"its question has {len(self.question):,} characters")
        if self.answer is not None and not self.answer.strip():
            raise BadRow("its answer is empty")
        try:
            "".join((self.question, self.answer or "", self.category, self.name, *self.options)).encode()
        except UnicodeEncodeError:
            raise BadRow("is not text in UTF-8") from None
        return SearchTask(
            path,
            self.question,
            self.answer,
            options=self.options,
            source=self.source,
            category=self.category,
            group=self.group,
            name=self.name,
            size=header.size,
            targets=self.boxes.regions(header),
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True)
class Job:
    """One reading of one data set.

    Attributes:
        root: the folder that was named, or that of the file that was.
        files: the files with rows, sorted.
        seed: of whatever is drawn: an order of options, a question about boxes.
    """

    root: Path
    files: tuple[Path, ...]
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which a data set lies on disk.

    Attributes:
        needs: patterns of files relative to the folder, all of which must be there; the first one names the
            files with rows.
        records: every row of the files, in a fixed order. It may keep a state (which rows are rotations of
            one question): it always sees all rows.
        convert: the tasks of a row, none if it holds no question; raises BadRow. It keeps no state: a run
            that goes on after an interruption does not convert what is done.
        fits: whether a file that matches the first pattern is one of this layout, by what it holds.
    """

    needs: tuple[str, ...]
    records: Callable[[Job], Iterator[Record]]
    convert: Callable[[Record, Job], list[Draft]]
    fits: Callable[[Path], bool] = lambda path: True

    def files(self, source: Source) -> list[Path]:
        """The files with rows; empty if this is not the layout of `source`."""
        return [] if self.missing(source) else self._rows(source)

    def missing(self, source: Source) -> list[str]:
        """The patterns for which there is nothing."""
        folder = Source(source.root)
        gone = [pattern for pattern in self.needs[1:] if not folder.files(pattern)]
        return gone if self._rows(source) else [self.needs[0], *gone]

    def _rows(self, source: Source) -> list[Path]:
        return [path for path in source.files(self.needs[0]) if path.is_file() and self.fits(path)]


@dataclass(frozen=True, slots=True)
class Loader:
    """A data set.

    Attributes:
        name: by which it is asked for.
        title: what people call it.
        get: where it is to be had: names of hub data sets, files.
    """

    name: str
    title: str
    get: str
    layouts: tuple[Layout, ...]


def has_keys(*names: str) -> Callable[[Path], bool]:
    """Whether the first object of a JSON file (an array, or lines) has all these keys."""
    return lambda path: set(names) <= first_keys(path)


def has_columns(*names: str, without: str = "") -> Callable[[Path], bool]:
    """Whether a table, parquet or divided by tabs, has all these columns, and not the one `without`."""
    return lambda path: set(names) <= columns(path) and without not in columns(path)


def first_keys(path: Path) -> frozenset[str]:
    """Keys of the first object of a JSON file, an array or lines; empty if it has none."""
    return _cached(path, _first_keys)


def columns(path: Path) -> frozenset[str]:
    """Names of the columns of a table; empty if it is none."""
    return _cached(path, _columns)


def _cached(path: Path, look: Callable[[Path], frozenset[str]]) -> frozenset[str]:
    """What `look` finds in a file; asked by every loader, looked for once as long as the file does not
    change."""
    try:
        stat = path.stat()
        return _look(path, look, stat.st_mtime_ns, stat.st_size)
    except (OSError, ValueError, RecursionError):
        return frozenset()


@lru_cache(maxsize=8192)
def _look(path: Path, look: Callable[[Path], frozenset[str]], changed: int, size: int) -> frozenset[str]:
    return look(path)


def _first_keys(path: Path) -> frozenset[str]:
    with open_file(path) as file:
        stream = JsonStream(file, path)
        if stream.peek() == "[":
            first = next(stream.items(), None)
            return frozenset(first) if isinstance(first, dict) else frozenset()
    return frozenset(next((line.row for line in json_lines(path)), ()))


def _columns(path: Path) -> frozenset[str]:
    if path.suffix == ".parquet":
        require("data", "reading parquet files")
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return frozenset(pq.read_schema(path).names)
        except pa.ArrowException:
            return frozenset()
    return frozenset(name.strip() for name in table_header(path, "\t"))

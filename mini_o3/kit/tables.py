"""Tables of text, cells divided by tabs or commas, some in quotes: a lone quote swallows no other row.

A cell that begins with a quote ends at the quote that stands before a divider or the end of a line, maybe
some lines further down, as the csv module and pandas write it. People and programs that know no quoting also
begin cells with quotes (`"5 inch pipe`), and the csv module then reads many rows as one. Here the quote is
part of the text where the line is a whole row without it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import open_text

_MOST_LINES, _MOST_TEXT = 1_000, 1 << 26  # lines and characters of one quoted cell that go over several lines
_CLOSING = {
    divider: re.compile(rf'((?:[^"]++|"")*+)"(?={divider}|[\r\n]|\Z)') for divider in ("\t", ",")
}  # from behind the opening quote on


class TableRow(NamedTuple):
    """One row below the header.

    Attributes:
        line: the number of its first line in the file, from 1.
        cells: its cells, by the names of the header; empty if there is an `error`.
        error: why it has none.
        at: how far into the file reading has come, in bytes.
    """

    line: int
    cells: dict[str, str]
    error: str = ""
    at: int = 0


def table_rows(path: str | os.PathLike[str], divider: str) -> Iterator[TableRow]:
    """The rows of a table below its header, one at a time; empty lines are passed over.

    Raises:
        UserError: the file cannot be opened, or is not text.
    """
    with open_text(path, newline="") as file:
        lines = _Lines(path, file)
        header = [name.strip() for name in table_header(path, divider)]
        lines.take()
        while (line := lines.take()) is not None:
            number = lines.number
            if not line.strip("\r\n"):
                continue
            cells = _cells_of(line, lines, divider, len(header))
            at = file.buffer.tell()
            if len(cells) == len(header):
                yield TableRow(number, dict(zip(header, cells, strict=True)), at=at)
            else:
                yield TableRow(number, {}, f"has {len(cells)} cells, the header {len(header)}", at)


def table_header(path: str | os.PathLike[str], divider: str) -> list[str]:
    """The names in the first line of a table.

    Raises:
        UserError: as `table_rows`.
    """
    with open_text(path, newline="") as file:
        line = _Lines(path, file).take() or ""
    return _split(line, divider)[0]


class _Lines:
    """The lines of a file with their ends, and a way to look ahead."""

    def __init__(self, path: str | os.PathLike[str], file: Iterator[str]) -> None:
        self.path, self.file, self.number = path, file, 0
        self.ahead: list[str] = []

    def take(self) -> str | None:
        line = self.ahead.pop(0) if self.ahead else self._read()
        self.number += line is not None
        return line

    def peek(self, count: int) -> str | None:
        """The line `count` (from 0) lines further on."""
        while len(self.ahead) <= count:
            if (line := self._read()) is None:
                return None
            self.ahead.append(line)
        return self.ahead[count]

    def drop(self, count: int) -> None:
        del self.ahead[:count]
        self.number += count

    def _read(self) -> str | None:
        try:
            return next(self.file, None)
        except UnicodeDecodeError:
            raise UserError(f"{self.path}: is not text in UTF-8 or UTF-16; save it as UTF-8") from None


def _cells_of(line: str, lines: _Lines, divider: str, width: int) -> list[str]:
    """The cells of a row that begins with `line`; takes further lines if a quoted cell goes on there."""
    cells, opened = _split(line, divider)
    plain = line.rstrip("\r\n").split(divider)
    if opened is None:
        return plain if len(cells) != width and len(plain) == width else cells
    return _joined(cells, opened, lines, divider, width) or plain


def _joined(cells: list[str], opened: str, lines: _Lines, divider: str, width: int) -> list[str]:
    """The cells of a row whose last cell, `opened`, goes on in the lines ahead; empty if it does not."""
    for count in range(_MOST_LINES):
        line = lines.peek(count)
        if line is None or len(opened) > _MOST_TEXT:
            return []
        end = _CLOSING[divider].match(line)
        is_row = divider == "\t" and line.count(divider) + 1 == width
        if is_row and (end is None or divider in end[1]):
            return []  # a row of its own
        if end is None:
            opened += line
            continue
        more, again = _split(line[end.end() :], divider)
        whole = [*cells, (opened + end[1]).replace('""', '"'), *more[1:]]
        if again is None:
            if len(whole) != width:
                return []
            lines.drop(count + 1)
            return whole
        cells, opened = whole, again
    return []


def _split(line: str, divider: str) -> tuple[list[str], str | None]:
    """The cells of a line, and what follows a quote that opens a cell and is not closed in this line.

    The cells end before that one.
    """
    text, at = line.rstrip("\r\n"), 0
    cells: list[str] = []
    while True:
        if text.startswith('"', at):
            end = _CLOSING[divider].match(text, at + 1)
            if end is None:
                return cells, line[at + 1 :]
            cells.append(end[1].replace('""', '"'))
            at = end.end()
        else:
            stop = text.find(divider, at)
            stop = len(text) if stop < 0 else stop
            cells.append(text[at:stop])
            at = stop
        if at >= len(text):
            return cells, None
        at += 1

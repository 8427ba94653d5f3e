"""Reading files that others may have written or damaged: one clear line says what is wrong with them."""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple, TextIO, TypeVar

from mini_o3.kit.errors import UserError

Made = TypeVar("Made")
#: What reading a value of another shape than expected raises.
SHAPE_ERRORS = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading. Nothing else is read: a pipe may wait forever, a device never ends.

    Raises:
        UserError: there is no such file, it is not a regular one, or it may not be read.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check the path") from None
    except PermissionError:
        raise UserError(f"{path}: may not be read; change its permissions (chmod u+r)") from None
    except (OSError, ValueError) as error:  # a name too long or with a NUL, a socket, a broken mount
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be opened ({reason})") from None
    kind = os.fstat(number).st_mode
    if not stat.S_ISREG(kind):
        os.close(number)
        what = (
            "a directory; give one file" if stat.S_ISDIR(kind) else "a device or a pipe; give a regular file"
        )
        raise UserError(f"{path}: is {what}")
    return os.fdopen(number, "rb")


def open_text(path: str | os.PathLike[str], newline: str | None = None) -> TextIO:
    """Open a text for reading by its lines: in UTF-8, UTF-16 or UTF-32, with or without a byte-order mark.

    Bytes that are not text become lone surrogates, as in file names, so that the line that holds them is
    known. A line ends at `\\n`, `\\r\\n` or `\\r` and nowhere else; `newline` is that of `open`.

    Raises:
        UserError: as `open_file`.
    """
    file = open_file(path)
    encoding = json.detect_encoding(file.read(4))
    file.seek(0)
    encoding = "utf-8-sig" if encoding.startswith("utf-8") else encoding
    # The detected name of a text with a mark lets the decoder take the mark away.
    return io.TextIOWrapper(file, encoding, errors="surrogateescape", newline=newline)


def read_text(path: str | os.PathLike[str]) -> str:
    """A whole text, its line ends as `\\n`.

    Raises:
        UserError: as `open_file`, or it is not text.
    """
    with open_text(path) as file:
        text = _decoded(path, file)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError(f"{path}: is not text in UTF-8 or UTF-16; save it as UTF-8") from None
    return text


def _decoded(path: str | os.PathLike[str], file: TextIO) -> str:
    try:
        return file.read()
    except UnicodeDecodeError:  # UTF-16 that ends in the middle of a character
        raise UserError(f"{path}: is not text in UTF-8 or UTF-16; save it as UTF-8") from None


def parse_json(text: str) -> Any:
    """The value that a text of JSON stands for.

    Raises:
        ValueError: it is not JSON, not text, or nested too deeply.
    """
    try:
        text.encode()
        return json.loads(text)
    except UnicodeEncodeError:
        raise ValueError("it is not text in UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, character" if error.lineno > 1 else "character"
        raise ValueError(f"{error.msg} at {where} {error.colno}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(path: str | os.PathLike[str]) -> Any:
    """The value of a JSON file.

    Raises:
        UserError: as `read_text`, or it is not JSON.
    """
    try:
        return parse_json(read_text(path))
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); mend it or get a fresh copy") from None


def read_object(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The object of a JSON file.

    Raises:
        UserError: as `read_json`, or it holds another kind of value.
    """
    data = read_json(path)
    if not isinstance(data, dict):
        raise UserError(f"{path}: holds {kind_of(data)}, not a JSON object; mend it or get a fresh copy")
    return data


class Line(NamedTuple):
    """One line of a file of JSON lines.

    Attributes:
        number: from 1.
        row: its object; empty if there is an `error`.
        error: what the line is instead, such as `not valid JSON (...)`.
        is_cut: nothing ends the line, as when a kill has cut it off.
        at: how far into the file reading has come, in bytes.
    """

    number: int
    row: dict[str, Any]
    error: str = ""
    is_cut: bool = False
    at: int = 0


def json_lines(path: str | os.PathLike[str]) -> Iterator[Line]:
    """The lines of a file of JSON lines that are not empty, one at a time.

    Raises:
        UserError: as `open_file`.
    """
    with open_text(path) as file:
        number = 0
        while True:
            number += 1
            try:
                line = file.readline()
            except UnicodeDecodeError:  # UTF-16 that ends in the middle of a character
                yield Line(number, {}, "not text", is_cut=True)
                return
            if not line:
                return
            if not line.strip():
                continue
            error, row = "", {}
            try:
                value = parse_json(line)
                if isinstance(value, dict):
                    row = value
                else:
                    error = f"no JSON object but {kind_of(value)}"
            except ValueError as problem:
                error = f"not valid JSON ({problem})"
            yield Line(number, row, error, not line.endswith("\n"), file.buffer.tell())


def made_of(row: dict[str, Any], where: str, make: Callable[[dict[str, Any]], Made], what: str) -> Made:
    """What `make` makes of a row that stands `where`.

    Raises:
        UserError: the row is of another shape.
    """
    try:
        return make(row)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    except SHAPE_ERRORS as error:
        raise UserError(f"{where}: is not {what} ({in_words(error)}); mend or remove it") from None


def in_words(error: Exception) -> str:
    """An error of reading a value, short and on one line."""
    if isinstance(error, KeyError):
        return f"{str(error.args[0] if error.args else '?')[:80]} is missing"
    return " ".join(str(error).split())[:200] or type(error).__name__


def typed(row: dict[str, Any], key: str, *kinds: type, default: Any = ...) -> Any:
    """The value of a field that must be of one of these kinds; `default` if it is not there.

    Whole numbers count as `float`; `True` and `False` are numbers of no kind.

    Raises:
        KeyError: it is not there, and there is no default.
        TypeError: it is of another kind.
    """
    value = row[key] if default is ... else row.get(key, default)
    if key not in row:
        return value
    fits = isinstance(value, kinds) or (float in kinds and isinstance(value, int))
    if not fits or (isinstance(value, bool) and bool not in kinds):
        wanted = " or ".join(_KINDS.get(kind, kind.__name__) for kind in kinds)
        raise TypeError(f"{key} should be {wanted}, it is {kind_of(value)}")
    return value


_KINDS = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "null",
}


def kind_of(value: Any) -> str:
    """The kind of a JSON value in words."""
    return _KINDS.get(type(value), type(value).__name__)

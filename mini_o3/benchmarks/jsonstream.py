"""A JSON file value by value: annotation files of gigabytes are never in memory as a whole."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from mini_o3.kit.errors import UserError

_CHUNK = 1 << 18  # characters read at first; doubled while one value is not complete
_NUMBER_TAIL = 3  # characters after a number that tell whether it is whole


class JsonStream:
    """Reads from an open file. `items` goes through an array, `keys` through an object; `value` takes
    whatever is next.

    Raises (all of them):
        UserError: the file is not valid JSON, or not of that shape.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file, self.path = file, path
        self.size = max(os.fstat(file.fileno()).st_size, 1)
        self.text, self.at, self.ended = "", 0, False
        encoding = json.detect_encoding(file.read(4))
        file.seek(0)
        encoding = "utf-8-sig" if encoding.startswith("utf-8") else encoding
        self.decoder, self.text_of = json.JSONDecoder(), codecs.getincrementaldecoder(encoding)()

    @property
    def share(self) -> float:
        """How much of the file has been read, 0..1."""
        return min(self.file.tell() / self.size, 1.0)

    def items(self) -> Iterator[Any]:
        """The values of the array that is next."""
        for _ in self._members("[", "]"):
            yield self.value()

    def keys(self) -> Iterator[str]:
        """The keys of the object that is next; after each of them, its value must be taken or passed over."""
        for _ in self._members("{", "}"):
            key = self.value()
            if not isinstance(key, str):
                raise self._bad("a key is no string")
            self._expect(":")
            yield key

    def value(self) -> Any:
        """The next value, whole."""
        self.peek()
        chunk = _CHUNK
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.at)
            except (ValueError, RecursionError) as error:
                if self.ended:
                    raise self._bad(str(error)) from None
            else:
                # A number may go on: after `1` there may come `.5` or `e+5`.
                if end + _NUMBER_TAIL <= len(self.text) or not self.text[end - 1].isdigit() or self.ended:
                    self.at = end
                    return value
            self._more(chunk)
            chunk *= 2

    def peek(self) -> str:
        """The next character that is not space; empty at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
                self.at += 1
            if self.at < len(self.text):
                return self.text[self.at]
            if self.ended:
                return ""
            self._more(_CHUNK)

    def _members(self, first: str, last: str) -> Iterator[None]:
        self._expect(first)
        if self.peek() == last:
            self.at += 1
            return
        while True:
            yield None
            if self.peek() == last:
                self.at += 1
                return
            self._expect(",")

    def _expect(self, wanted: str) -> None:
        found = self.peek()
        if found != wanted:
            raise self._bad(f"expected {wanted!r}, found {found!r}" if found else "it ends too early")
        self.at += 1

    def _more(self, size: int) -> None:
        try:
            content = self.file.read(size)
            self.text = self.text[self.at :] + self.text_of.decode(content, final=not content)
        except UnicodeDecodeError as error:
            raise self._bad(f"it is not text ({error.reason})") from None
        self.at, self.ended = 0, not content

    def _bad(self, why: str) -> UserError:
        return UserError(f"{self.path}: not valid JSON ({why}); get a fresh copy")

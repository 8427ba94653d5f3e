"""What an examination found, a line each."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """How a finding looks to whoever wants to search."""

    GOOD = "ok"
    NOTE = "note"  # works, with something to know or to set
    BAD = "FAILS"


class Finding(NamedTuple):
    """One line: what was looked at, how it looks, what was found."""

    what: str
    state: State
    detail: str

    def line(self) -> str:
        return f"{self.state:<5} {self.what}: {self.detail}"

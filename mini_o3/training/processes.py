"""The processes of a `torchrun`: who is the first, and how all come to the same decision."""

from __future__ import annotations

import os
from typing import Any


class Processes:
    """All processes of one training, seen from one of them. One that runs alone needs no torch for it."""

    def __init__(self) -> None:
        self.rank = int(os.environ.get("RANK", "0"))
        self.count = int(os.environ.get("WORLD_SIZE", "1"))

    @property
    def is_main(self) -> bool:
        """Whether this is the first process: the one that owns the folder, and speaks."""
        return self.rank == 0

    def all(self, value: Any) -> list[Any]:
        """The value of every process, in order of rank. All must call it, after accelerate was set up."""
        if self.count == 1:
            return [value]
        from accelerate.utils import gather_object

        return list(gather_object([value]))

    def any(self, want: bool) -> bool:
        """Whether any process wants to."""
        return any(self.all(want))

    def sum(self, counts: dict[str, float]) -> dict[str, float]:
        """The counts of all processes added up; all must count the same things."""
        every = self.all(counts)
        return {name: sum(part[name] for part in every) for name in counts}

"""Samples by index as a torch dataset, read by worker processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import Dataset, get_worker_info

from mini_o3.kit.errors import UserError
from mini_o3.kit.signals import leave_signals_to_the_parent
from mini_o3.sft.perception import Sample

Source = Callable[[int], list[Sample]]


class IndexedSamples(Dataset[list[Sample] | UserError]):
    """A pure function of the index as a torch dataset.

    An error in the data is returned as a value: raised in a worker it would reach the user as a traceback of
    that worker.
    """

    def __init__(self, source: Source, count: int, round_: int) -> None:
        """`round_` is how many different indices there are; 0: no end."""
        self.source, self.count, self.round = source, count, round_

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> list[Sample] | UserError:
        if get_worker_info() is not None:
            torch.set_num_threads(1)
            leave_signals_to_the_parent()
        try:
            return self.source(index % self.round if self.round else index)
        except UserError as error:
            return error


def together(items: list[list[Sample] | UserError]) -> dict[str, Any]:
    """The samples of all items as one list, or the error of one."""
    for item in items:
        if isinstance(item, UserError):
            return {"error": item}
    return {"samples": [sample for item in items if not isinstance(item, UserError) for sample in item]}

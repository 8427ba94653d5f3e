"""The log of a supervised training: a row of metrics from the counts of its last steps."""

from __future__ import annotations

from collections.abc import Sequence

from mini_o3.sft.batch import CellHead
from mini_o3.sft.model import KINDS
from mini_o3.training.metrics import Row

_KINDS = (*KINDS, "drill", *CellHead.KINDS)  # of which it is counted how many were told rightly


def summary(step: int, lr_factor: float, tallies: Sequence[dict[str, float]], seconds: float) -> Row:
    """The row of the steps since the last one; `tallies` holds the counts of each."""
    total = {key: sum(tally.get(key, 0.0) for tally in tallies) for key in {k for t in tallies for k in t}}
    row: Row = {"step": step, "lr_factor": round(lr_factor, 4), "elapsed_seconds": round(seconds, 1)}
    for name in ("loss", "cell_loss"):
        if name in total:
            row[name] = round(total[name] / len(tallies), 4)
    for kind in _KINDS:
        if total.get(f"{kind}_n"):
            row[f"accuracy_{kind}"] = round(total[f"{kind}_right"] / total[f"{kind}_n"], 4)
    row["samples"] = int(total["samples"])
    return row


def figures(row: Row) -> str:
    """The losses and accuracies of a row in one line."""
    named = ("loss", "cell_loss", *(f"accuracy_{kind}" for kind in _KINDS))
    return " ".join(f"{name.removeprefix('accuracy_')} {row[name]}" for name in named if name in row)

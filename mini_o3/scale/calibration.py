"""What measured runs say of how well machines are used: `measured.json`, fitted each time it is read.

`bench/plan.py` runs random models of several sizes on this project's processor and writes it. What carries
over to a GPU are shares: of the peak of matrix products when prompts are read and when is learnt, of the
bandwidth of memory when words are written, and the time that a layer takes whatever its size.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

MEASURED = Path(__file__).with_name("measured.json")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Shares of the peak used, seconds of one layer whatever its size, and bytes of activations.

    Attributes:
        read, learn: share of the peak of matrix products.
        write: share of the bandwidth of memory.
        overhead: seconds per layer and pass of the model.
        kept, alive: how many times the width of a layer is kept for every token until the backward pass
            (per layer, with checkpointing), and how many times the widths inside a layer are alive in it.
    """

    read: float
    learn: float
    write: float
    overhead: float
    kept: float
    alive: float


@cache
def calibration() -> Calibration:
    """The calibration that comes with the package."""
    return fit(json.loads(MEASURED.read_text(encoding="utf-8"))["runs"])


def fit(runs: Sequence[dict[str, Any]]) -> Calibration:
    """Least squares over measured runs, each row weighed by its size, so that ratios count alike."""
    reading = _solve(
        [(run["read_flops"] / run["peak"],) for run in runs], [run["read_seconds"] for run in runs]
    )
    learning = _solve(
        [(run["learn_flops"] / run["peak"],) for run in runs], [run["learn_seconds"] for run in runs]
    )
    writing = _solve(
        [(run["write_bytes"] / run["bandwidth"], run["layers"] * run["write_passes"]) for run in runs],
        [run["write_seconds"] for run in runs],
    )
    memory = _solve(
        [(run["kept_values"] * 4.0, run["alive_values"] * 4.0) for run in runs],
        [run["activation_bytes"] for run in runs],
    )
    read, learn, write = (1 / float(max(terms[0], 1e-6)) for terms in (reading, learning, writing))
    return Calibration(read, learn, write, float(writing[1]), float(memory[0]), float(memory[1]))


def _solve(rows: Sequence[Sequence[float]], wanted: Sequence[float]) -> np.ndarray:
    """Non-negative least squares of relative errors; a term that would be negative is left out."""
    a = np.asarray(rows) / np.asarray(wanted)[:, None]
    found = np.linalg.lstsq(a, np.ones(len(a)), rcond=None)[0]
    if (found >= 0).all():
        return np.asarray(found)
    kept = found > 0
    out = np.zeros(a.shape[1])
    out[kept] = np.linalg.lstsq(a[:, kept], np.ones(len(a)), rcond=None)[0]
    return out

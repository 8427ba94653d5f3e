"""A run on the terminal: a live panel where there is one, a line per step elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel as Box
from rich.table import Table

from mini_o3.grpo.config import GrpoConfig
from mini_o3.training.metrics import Row, read_metrics

_PATIENCE = 15.0  # seconds without a line
_BARS = "▁▂▃▄▅▆▇█"
_SHOWN = (
    ("reward", "reward"),
    ("answered", "answered"),
    ("over_turn", "over-turn"),
    ("void", "void"),
    ("malformed", "malformed"),
    ("zooms", "zooms per rollout"),
    ("turns", "turns per rollout"),
    ("entropy", "entropy"),
    ("clip_fraction", "clipped"),
    ("grad_norm", "gradient"),
    ("informative_questions", "informative questions"),
)


class Panel:
    """`show` takes a row per step, `rolling_out` how many questions of a step are done.

    Goes on from the rows that a resumed run has already.
    """

    def __init__(self, config: GrpoConfig, out: Path, say: Callable[[str], None]) -> None:
        self.config, self.out, self.say = config, out, say
        self.rows: list[Row] = []
        self.live: Live | None = None
        self.told = time.monotonic()  # when the last line was printed

    def __enter__(self) -> Panel:
        self.rows = [row for row in read_metrics(self.out) if "reward" in row]
        if sys.stderr.isatty():
            self.live = Live(console=Console(stderr=True), refresh_per_second=1)
            self.live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.__exit__(kind, error, trace)

    def show(self, row: Row, progress: str) -> None:
        self.rows = [*(r for r in self.rows if r["step"] < row["step"]), row]
        if self.live:
            self.live.update(self._picture(progress))
        else:
            self.told = time.monotonic()
            self.say(f"step {row['step']}/{self.config.steps} {_line(row)} | {progress}")

    def rolling_out(self, done: int, total: int, more: str = "") -> None:
        """Say now and then how many questions of the step are rolled out."""
        if time.monotonic() - self.told < (1 if self.live else _PATIENCE):
            return
        self.told = time.monotonic()
        what = f"rolling out, {done} of {total} questions"
        if not self.live:
            self.say(what)
        elif self.rows:
            self.live.update(self._picture(what))
        else:
            self.live.update(Box(what, title=f"{self.out}: step 1 of {self.config.steps}", expand=False))

    def _picture(self, progress: str) -> Box:
        row = self.rows[-1]
        table = Table.grid(padding=(0, 2))
        for key, name in _SHOWN:
            table.add_row(
                name, _figure(row[key]), sparkline([r[key] for r in self.rows if r[key] is not None])
            )
        turns = "  ".join(
            f"{number}: {count}" for number, count in enumerate(row["turns_histogram"], start=1) if count
        )
        parts: list[Any] = [table, f"turns of rollouts  {turns}"]
        parts += [f"not judged  {row['unjudged']} of {row['rollouts']} rollouts"] if row["unjudged"] else []
        looked_at = [r["validation"] for r in self.rows if "validation" in r]
        for level in looked_at[-1] if looked_at else ():
            values = [
                found[level] for found in looked_at if found.get(level) is not None
            ]  # not asked, or not judged
            if not values:
                continue
            parts.append(f"validation {level}  {values[-1]:.3f}  {sparkline(values)}")
        title = f"{self.out}: step {row['step']} of {self.config.steps}, {progress}"
        return Box(Group(*parts), title=title, expand=False)


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """The last `width` values as bars between their least and their greatest."""
    values = values[-width:]
    if not values:
        return ""
    low, high = min(values), max(values)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((value - low) * scale)] for value in values)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _line(row: Row) -> str:
    figures = " ".join(f"{key} {_figure(row[key])}" for key, _ in _SHOWN if key != "informative_questions")
    figures += f" unjudged {row['unjudged']}/{row['rollouts']}" if row["unjudged"] else ""
    looked = " ".join(f"{level} {value}" for level, value in row.get("validation", {}).items())
    figures += f" informative {row['informative_questions']}/{row['questions']}"
    figures += f" trained on {row['trained_rollouts']}"
    return figures + (f" validation {looked}" if looked else "")

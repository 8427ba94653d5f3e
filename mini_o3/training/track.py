"""Metrics of a training on somebody's dashboard: trackio, TensorBoard or Weights & Biases, if installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from mini_o3.kit.errors import SettingError
from mini_o3.kit.extras import require
from mini_o3.training.metrics import Row


class Tracker(Protocol):
    """Gets the settings of a run once, then every row of its log."""

    def start(self, out: Path, settings: dict[str, Any]) -> None: ...

    def log(self, row: Row) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Writes event files to the folder `tensorboard` of the run."""

    def start(self, out: Path, settings: dict[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(out / "tensorboard"))

    def log(self, row: Row) -> None:
        for name, value in figures(row):
            self.writer.add_scalar(name, value, row["step"])

    def close(self) -> None:
        self.writer.close()


class Dashboard:
    """trackio or wandb, whose interfaces agree: project `mini-o3`, one run by the name of its folder."""

    def __init__(self, module: str) -> None:
        self.module = module

    def start(self, out: Path, settings: dict[str, Any]) -> None:
        self.api = import_module(self.module)
        self.api.init(project="mini-o3", name=out.resolve().name, config=settings)

    def log(self, row: Row) -> None:
        self.api.log(dict(figures(row)), step=row["step"])

    def close(self) -> None:
        self.api.finish()


TRACKERS = ("tensorboard", "trackio", "wandb")


def open_tracker(name: str) -> Tracker:
    """The tracker of that name; it connects and writes nothing before it is started.

    Raises:
        UserError: there is none of that name, or it is not installed.
    """
    if name not in TRACKERS:
        raise SettingError("track", f"unknown; choose one of {', '.join(TRACKERS)}", name)
    require(name, f"tracking with {name}")
    return TensorBoard() if name == "tensorboard" else Dashboard(name)


def figures(row: Row, prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a row but its step; those of an object in it as `validation/easy`."""
    for name, value in row.items():
        if isinstance(value, dict):
            yield from figures(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and name != "step":
            yield prefix + name, value

"""The curves of a suite: accuracy by turn limit, and what the trainings logged."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from mini_o3.kit.extras import require
from mini_o3.kit.files import write_text
from mini_o3.reproduce.suite import Suite

Runs = dict[str, dict[str, Any]]  # run -> level -> report of `evaluate`


_TRAINING = (
    ("reward", "reward"),
    ("over_turn", "share out of turns"),
    ("turns", "turns per rollout"),
    ("entropy", "entropy"),
)


def levels_of(suite: Suite, found: Runs) -> Sequence[str]:
    """Those that anything was measured on yet; all if nothing was."""
    measured = [level for level in suite.measure.levels if any(level in of_run for of_run in found.values())]
    return measured or suite.measure.levels


def plot_curves(suite: Suite, found: Runs, path: Path) -> None:
    plt = _pyplot()
    levels, colours = levels_of(suite, found), _colours(list(found))
    figure, axes = plt.subplots(
        1, len(levels), figsize=(5.5 * len(levels), 4), squeeze=False, layout="constrained"
    )
    for axis, level in zip(axes[0], levels, strict=True):
        for name, reports in found.items():
            if level in reports:
                points = reports[level]["curve"]
                limits = [int(limit) for limit in points]
                accuracy = [100 * (point["accuracy"] or 0) for point in points.values()]
                error = [100 * (point["stderr"] or 0) for point in points.values()]
                axis.errorbar(limits, accuracy, error, capsize=2, label=name, color=colours[name])
        for name, figures in suite.paper.items() if level == "hard" else ():
            limits = [int(limit) for limit in figures]
            axis.plot(limits, [100 * value for value in figures.values()], "x--", color="grey", alpha=0.7)
            axis.annotate(
                f"paper: {name}", (limits[-1], 100 * list(figures.values())[-1]), fontsize=7, color="grey"
            )
        axis.set(xlabel="turn limit", ylabel="accuracy, %", title=level, ylim=(0, 100))
        axis.grid(alpha=0.3)
    _legend(figure, axes[0][0])
    figure.suptitle(suite.title)
    _save(figure, path)
    plt.close(figure)


def _colours(names: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """A colour for every arm, and a shade of it for every seed: `masked_1` and `masked_2` are one arm."""
    from matplotlib.colors import to_rgb

    arms: dict[str, list[str]] = {}
    for name in names:
        arms.setdefault(re.sub(r"[_-]\d$", "", name), []).append(name)
    found = {}
    for number, seeds in enumerate(arms.values()):
        for seed, name in enumerate(seeds):
            towards_white = 0.55 * seed / max(len(seeds) - 1, 1)
            found[name] = tuple(c + (1 - c) * towards_white for c in to_rgb(f"C{number}"))
    return found


def _legend(figure: Any, axis: Any) -> None:
    """Below the curves, where it hides none of them."""
    handles, names = axis.get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 6), fontsize=8)


def plot_training(logs: dict[str, list[dict[str, Any]]], path: Path) -> None:
    plt = _pyplot()
    colours = _colours(list(logs))
    figure, axes = plt.subplots(1, len(_TRAINING), figsize=(4.2 * len(_TRAINING), 3.4), layout="constrained")
    for axis, (key, title) in zip(axes, _TRAINING, strict=True):
        for name, log in logs.items():
            rows = [row for row in log if row["step"]]  # the first line is what training starts from
            if rows:
                axis.plot(
                    [row["step"] for row in rows],
                    _smooth([row[key] for row in rows]),
                    color=colours[name],
                    label=name,
                    linewidth=1.2,
                )
        axis.set(xlabel="step", title=title)
        axis.grid(alpha=0.3)
    _legend(figure, axes[0])
    _save(figure, path)
    plt.close(figure)


def _save(figure: Any, path: Path) -> None:
    """As lines and text, to a point, without names of groups: the same for the same figures, and small."""
    drawn = io.StringIO()
    with _pyplot().rc_context({"svg.fonttype": "none", "svg.hashsalt": "mini_o3"}):
        figure.savefig(drawn, bbox_inches="tight", format="svg", metadata={"Date": None})
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", drawn.getvalue(), flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r' (?:d|x|y)="[^"]*"', lambda found: re.sub(r"-?\d+\.\d+", _whole, found[0]), svg)
    write_text(path, svg)


def _whole(number: re.Match[str]) -> str:
    return f"{float(number[0]):.0f}"


def _smooth(values: Sequence[float | None], width: int = 5) -> list[float]:
    """Mean of those of the last `width` values that there are; not a number if there is none."""
    windows = (values[max(0, i - width + 1) : i + 1] for i in range(len(values)))
    known = ([value for value in window if value is not None] for window in windows)
    return [mean(window) if window else math.nan for window in known]


def _pyplot() -> Any:
    require("plots", "the report of a suite")
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt

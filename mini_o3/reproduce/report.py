"""Tables and plots of a suite, with the paper's figures beside ours."""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from mini_o3.kit.extras import require
from mini_o3.kit.files import write_json, write_text
from mini_o3.kit.run import revision
from mini_o3.reproduce.suite import Check, Suite
from mini_o3.training.metrics import read_metrics

Runs = dict[str, dict[str, Any]]  # run -> level -> report of `evaluate`
_KEPT = (
    "tasks",
    "episodes",
    "accuracy",
    "stderr",
    "pass_at_k",
    "maj_at_k",
    "turns_mean",
    "turns_mean_correct",
    "over_turn_rate",
    "void_rate",
    "curve",
    "patterns",
)
_TRAINING = (
    ("reward", "reward"),
    ("over_turn", "share out of turns"),
    ("turns", "turns per rollout"),
    ("entropy", "entropy"),
)


def write_report(suite: Suite, found: Runs, out: Path) -> Path:
    """Write `out/report.md`, `report.json`, `curves.svg` and, where something was trained, `training.svg`.

    `report.json` has the figures of the tables; all figures of a measurement are in its own
    `RUN/LEVEL/report.json`.
    """
    figures = {
        name: {level: {key: report.get(key) for key in _KEPT} for level, report in of_run.items()}
        for name, of_run in found.items()
    }
    write_json(
        out / "report.json", {"suite": suite.model_dump(mode="json"), "runs": figures, "revision": revision()}
    )
    measure = suite.measure
    levels = _levels(suite, found)
    lines = [f"# {suite.title}", "", suite.question, ""]
    lines += [
        (
            f"{measure.probes} held-out probes per level, Avg@{measure.samples} at temperature"
            f" {measure.temperature:g}, {measure.turns} turns; +- is one standard error over probes, in the"
            " claims over training seeds too."
        ),
        "",
    ]
    for level in levels:
        lines += [f"## {level}", "", *_table(suite, found, level), ""]
    if suite.checks:
        lines += ["## What was claimed", "", "| claim | found | |", "| --- | --- | --- |"]
        lines += [
            f"| {check.text} | {text} | {'yes' if holds else 'no'} |"
            for check, holds, text in decide(suite, found)
        ]
        lines += [""]
    lines += ["![accuracy over turn limits](curves.svg)", ""]
    _plot_curves(suite, found, out / "curves.svg")
    logs = {name: read_metrics(out / name) for name in suite.runs}
    for name, log in logs.items():
        settings = suite.settings(name)
        if settings and log and log[-1]["step"] < settings.steps:
            lines += [f"The training of {name} ended after {log[-1]['step']} of {settings.steps} steps.", ""]
    if any(logs.values()):
        _plot_training(logs, out / "training.svg")
        lines += ["![training](training.svg)", ""]
    lines += ["## Ways of reasoning", "", *_patterns(found, levels), ""]
    lines += [suite.notes, ""] if suite.notes else []
    write_text(out / "report.md", "\n".join(lines))
    return out / "report.md"


def _levels(suite: Suite, found: Runs) -> Sequence[str]:
    """Those that anything was measured on yet; all if nothing was."""
    measured = [level for level in suite.measure.levels if any(level in of_run for of_run in found.values())]
    return measured or suite.measure.levels


def decide(suite: Suite, found: Runs) -> list[tuple[Check, bool, str]]:
    """Every check that can be decided: whether it holds, and the figures that say so.

    The runs that were measured decide; if there are others, it says so.
    """
    out = []
    for check in suite.checks:
        points = [_mean(found, check.runs, check.level, limit) for limit in check.limits]
        other = _mean(found, check.than, check.level, check.limits[-1]) if check.than else (0.0, 0.0)
        if other is None or any(point is None for point in points):
            continue
        known = [point for point in points if point is not None]
        first, last = known[0][0], known[-1][0]
        shown = ", ".join(
            f"{limit}: {100 * value:.1f} +- {100 * error:.1f}%"
            for limit, (value, error) in zip(check.limits, known, strict=True)
        )
        if check.kind == "rises":
            holds, text = all(a < b for (a, _), (b, _) in itertools.pairwise(known)), shown
        elif check.kind == "ratio":
            ratio = last / first if first else float("inf")
            holds, text = last > 0 and ratio >= check.bound, f"{ratio:.2f} ({shown})"
        elif check.kind == "margin":
            gain, error = last - other[0], math.hypot(known[-1][1], other[1])
            holds = gain >= check.bound
            text = f"{100 * gain:+.1f} +- {100 * error:.1f} points ({last:.1%} against {other[0]:.1%})"
        else:
            gain, error = _gain(found, check)
            holds, text = (
                last > 0 and gain <= check.bound,
                f"{100 * gain:+.1f} +- {100 * error:.1f} points ({shown})",
            )
        listed = [*check.runs, *check.than]
        measured = sum(check.level in found.get(run, {}) for run in listed)
        out.append(
            (check, holds, text if measured == len(listed) else f"{text}; {measured} of {len(listed)} runs")
        )
    return out


def _mean(found: Runs, runs: Sequence[str], level: str, limit: int) -> tuple[float, float] | None:
    """Mean accuracy over the runs that were measured and its standard error; None if none was, or not at that
    limit.

    The error is that of the probes, which the runs share, so the mean of theirs, and that of training, which
    is the spread of the runs over the root of their number.
    """
    points = [found[run][level]["curve"].get(str(limit), {}) for run in runs if level in found.get(run, {})]
    if not points or any(point.get("accuracy") is None for point in points):
        return None
    found_there = [point["accuracy"] for point in points]
    of_probes = mean(point["stderr"] or 0.0 for point in points)
    of_training = stdev(found_there) / math.sqrt(len(points)) if len(points) > 1 else 0.0
    return mean(found_there), math.hypot(of_probes, of_training)


def _gain(found: Runs, check: Check) -> tuple[float, float]:
    """What the last of the limits gains on the first, mean over the runs, and its standard error.

    A search that is right within the first limit is so within the last: what a probe gains is its share of
    searches that are
    right between the two, so never below 0, and its variance at most gain x (1 - gain).
    """
    reports = [found[run][check.level] for run in check.runs if check.level in found.get(run, {})]
    first, last = str(check.limits[0]), str(check.limits[-1])
    gains = [report["curve"][last]["accuracy"] - report["curve"][first]["accuracy"] for report in reports]
    gain = mean(gains)
    of_probes = math.sqrt(max(gain * (1 - gain), 0.0) / min(report["tasks"] for report in reports))
    of_training = stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else 0.0
    return gain, math.hypot(of_probes, of_training)


def _table(suite: Suite, found: Runs, level: str) -> list[str]:
    limits = sorted(
        {int(limit) for reports in found.values() for limit in reports.get(level, {}).get("curve", {})}
    )
    lines = [
        f"| run | {' | '.join(f'@{limit}' for limit in limits)} | turns | of right ones | out of turns |"
        " void |"
    ]
    lines += ["| --- " * (len(limits) + 5) + "|"]
    for name, reports in found.items():
        if level not in reports:
            continue
        report = reports[level]
        points = [report["curve"].get(str(limit), {}) for limit in limits]
        cells = [
            (
                ""
                if p.get("accuracy") is None
                else f"{100 * p['accuracy']:.1f} +- {100 * (p['stderr'] or 0):.1f}"
            )
            for p in points
        ]
        stops, episodes = report["stops"], report["episodes"]
        cells += [f"{report['turns_mean']:.1f}", f"{report['turns_mean_correct'] or 0:.1f}"]
        cells += [f"{report['over_turn_rate']:.1%}", f"{stops.get('void', 0) / episodes:.1%}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for name, theirs in suite.paper.items() if level == "hard" else ():
        cells = [f"{100 * theirs[str(limit)]:.1f}" if str(limit) in theirs else "" for limit in limits]
        lines.append(f"| paper: {name} | {' | '.join(cells)} | | | | |")
    return lines


def _patterns(found: Runs, levels: Sequence[str]) -> list[str]:
    names: list[str] = next((list(r["patterns"]) for reports in found.values() for r in reports.values()), [])
    lines = [
        f"| run | level | {' | '.join(name.replace('_', ' ') for name in names)} |",
        "| --- " * (len(names) + 2) + "|",
    ]
    for run, reports in found.items():
        for level in levels:
            if level in reports:
                cells = [f"{reports[level]['patterns'][name]:.2f}" for name in names]
                lines.append(f"| {run} | {level} | {' | '.join(cells)} |")
    return lines


def _plot_curves(suite: Suite, found: Runs, path: Path) -> None:
    plt = _pyplot()
    levels, colours = _levels(suite, found), _colours(list(found))
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


def _plot_training(logs: dict[str, list[dict[str, Any]]], path: Path) -> None:
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

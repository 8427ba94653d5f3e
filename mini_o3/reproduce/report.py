"""Tables and plots of a suite, with the paper's figures beside ours."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

from mini_o3.kit.files import write_json, write_text
from mini_o3.kit.run import revision
from mini_o3.reproduce.plots import Runs, levels_of, plot_curves, plot_training
from mini_o3.reproduce.suite import Check, Suite
from mini_o3.training.metrics import read_metrics

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
    levels = levels_of(suite, found)
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
    plot_curves(suite, found, out / "curves.svg")
    logs = {name: read_metrics(out / name) for name in suite.runs}
    for name, log in logs.items():
        settings = suite.settings(name)
        if settings and log and log[-1]["step"] < settings.steps:
            lines += [f"The training of {name} ended after {log[-1]['step']} of {settings.steps} steps.", ""]
    if any(logs.values()):
        plot_training(logs, out / "training.svg")
        lines += ["![training](training.svg)", ""]
    lines += ["## Ways of reasoning", "", *_patterns(found, levels), ""]
    lines += [suite.notes, ""] if suite.notes else []
    write_text(out / "report.md", "\n".join(lines))
    return out / "report.md"


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

"""Run a suite: train what is not trained yet, measure what is not measured yet, report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mini_o3.episode import read_tasks
from mini_o3.evaluate.evaluation import Evaluator
from mini_o3.evaluate.protocol import PROTOCOL_FILE, Protocol
from mini_o3.grpo.config import GrpoConfig
from mini_o3.grpo.train import Report, train
from mini_o3.grpo.watch import alarm, starved
from mini_o3.kit.config import defaults_of
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import make_folder
from mini_o3.kit.progress import OnProgress
from mini_o3.kit.reading import read_object
from mini_o3.kit.run import ensure_same_run, same_settings
from mini_o3.kit.signals import stop_signals
from mini_o3.models.shipped import checkpoint_in
from mini_o3.models.vlm import steps_of, weights_hash
from mini_o3.probes.shapes import TRAINING_SEEDS
from mini_o3.probes.shapes.build import make_probes
from mini_o3.reproduce.report import write_report
from mini_o3.reproduce.suite import Measurement, Suite
from mini_o3.training.metrics import read_metrics

CONCURRENT = 96


def run_suite(
    suite: Suite,
    out: Path,
    *,
    only: str | None = None,
    say: Callable[[str], None],
    progress: Callable[[str], OnProgress],
    training: Callable[[Any, Path], Any],
) -> Path:
    """Train and measure every run of a suite, or `only` one of them, and write `out/report.md` with its
    plots.

    Everything goes on where it stopped: trainings from their last checkpoint, measurements from their last
    episode, and what
    is finished is kept. `progress` makes a progress line for something; `training` makes a context that shows
    a training.

    Raises:
        UserError: a checkpoint is missing, or `out` holds another measurement, a run with other settings, or
            one that was measured and is not at the end of its training, or not there at all.
        KeyboardInterrupt: a training was stopped from outside; it is saved.
    """
    chosen = [name for name in suite.runs if only is None or name == only]
    for name in chosen:
        _refuse(suite, name, out / name)
    ensure_same_run(make_folder(out), {"measure": suite.measure.model_dump(mode="json")})
    probes = _probes(suite.measure, out / "probes", progress)
    for name in chosen:
        with stop_signals() as stopping:
            model = _trained(suite, name, out / name, say, training)
        if stopping():
            raise KeyboardInterrupt  # what is half trained is not measured
        for level, folder in probes.items():
            say(f"{name}: {suite.measure.probes} {level} probes x {suite.measure.samples}")
            _measure(
                suite.measure, model, folder, out / name / level, progress(f"episodes of {name}, {level}")
            )
    # read now, not in passing: another process may have measured another run meanwhile
    found = {name: _reports(suite, name, out / name) for name in suite.runs}
    return write_report(suite, found, out)


def _refuse(suite: Suite, name: str, out: Path) -> None:
    """What cannot be run, or not without losing what was measured, before anything is made."""
    settings = suite.settings(name)
    if settings is None:
        if not (checkpoint := checkpoint_in(suite.runs[name]["checkpoint"])).is_dir():
            raise UserError(f"{name}: no checkpoint in {checkpoint}; make it, or run others with `only`")
        return
    if _ended(settings, out):
        return
    if any((out / level / PROTOCOL_FILE).exists() for level in suite.measure.levels):
        gone = steps_of(out / "model") is None
        why = (
            ", and its weights are not here; to train it again"
            if gone
            else " before it had all its steps; to do that"
        )
        raise UserError(f"{out}: was measured{why}, give another `out` folder")
    if settings.start and not checkpoint_in(settings.start).is_dir():
        raise UserError(
            f"{name}: no checkpoint in {settings.start} to start from; make it, or run others with `only`"
        )


def _ended(settings: GrpoConfig, out: Path) -> bool:
    """Whether a training is over: it has all its steps, or was stopped by an alarm or since it learnt
    nothing."""
    steps = steps_of(out / "model")
    if steps is None:
        return False
    rows = [row for row in read_metrics(out) if 0 < row["step"] <= steps]  # the first may be of before
    return steps >= settings.steps or bool(alarm(rows, settings) or starved(rows, settings))


def _probes(measure: Measurement, out: Path, progress: Callable[[str], OnProgress]) -> dict[str, Path]:
    folders: dict[str, Path] = {level: out / level for level in measure.levels}
    for level, folder in folders.items():
        make_probes(level, measure.probes, TRAINING_SEEDS, folder, progress=progress(f"{level} probes"))
    return folders


def _trained(
    suite: Suite, name: str, out: Path, say: Callable[[str], None], training: Callable[[Any, Path], Any]
) -> Path:
    settings = suite.settings(name)
    if settings is None:
        return checkpoint_in(suite.runs[name]["checkpoint"])
    if _ended(settings, out) and _recorded_as(settings, out):
        return out / "model"
    say(f"{name}: {settings.steps} steps of reinforcement learning in {out}")
    with training(settings, out) as panel:
        show: Report = panel.show
        return train(settings, out, report=show, say=say)


def _measure(measure: Measurement, model: Path, tasks: Path, out: Path, progress: OnProgress) -> None:
    found = read_tasks(tasks)[: measure.probes]
    protocol = Protocol(
        turns=measure.turns, samples=measure.samples, temperature=measure.temperature, judge="exact"
    )
    Evaluator(f"hf:{model}", str(tasks), found, concurrent=CONCURRENT).measure(protocol, out, progress)


def _reports(suite: Suite, name: str, out: Path) -> dict[str, Any]:
    """Level -> report, of what has been measured; nothing of a run with other settings, or of weights since
    replaced."""
    settings = suite.settings(name)
    if settings is not None and _recorded_as(settings, out) is False:
        return {}
    model = checkpoint_in(suite.runs[name].get("checkpoint", out / "model"))
    if model.is_dir():  # a record that came without weights is taken at its word
        protocols = [out / level / PROTOCOL_FILE for level in suite.measure.levels]
        weights = {read_object(path).get("weights") for path in protocols if path.exists()}
        if weights - {weights_hash(model)}:
            return {}
    paths = {level: out / level / "report.json" for level in suite.measure.levels}
    return {level: read_object(path) for level, path in paths.items() if path.exists()}


def _recorded_as(settings: GrpoConfig, out: Path) -> bool | None:
    """Whether the run in `out` says that it has these settings, and as many steps; None if it says
    nothing."""
    record = out / "config.json"
    if not record.exists():
        return None
    kept = {**defaults_of(GrpoConfig), **read_object(record)["config"]}
    wanted = json.loads(settings.model_dump_json())
    return all(
        same_settings(kept.get(key), value)
        for key, value in wanted.items()
        if key not in settings.free_to_change - {"steps"}
    )

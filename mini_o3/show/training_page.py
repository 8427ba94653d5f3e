"""A training run as one self-contained HTML page: its curves over the steps, and its settings.

Any run is drawn: reinforcement learning, imitation, perception, grounding, and whatever else writes rows with
a `step`. What is not known by name is drawn under its own name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from mini_o3.kit.errors import UserError
from mini_o3.kit.files import write_text
from mini_o3.kit.reading import read_object
from mini_o3.show.line_chart import Line, line_chart
from mini_o3.show.page import page_head
from mini_o3.training.metrics import METRICS, METRICS_FILE, Row, read_metrics

LOGS = (METRICS_FILE, "log.jsonl")  # the second of the grounding system

_WORDS = ("other", "number", "colour", "shape", "digit")
_CELLS = ("here", "colour", "shape", "digit", "x", "y")
#: Charts in the order of the page: title, names of the metrics on it, whether they are shares.
CHARTS = (
    ("Reward", ("reward",), True),
    ("Validation accuracy", ("validation/",), True),
    ("How rollouts end", ("answered", "over_turn", "void"), True),
    ("Turns per rollout", ("turns", "zooms"), False),
    ("Entropy", ("entropy",), False),
    ("Clipped tokens", ("clip_fraction",), False),
    ("Gradient norm", ("grad_norm", "norm"), False),
    ("Loss", ("loss",), False),
    ("Cell loss", ("cell_loss",), False),
    ("Accuracy of words", tuple(f"accuracy_{kind}" for kind in _WORDS), True),
    ("Accuracy in drills", ("accuracy_drill",), True),
    ("Accuracy of cells", tuple(f"accuracy_cell_{kind}" for kind in _CELLS), True),
    ("Measured on held-out pictures", ("mAP", "ndcg@10"), True),
    ("Malformed turns", ("malformed",), True),
    ("Questions of a step", ("questions", "informative_questions"), False),
    ("Rollouts of a step", ("rollouts", "trained_rollouts", "unjudged"), False),
    ("Tokens per turn", ("tokens_per_turn",), False),
    ("Seconds of a step", ("rollout_seconds", "learner_seconds"), False),
    ("Learning rate", ("lr_factor", "lr"), False),
)  # fmt: skip
_LEFT_OUT = {"step", "elapsed_seconds", "samples", "updates"}  # say nothing as a curve
_TILES = ("reward", "over_turn", "turns", "entropy", "clip_fraction", "loss", "mAP")


def training_log(folder: Path) -> str | None:
    """The name of the log in a folder of a training run; None if it is none."""
    return next((name for name in LOGS if (folder / name).is_file()), None)


def write_training_page(folder: Path, out: Path) -> str:
    """Write the page of the run in `folder` to `out` and return a line that says what is on it.

    Raises:
        UserError: the log has no step yet, or a file of the run cannot be read.
    """
    log = training_log(folder) or METRICS_FILE
    rows = read_metrics(folder, log)
    lines = curves(rows)
    if not lines:
        raise UserError(f"{folder / log}: holds no step yet; train first")
    record = read_object(folder / "config.json") if (folder / "config.json").is_file() else {}
    config = record.get("config")
    settings: dict[str, Any] = config if isinstance(config, dict) else {}
    last = rows[-1]["step"]
    steps = settings.get("steps") or 0
    charts = list(_charts(lines))
    title = f"Training {folder.resolve().name}"
    reached = f"step {last}" + (f" of {steps}" if steps else "")
    text = (
        page_head(title, "training.css")
        + f'<header><h1>{escape(title)}</h1><p class="meta">{reached}; code '
        + f"{escape(str(record.get('revision', 'not known')))}</p>"
        + f'<dl class="figures">{"".join(_tiles(lines))}</dl></header><main>'
        + f'<div class="charts">{"".join(charts)}</div>'
        + (f"<h2>Settings</h2>{_table(settings)}" if settings else "")
        + "</main></body></html>\n"
    )
    write_text(out, text)
    return f"{out}: {len(charts)} charts over {last} steps"


def curves(rows: Sequence[Row]) -> dict[str, Line]:
    """Name -> its (step, value) points, of everything in a log that is a number."""
    found: dict[str, Line] = {}
    for row in rows:
        for name, value in _numbers(row):
            found.setdefault(name, []).append((row["step"], value))
    return found


def _numbers(row: Row, prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and name not in _LEFT_OUT:
            yield prefix + name, value


def _charts(lines: dict[str, Line]) -> Iterator[str]:
    drawn: set[str] = set()
    for title, names, is_share in CHARTS:
        chosen = {
            name: points
            for wanted in names
            for name, points in lines.items()
            if name == wanted or (wanted.endswith("/") and name.startswith(wanted))
        }
        if chosen:
            drawn |= set(chosen)
            yield _figure(title, chosen, is_share)
    for name, points in lines.items():
        if name not in drawn:
            yield _figure(name, {name: points}, False)


def _figure(title: str, lines: dict[str, Line], is_share: bool) -> str:
    told = [METRICS[name] for name in lines if name in METRICS]
    help_ = f'<p class="help">{escape("; ".join(told))}</p>' if len(told) == 1 else ""
    named = {
        name.rpartition("/")[2].removeprefix("accuracy_").replace("_", " "): p for name, p in lines.items()
    }
    chart = line_chart(named, label=f"{title} over steps", is_share=is_share)
    return f"<figure><figcaption>{escape(title)}</figcaption>{chart}{help_}</figure>"


def _plain(name: str) -> str:
    return name.rpartition("/")[2].removeprefix("accuracy_").replace("_", " ")


def _tiles(lines: dict[str, Line]) -> Iterator[str]:
    """The last values of what one looks at first."""
    chosen = [name for name in _TILES if name in lines]
    chosen += [name for name in lines if name.startswith("validation/")]
    for name in chosen:
        step, value = lines[name][-1]
        said = name.replace("_", " ").replace("/", " ")
        yield f"<div><dt>{escape(said)}</dt><dd>{value:.3g}</dd><span>step {step}</span></div>"


def _table(settings: dict[str, Any]) -> str:
    lines = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td>{escape(_value(value))}</td></tr>"
        for name, value in settings.items()
    )
    return f'<table class="settings">{lines}</table>'


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

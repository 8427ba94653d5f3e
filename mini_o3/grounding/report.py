"""Tables and pages: evaluations side by side, and one prediction step by step."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from PIL import Image

from mini_o3.grounding.predict import Prediction
from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import read_object
from mini_o3.vision.draw import data_url

_COLUMNS = ("mAP", *(f"recall@{k}" for k in (5, 10, 20)), *(f"ndcg@{k}" for k in (5, 10, 20)))


def table(files: list[Path]) -> str:
    """The evaluations of `evaluate` as the source's table in Markdown, slices and categories below it.

    Raises:
        UserError: a file is no evaluation.
    """
    rows = [(path, read_object(path)) for path in files]
    head = ("Run", "n", *_COLUMNS, "Steps", "FPS", "Memory (GB)", "Hardware")
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for path, row in rows:
        if not all(isinstance(row.get(name), int | float) for name in (*_COLUMNS, "n", "steps", "fps")):
            raise UserError(f"{path}: is no evaluation; give files that `mini-o3 grounding eval` wrote")
        figures = [_figure(row, name) for name in _COLUMNS]
        lines.append(
            " | ".join(
                [
                    str(row.get("run", path.stem)),
                    str(row["n"]),
                    *figures,
                    f"{row['steps']:.2f}",
                    f"{row['fps']:.2f}",
                    f"{row.get('memory_gb', 0):.2f}",
                    str(row.get("hardware", "")),
                ]
            )
        )
    text = "".join(f"| {line} |\n" for line in lines)
    for path, row in rows:
        text += f"\n{row.get('run', path.stem)}: of things of a kind, found among the first ten boxes\n\n"
        text += "| things | n | recall@10 |\n| --- | --- | --- |\n"
        for name, part in row.get("slices", {}).items():
            text += f"| {name} | {part['n']} | {100 * part['recall@10']:.1f} |\n"
        worst = sorted(row.get("per_category", {}).items(), key=lambda item: item[1])
        text += "\n| category | mAP |\n| --- | --- |\n"
        text += "".join(f"| {name} | {100 * value:.1f} |\n" for name, value in worst)
    return text


def _figure(row: dict[str, Any], name: str) -> str:
    error = row.get(f"{name}_stderr")
    return f"{100 * row[name]:.1f}" + (f" +- {100 * error:.1f}" if isinstance(error, float) else "")


def sheet(prediction: Prediction) -> Image.Image:
    """The drawings of all steps side by side."""
    width, height = prediction.steps[0].size
    whole = Image.new("RGB", (width * len(prediction.steps), height))
    for place, step in enumerate(prediction.steps):
        whole.paste(step, (place * width, 0))
    return whole


def page(name: str, prediction: Prediction) -> str:
    """A page of one prediction; it needs no network."""
    boxes = "".join(
        f"<tr><td>{p.score:.3f}<td>{', '.join(f'{v:.3f}' for v in p.region.xyxy)}"
        for p in prediction.proposals
    )
    steps = "".join(f'<img src="{data_url(step)}" alt="">' for step in prediction.steps)
    found = f"<table><tr><th>score<th>box{boxes}</table>" if boxes else "<p>nothing found</p>"
    return (
        f'<!doctype html><meta charset="utf-8"><title>{html.escape(name)}</title>'
        "<style>body{font-family:sans-serif;margin:2em}img{margin:2px}td,th{padding:2px 12px}</style>"
        f"<h1>{html.escape(name)}</h1>{found}{steps}\n"
    )

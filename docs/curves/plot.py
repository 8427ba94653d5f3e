"""Draw nano.png from the metrics beside this file. Needs matplotlib, which nothing else here needs."""

import json
from pathlib import Path

import matplotlib.pyplot as plt

HERE = Path(__file__).parent
STAGES = (
    "perception",
    "sft",
    "sft_2",
    "sft_3",
    "sft_4",
    "sft_5",
    "sft_6",
    "sft_7",
    "sft_8",
    "sft_9",
    "sft_10",
    "sft_11",
    "sft_12",
    "sft_13",
    "sft_14",
    "sft_15",
)
SPOKEN = ("number", "colour", "shape", "digit", "drill")
CELLS = ("cell_here", "cell_colour", "cell_shape", "cell_digit", "cell_x")
WIDTH = 6  # rows (of ten steps each) that a point is the mean of


def main() -> None:
    figure, axes = plt.subplots(2, 1, figsize=(13, 8), sharex=True)
    begin = 0
    for stage in STAGES:
        rows = [json.loads(line) for line in (HERE / f"{stage}.jsonl").read_text().splitlines()]
        for axis, keys in zip(axes, (SPOKEN, CELLS), strict=True):
            for index, key in enumerate(keys):
                points = [(begin + row["step"], row[key]) for row in rows if key in row]
                axis.plot(
                    *smooth(points),
                    color=f"C{index}",
                    label=key if begin == 0 or key == "drill" else None,
                    linewidth=1.2,
                )
            axis.axvline(begin, color="grey", linewidth=0.8)
            axis.text(begin + 8, 0.02, stage, fontsize=9)
        begin += rows[-1]["step"]
    for axis, what in zip(axes, ("spoken tokens", "cells of a view"), strict=True):
        axis.set(ylabel=f"{what}: share right", ylim=(0, 1))
        axis.grid(alpha=0.3)
        handles = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        axis.legend(handles.values(), handles.keys(), loc="lower right", fontsize=8)
    axes[1].set_xlabel("step; training batches, what a batch holds differs by round")
    figure.tight_layout()
    figure.savefig(HERE / "nano.png", dpi=80)


def smooth(points: list[tuple[int, float]]) -> tuple[list[int], list[float]]:
    """Running means of the last WIDTH values, over their steps."""
    values = [value for _, value in points]
    windows = [values[max(i - WIDTH + 1, 0) : i + 1] for i in range(len(values))]
    return [step for step, _ in points], [sum(window) / len(window) for window in windows]


if __name__ == "__main__":
    main()

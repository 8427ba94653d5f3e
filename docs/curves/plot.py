"""Draw nano.png from the metrics beside this file. Needs matplotlib, which nothing else here needs."""

import json
from pathlib import Path

import matplotlib.pyplot as plt

HERE = Path(__file__).parent
STAGES = {"perception": "perception", "sft": "sft, first round", "sft_2": "sft, second round"}
LINES = ("number", "colour", "shape", "digit", "cell_shape", "cell_digit", "cell_x")


def main() -> None:
    figure, axes = plt.subplots(1, len(STAGES), figsize=(15, 4.2), sharey=True)
    for axis, (name, title) in zip(axes, STAGES.items(), strict=True):
        rows = [json.loads(line) for line in (HERE / f"{name}.jsonl").read_text().splitlines()]
        for index, key in enumerate(LINES):
            points = [(row["step"], row[key]) for row in rows if key in row]
            style = "--" if key.startswith("cell") else "-"
            axis.plot(*smooth(points), style, color=f"C{index}", label=key, linewidth=1.2)
        axis.set(title=title, xlabel="step", ylim=(0, 1))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("share right on training batches (mean of 5 rows)")
    axes[-1].legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(HERE / "nano.png", dpi=80)


def smooth(points: list[tuple[int, float]], width: int = 5) -> tuple[list[int], list[float]]:
    steps, values = [p[0] for p in points], [p[1] for p in points]
    means = [
        sum(values[max(i - width + 1, 0) : i + 1]) / len(values[max(i - width + 1, 0) : i + 1]) for i in range(len(values))
    ]
    return steps, means


if __name__ == "__main__":
    main()

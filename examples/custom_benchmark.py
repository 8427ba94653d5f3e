"""A benchmark of your own: pictures and questions as JSON lines become tasks, on which policies are measured.

Here the pictures are drawn and the policy is the one of `custom_policy.py`; yours may be anything that
`--policy` takes. On the command line the same is: mini-o3 tasks import ..., mini-o3 eval ...

    python examples/custom_benchmark.py
"""

import json
from pathlib import Path

from custom_policy import COLOURS, MostColourful, picture_with_a_dot

import mini_o3

WORK = Path("runs/example-benchmark")


def write_questions(folder: Path) -> Path:
    """Pictures, and a line for each question: the picture's file, the question, the options, the answer."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for colour in COLOURS:
        picture_with_a_dot(colour).save(folder / f"{colour}.png")
        row = {"image": f"{colour}.png", "question": "What colour is the dot?", "answer": colour}
        rows.append({**row, "category": "dots"})
    rows[-1]["answer"] = "purple"  # one that the policy gets wrong
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "questions.jsonl"


if __name__ == "__main__":
    found = mini_o3.import_tasks(write_questions(WORK / "questions"), WORK / "tasks")
    print(f"{found.tasks} tasks in {WORK / 'tasks'}")
    report = mini_o3.run_evaluation(WORK / "tasks", MostColourful(), WORK / "measured", judge="exact")
    print(
        f"accuracy {report['accuracy']:.2f}, in category dots {report['categories']['dots']['accuracy']:.2f}"
    )
    print(f"open {WORK / 'measured' / 'report.md'}")

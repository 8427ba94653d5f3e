"""Measure a policy on a folder of tasks: how often it is right, how its searches ended, what it got wrong.

python examples/evaluate.py                                     # the bundled pictures, nano
python examples/evaluate.py runs/vstar api:https://HOST/v1#MODEL
"""

import sys
from pathlib import Path

import mini_o3

OUT = Path("runs/example-evaluate")


def main(tasks: str, policy: str = "nano") -> None:
    # Run it again to go on after an interruption: what is in OUT is kept, only what failed is asked again.
    report = mini_o3.run_evaluation(tasks, policy, OUT, judge="exact", say=print)
    print(f"accuracy {report['accuracy']:.3f} of {report['judged']} judged episodes")
    print(f"turns    {report['turns_mean']:.1f} on average; ends: {report['stops']}")
    for limit, point in report["curve"].items():
        print(f"  with {limit} turns at most: {point['accuracy']:.3f}")
    print(f"more in {OUT / 'report.md'}; a page of all episodes: mini-o3 report {OUT}")


if __name__ == "__main__":
    main(*(sys.argv[1:3] or [str(Path(__file__).parent / "demo")]))

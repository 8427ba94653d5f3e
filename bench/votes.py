"""What a vote of several searches is worth, by how many vote, and whether some votes should count more.

    python bench/votes.py runs/reproduce/patterns/sft/*  # folders of evaluations with several samples that
    were run here

Of K searches the first K seeds vote. With all of them, a vote also counts more or less by what its search
did; as long as none of that helps, the product counts them equal (`mini_o3/judge/votes.py`).
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from mini_o3.episode import Episode
from mini_o3.judge import judge_exact, tally
from mini_o3.kit.files import read_jsonl


def _seen(episode: Episode) -> float:
    return episode.evidence.area if episode.evidence else 1.0


WEIGHTS: dict[str, Callable[[Episode], float]] = {
    "equal": lambda episode: 1,
    "a tenth without a zoom": lambda episode: 1 if episode.num_zooms else 0.1,
    "a fifth if the last look was at more than a tenth": lambda episode: 1 if _seen(episode) < 0.1 else 0.2,
    "by the narrowness of the last look, 1 / sqrt(area)": lambda episode: _seen(episode) ** -0.5,
    "by turns, log(1 + turns)": lambda episode: math.log(1 + episode.num_turns),
    "by haste, 1 / turns": lambda episode: 1 / episode.num_turns,
}


def _right(searches: Sequence[Episode], weight: Callable[[Episode], float]) -> bool:
    groups = tally([episode.answer for episode in searches])
    if not groups:
        return False
    winner = max(groups, key=lambda group: sum(weight(searches[position]) for position in group))
    first = searches[winner[0]]
    return judge_exact(first, first.expected).is_correct


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("folders", type=Path, nargs="+", help="with episodes.jsonl")
    for folder in options.parse_args().folders:
        tasks: dict[str, list[Episode]] = defaultdict(list)
        for row in read_jsonl(folder / "episodes.jsonl"):
            tasks[row["task_id"]].append(Episode.from_dict(row))
        for searches in tasks.values():
            searches.sort(key=lambda episode: episode.seed)
        most = min(map(len, tasks.values()))
        sizes = [k for k in (1, 2, 4, 8, 16, 32) if k <= most]
        rows = [(f"{k} vote", k, WEIGHTS["equal"]) for k in sizes]
        rows += [
            (f"{most} vote, {name}", most, weight) for name, weight in WEIGHTS.items() if name != "equal"
        ]
        for name, k, weight in rows:
            share = sum(_right(searches[:k], weight) for searches in tasks.values()) / len(tasks)
            error = math.sqrt(share * (1 - share) / max(len(tasks) - 1, 1))
            print(f"{folder}: {name}: {share:.1%} +- {error:.1%} (n={len(tasks)})")
        wrong = [searches for searches in tasks.values() if not _right(searches, WEIGHTS["equal"])]
        votes = [tally([episode.answer for episode in searches]) for searches in wrong]
        agree = sum(bool(groups) and 2 * len(groups[0]) > most for groups in votes)
        beside = sum(
            "beside" in searches[0].question or "next to" in searches[0].question for searches in wrong
        )
        print(
            f"{folder}: of {len(wrong)} wrong votes {agree} are by more than half of all searches, "
            f"{votes.count([])} without any answer; {beside} are about what stands beside something"
        )


if __name__ == "__main__":
    main()

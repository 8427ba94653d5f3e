"""How many episodes of nano's end in a guess, how many guesses are right, and how often the others correct
themselves.

    python bench/guesses.py runs/reproduce/over_turn_masking/*masked*/hard  # folders of evaluations that were
    run here

A guess is an answer whose thought says that nothing was seen: nano learnt it so (`policies/lucky.py`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mini_o3.episode import Episode, StopReason
from mini_o3.episode.patterns import patterns
from mini_o3.judge import judge_exact
from mini_o3.kit.files import read_jsonl


def _guesses(episode: Episode) -> bool:
    return episode.stop is StopReason.ANSWERED and "not seen; answer" in episode.turns[-1].thought


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("folders", type=Path, nargs="+", help="with episodes.jsonl")
    for folder in options.parse_args().folders:
        episodes = [Episode.from_dict(row) for row in read_jsonl(folder / "episodes.jsonl")]
        guessed = [episode for episode in episodes if _guesses(episode)]
        right = sum(judge_exact(episode, episode.expected).is_correct for episode in guessed)
        others = [patterns(episode) for episode in episodes if not _guesses(episode)]
        corrected = sum("self_correction" in shown for shown in others)
        print(
            f"{folder}: {len(guessed)} of {len(episodes)} episodes guess, {right} of them rightly; "
            f"of the others {corrected} of {len(others)} correct themselves"
        )


if __name__ == "__main__":
    main()

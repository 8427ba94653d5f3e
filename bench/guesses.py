"""How many episodes of nano's end in a guess, and how many guesses are right, of evaluations that have been run.

    python bench/guesses.py runs/reproduce/over_turn_masking/*masked*/hard

A guess is an answer whose thought says that nothing was seen: nano learnt it so (`mini_o3/sft/guesser.py`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mini_o3.episode import Episode, StopReason
from mini_o3.judge import judge_exact
from mini_o3.kit.rundir import read_jsonl


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folders", type=Path, nargs="+", help="with episodes.jsonl")
    for folder in options.parse_args().folders:
        episodes = [Episode.from_dict(row) for row in read_jsonl(folder / "episodes.jsonl")]
        answered = [episode for episode in episodes if episode.stop is StopReason.ANSWERED]
        guessed = [episode for episode in answered if "not seen; answer" in episode.turns[-1].thought]
        right = sum(judge_exact(episode, episode.expected).is_correct for episode in guessed)
        print(f"{folder}: {len(guessed)} of {len(episodes)} episodes guess, {right} of them rightly")


if __name__ == "__main__":
    main()

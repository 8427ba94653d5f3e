"""Ask one question about one picture, and keep the page of the search.

python examples/ask.py                                          # a bundled picture, asked with nano
python examples/ask.py photo.jpg "What is on the sign?" api:https://HOST/v1#MODEL
"""

import sys
from pathlib import Path

import mini_o3

BUNDLED = Path(__file__).parent / "demo"


def main(picture: str, question: str, policy: str = "nano") -> None:
    asked = mini_o3.ask(picture, question, policy, out="runs/example-ask")
    print(f"answer:   {asked.answer}")
    print(f"evidence: {asked.evidence}")  # pixels of the original: left, top, right, bottom
    for turn in asked.episode.turns:
        print(f"  {turn.thought}")
    print(f"open {asked.page}")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        main(*sys.argv[1:4])
    else:
        task = mini_o3.read_tasks(BUNDLED)[0]
        main(task.picture, task.question)

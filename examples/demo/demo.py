"""Ask every bundled picture its question with nano and say what to open."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import mini_o3

FOLDER = Path(__file__).parent


def main() -> None:
    began, out = time.monotonic(), Path("runs/demo")
    policy, pages = mini_o3.load_policy("nano"), []
    for task in mini_o3.read_tasks(FOLDER):
        name = Path(task.picture).stem
        _say(f"\n=== mini-o3 ask {task.picture} {task.question!r} --out {out / name}")
        asked = mini_o3.ask(task.picture, task.question, policy, out=out / name, say=_say)
        _say(f"expected  {task.answer} ({'right' if asked.answer == task.answer else 'wrong'})")
        pages.append(asked.page)
    _say(f"\n{len(pages)} pictures in {time.monotonic() - began:.0f} s. Open one of:")
    for page in pages:
        _say(f"  {page}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except mini_o3.UserError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)

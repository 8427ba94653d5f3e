"""Ask every bundled picture its question with nano and say what to open."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from mini_o3.asking import ask_one
from mini_o3.episode import read_tasks
from mini_o3.judge import judge_exact
from mini_o3.kit.errors import UserError
from mini_o3.policies.spec import PolicySpec

FOLDER = Path(__file__).parent


def main() -> None:
    began, out = time.monotonic(), Path("runs/demo")
    pages = []
    for task in read_tasks(FOLDER):
        name = Path(task.picture).stem
        _say(f"\n=== mini-o3 ask {task.picture} {task.question!r} --out {out / name}")
        asked = ask_one(
            task.picture, task.question, PolicySpec(), turns=32, out=out / name, say=_say, note=_say
        )
        _say(f"expected  {task.answer} ({judge_exact(asked.episode, task.answer).kind.value})")
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
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)

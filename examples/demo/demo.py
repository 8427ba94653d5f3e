"""Ask every bundled picture its question with nano, read a photograph, and say what to open."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import mini_o3

FOLDER = Path(__file__).parent
PHOTOGRAPH = FOLDER.parent / "photographs" / "pictures" / "4_barcodes.jpg"  # credits are beside its folder
QUESTION, ANSWER = "What is the web address on the red book?", "springer.com"
FEW_PIXELS = 60_000  # of a view of the photograph, so that its small print takes a search


def main() -> None:
    began, out = time.monotonic(), Path("runs/demo")
    policy, pages = mini_o3.load_policy("nano"), []
    for task in mini_o3.read_tasks(FOLDER):
        name = Path(task.picture).stem
        _say(f"\n=== mini-o3 ask {task.picture} {task.question!r} --out {out / name}")
        asked = mini_o3.ask(task.picture, task.question, policy, out=out / name, say=_say)
        _say(f"expected  {task.answer} ({'right' if asked.answer == task.answer else 'wrong'})")
        pages.append(asked.page)
    pages += _read_photograph(out)
    _say(f"\n{len(pages)} pictures in {time.monotonic() - began:.0f} s. Open one of:")
    for page in pages:
        _say(f"  {page}")


def _read_photograph(out: Path) -> list[Path | None]:
    """The page of a search for text in a photograph; none without the extra `reader`."""
    try:
        reader = mini_o3.load_policy(mini_o3.PolicySpec("reader", max_pixels=FEW_PIXELS))
    except mini_o3.UserError as error:
        _say(f"\nno photograph is read: {error}")
        return []
    _say(f"\n=== mini-o3 ask {PHOTOGRAPH} {QUESTION!r} --policy reader --max-pixels {FEW_PIXELS}")
    asked = mini_o3.ask(PHOTOGRAPH, QUESTION, reader, out=out / PHOTOGRAPH.stem, say=_say)
    _say(f"expected  {ANSWER} ({'right' if asked.answer == ANSWER else 'wrong'})")
    return [asked.page]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except mini_o3.UserError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)

"""How long `mini-o3 find` takes over many pictures of one megapixel, start-up included.

    python bench/find.py --count 200

It draws the pictures, searches them with nano in a process of its own, and prints seconds and CPU seconds,
also scaled to 1,000 pictures. The target is 1,000 pictures at 6 turns in under 8 minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from mini_o3.probes.shapes.build import make_probes

SEED = 500_700_000


def draw(folder: Path, count: int) -> None:
    """Pictures of 1,000 x 1,000 pixels: easy probes, scaled down."""
    with tempfile.TemporaryDirectory() as large:
        make_probes("easy", count, SEED, Path(large))
        for path in sorted(Path(large).glob("*.jpg")):
            with Image.open(path) as picture:
                picture.resize((1000, 1000), Image.Resampling.BOX).save(folder / path.name, quality=92)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--concurrent", type=int, default=16)
    parser.add_argument("--pages", default="all")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "pictures"
        pictures.mkdir()
        draw(pictures, given.count)
        command = [sys.executable, "-m", "mini_o3", "find", "red star", str(pictures), "--json"]
        command += [
            "--turns",
            str(given.turns),
            "--concurrent",
            str(given.concurrent),
            "--pages",
            given.pages,
        ]
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        run = subprocess.run(
            [*command, "--out", f"{folder}/hits"], capture_output=True, text=True, cwd=folder
        )
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if not run.stdout:
            sys.exit(run.stderr)
        told = json.loads(run.stdout)
    turns = sum(result["turns"] for result in told["results"])
    print(
        f"{given.count} pictures, {turns} turns: {seconds:.1f} s, {cpu:.1f} CPU s,"
        f" load {os.getloadavg()[0]:.1f}"
    )
    print(f"counts: {told['counts']}, largest process {after.ru_maxrss / 1024:.0f} MB")
    print(
        f"1,000 pictures at this rate: {seconds / given.count * 1000 / 60:.1f} min, "
        f"{cpu / given.count * 1000 / 2 / 60:.1f} min on two cores that do nothing else"
    )


if __name__ == "__main__":
    main()

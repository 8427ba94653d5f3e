"""Writes the tasks of the photographs: `python examples/photographs/make.py OUT`; then `mini-o3 eval`.

The questions are in `questions.txt`. Mosaics are made here: their photographs at native size, in a grid on a
canvas of 17 megapixels, among others without text.
"""

import random
import shutil
import sys
from pathlib import Path

from PIL import Image

from mini_o3.episode import SearchTask
from mini_o3.kit.files import write_jsonl
from mini_o3.probes.dataset import BUNDLED_PHOTOS

HERE = Path(__file__).parent
CANVAS, GRID = (4800, 3600), (5, 5)


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs/photographs")
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    tasks = []
    picture = ""
    for line in (HERE / "questions.txt").read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):
            picture = place(line, out / "pictures")
            continue
        asked, _, answer = line.strip().rpartition(" = ")
        question, *options = asked.split(" | ")
        kind = "mosaic" if picture.startswith("mosaic") else "photograph"
        tasks.append(
            SearchTask(
                f"pictures/{picture}",
                question,
                answer,
                options=tuple(options),
                source="photographs",
                category=kind,
                family="choice" if options else "open",
            )
        )
    write_jsonl(out / "tasks.jsonl", (task.to_dict() for task in tasks))
    print(f"{len(tasks)} questions on {len({task.picture for task in tasks})} pictures in {out}")


def place(line: str, folder: Path) -> str:
    """Put the picture that a line names into a folder; its name there."""
    name, _, parts = line.partition(":")
    if not parts:
        shutil.copyfile(HERE / "pictures" / name, folder / name)
        return name
    mosaic(name, parts.split()).save(folder / f"{name}.png")
    return f"{name}.png"


def mosaic(name: str, parts: list[str]) -> Image.Image:
    rng = random.Random(name)
    canvas = Image.new("RGB", CANVAS, (96, 100, 92))
    photos = [Image.open(HERE / "pictures" / part).convert("RGB") for part in parts]
    others = [Image.open(path).convert("RGB") for path in sorted(BUNDLED_PHOTOS.glob("*.jpg"))]
    cells = [(x, y) for x in range(GRID[0]) for y in range(GRID[1])]
    rng.shuffle(cells)
    width, height = CANVAS[0] // GRID[0], CANVAS[1] // GRID[1]
    for index, (x, y) in enumerate(cells):
        if index < len(photos):
            photo = photos[index]
            photo.thumbnail((width, height))
        else:
            photo = others[index % len(others)].copy()
            photo.thumbnail((width - 40, height - 40))
        left = x * width + rng.randint(0, width - photo.width)
        canvas.paste(photo, (left, y * height + rng.randint(0, height - photo.height)))
    return canvas


if __name__ == "__main__":
    main()

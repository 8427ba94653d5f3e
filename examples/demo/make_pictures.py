"""How the bundled demo pictures were made: python examples/demo/make_pictures.py PHOTO_FOLDER.

`forest-brook.jpg` and `rocky-mountain-path.jpg` are the photographs named in CREDITS.md at their native size;
things are hidden in them by the rules of the easy and medium levels. The third picture is procedural, 4128 x
4128 = 17 megapixels.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from mini_o3.episode import SearchTask
from mini_o3.kit.rng import stream
from mini_o3.probes.shapes import LEVELS, make_probe, questions
from mini_o3.probes.shapes.draw import place
from mini_o3.probes.shapes.scene import lay_out
from mini_o3.vision import open_picture

HERE = Path(__file__).parent
PHOTOS = (
    ("forest-brook", "easy", "digit", 500_000_900),
    ("rocky-mountain-path", "easy", "shape", 500_000_901),
)
PROCEDURAL = ("planks-17-megapixels", "easy", 500_000_902, (4128, 4128))


def main(folder: Path) -> None:
    tasks = []
    for name, level, family, seed in PHOTOS:
        photo = open_picture(folder / f"{name}.jpg")
        rng = stream("demo", name, seed)
        scene = lay_out(rng, LEVELS[level], family, photo.size)
        question = questions.ask(rng, scene.goal)
        place(rng, scene, photo).save(HERE / f"{name}.jpg", quality=85)
        tasks.append(
            SearchTask(
                f"{name}.jpg",
                question,
                answer=scene.answer,
                family=family,
                level=level,
                size=photo.size,
                targets=scene.evidence,
                truth=scene.truth.to_dict(),
                seed=seed,
            )
        )
    name, level, seed, size = PROCEDURAL
    probe = make_probe(seed, level, size=size)
    probe.picture.save(HERE / f"{name}.jpg", quality=80)
    tasks.append(replace(probe.task, picture=f"{name}.jpg"))
    (HERE / "tasks.jsonl").write_text("".join(json.dumps(task.to_dict()) + "\n" for task in tasks))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""`cutouts`: photographs with cut-outs of things pasted on, as a COCO set. The same seed, the same bytes.

Training, validation and test share no cut-out file and no background, so what is measured is whether things
are recognised, not files.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from mini_o3.grounding.data.coco import write_coco
from mini_o3.grounding.data.samples import GroundingSample, GroundingSet
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import write_atomically, write_json
from mini_o3.kit.rng import stream
from mini_o3.vision.draw import shrink
from mini_o3.vision.picture import open_picture

SPLITS = ("train", "val", "test")
SHARES = (0.5, 0.25)  # of the files of a category for training and validation; the rest is for the test
LEAST = 8  # cut-outs that a category needs
Array = np.ndarray


@dataclass(frozen=True)
class CutoutConfig:
    """How many pictures, and what is on them.

    Attributes:
        counts: pictures of training, validation and test.
        side: of the square pictures, in pixels.
        things: fewest and most things on a picture.
        scale: smallest and largest share of the picture that the box of a thing takes.
        most_hidden: a thing of which later ones would cover more is left out.
    """

    counts: tuple[int, int, int] = (4000, 500, 500)
    side: int = 384
    things: tuple[int, int] = (2, 7)
    scale: tuple[float, float] = (0.01, 0.4)
    most_hidden: float = 0.7
    seed: int = 42


def find_cutouts(folders: list[Path], skip: tuple[str, ...] = ()) -> dict[str, list[Path]]:
    """Categories with eight or more cut-outs: the name of a folder -> its PNG files, equal files once.

    A cut-out is a picture with alpha of which between 5% and 95% is seen; folders whose path holds a part
    that is in `skip` are left out. Folders of one name are one category.
    """
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    everything = [(root, path) for root in folders for path in sorted(root.rglob("*.png"))]
    for root, path in everything:
        parts = path.relative_to(root).parts[:-1]
        if parts and not set(parts) & set(skip) and _is_cutout(path):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[parts[-1].replace("_", " ").replace("-", " ")].setdefault(digest, path)
    once: set[str] = set()
    kept: dict[str, list[Path]] = {}
    for name, files in sorted(found.items()):
        mine = [path for digest, path in files.items() if digest not in once]
        if len(mine) >= LEAST:
            once |= set(files)
            kept[name] = mine
    return kept


def _is_cutout(path: Path) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bombs: too large ones are not decoded
        try:
            with Image.open(path) as opened:
                if min(opened.size) < 24 or max(opened.size) > 4000:
                    return False
                small = opened.convert("RGBA")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return False
    small.thumbnail((64, 64))
    return 0.05 <= float((np.asarray(small)[..., 3] > 127).mean()) <= 0.95


def split_files(files: list[Path], seed: int, shares: tuple[float, float] = SHARES) -> list[list[Path]]:
    """Files in three parts that share none, by their content; at least one in each if there are three."""
    order = sorted(files, key=lambda path: hashlib.sha256(f"{seed}".encode() + path.read_bytes()).digest())
    first = max(round(len(order) * shares[0]), 1)
    second = max(round(len(order) * shares[1]), 1)
    return [order[:first], order[first : first + second], order[first + second :]]


def make_cutouts(
    cutouts: dict[str, list[Path]],
    backgrounds: list[Path],
    out: Path,
    config: CutoutConfig,
    sources: list[str] | None = None,
) -> None:
    """Write `train`, `val` and `test` folders, an `instances_SPLIT.json` of each, and `manifest.json`.

    Args:
        cutouts: from `find_cutouts`.
        sources: names and versions of the packages that the files are from, for the manifest.

    Raises:
        UserError: there are too few cut-outs or backgrounds to share them out.
    """
    if not cutouts:
        raise UserError(f"cut-outs: no folder has {LEAST} of them; give a folder with more")
    if len(backgrounds) < 3:
        raise UserError(f"backgrounds: there are {len(backgrounds)}, three are needed; give more")
    names = sorted(cutouts)
    shared = {name: split_files(cutouts[name], config.seed) for name in names}
    grounds = split_files(sorted(backgrounds), config.seed)
    for place, (split, count) in enumerate(zip(SPLITS, config.counts, strict=True)):
        photos = [shrink(open_picture(path), 5 * config.side) for path in grounds[place]]
        files = [shared[name][place] for name in names]
        samples = [_make(out / split, split, i, photos, files, config) for i in range(count)]
        write_coco(out / f"instances_{split}.json", GroundingSet(names, samples), split)
    record = {
        "seed": config.seed,
        "sources": sources or [],
        "settings": {
            "counts": config.counts,
            "side": config.side,
            "things": config.things,
            "scale": config.scale,
        },
        "backgrounds": {s: _hashes(part) for s, part in zip(SPLITS, grounds, strict=True)},
        "cutouts": {
            name: {s: _hashes(part) for s, part in zip(SPLITS, parts, strict=True)}
            for name, parts in shared.items()
        },
    }
    write_json(out / "manifest.json", record)


def _hashes(paths: list[Path]) -> dict[str, str]:
    """Parent folder and name of every file -> its hash."""
    return {f"{p.parent.name}/{p.name}": hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def _make(
    folder: Path,
    split: str,
    number: int,
    photos: list[Image.Image],
    files: list[list[Path]],
    config: CutoutConfig,
) -> GroundingSample:
    rng, side = stream("cutouts", config.seed, split, number), config.side
    picture = _background(photos[rng.integers(len(photos))], side, rng)
    owner = np.full((side, side), -1)  # which thing is seen at a pixel
    labels: list[int] = []
    boxes: list[tuple[int, int, int, int]] = []
    areas: list[int] = []
    for _ in range(int(rng.integers(config.things[0], config.things[1] + 1))):
        label = int(rng.integers(len(files)))
        thing = _thing(files[label][rng.integers(len(files[label]))], config, rng)
        x, y = (int(rng.integers(side - n + 1)) for n in thing.size)
        mask = np.zeros((side, side), dtype=bool)
        mask[y : y + thing.height, x : x + thing.width] = np.asarray(thing)[..., 3] > 127
        left = [(owner[~mask] == i).sum() / area for i, area in enumerate(areas)]
        if not mask.any() or any(share < 1 - config.most_hidden for share in left):
            continue
        picture.paste(thing, (x, y), thing)
        owner[mask] = len(labels)
        rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
        boxes.append((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
        labels.append(label)
        areas.append(int(mask.sum()))
    hidden = [1 - (owner == i).sum() / area for i, area in enumerate(areas)]
    path = folder / f"{number:06d}.png"
    write_atomically(path, lambda part: picture.save(part, "PNG"))
    return GroundingSample(
        id=number + 1,
        path=path,
        size=(side, side),
        boxes=np.array(boxes, dtype=np.float64).reshape(-1, 4),
        labels=np.array(labels, dtype=np.int64),
        crowd=np.zeros(len(labels), dtype=bool),
        hidden=np.array(hidden),
    )


def _background(photo: Image.Image, side: int, rng: np.random.Generator) -> Image.Image:
    """A random square of a photograph, maybe mirrored."""
    most = min(photo.size)
    cut = int(most * rng.uniform(0.4, 1.0))
    x, y = (int(rng.integers(n - cut + 1)) for n in photo.size)
    square = photo.resize(
        (side, side), Image.Resampling.BILINEAR, box=(x, y, x + cut, y + cut), reducing_gap=2.0
    )
    return square.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else square


def _thing(path: Path, config: CutoutConfig, rng: np.random.Generator) -> Image.Image:
    """A cut-out at a random size, turned a little, maybe mirrored."""
    thing = _opened(path, 2 * config.side)
    if rng.random() < 0.5:
        thing = thing.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    low, high = np.log(config.scale)
    area = float(np.exp(rng.uniform(low, high))) * config.side**2
    ratio = float(np.clip(thing.width / thing.height, 1 / 4, 4))
    size = [int(np.clip(round(v), 2, config.side)) for v in ((area * ratio) ** 0.5, (area / ratio) ** 0.5)]
    thing = thing.resize((size[0], size[1]), Image.Resampling.BILINEAR, reducing_gap=2.0)
    thing = thing.rotate(float(rng.uniform(-10, 10)), Image.Resampling.BILINEAR, expand=True)
    return thing.crop((0, 0, min(thing.width, config.side), min(thing.height, config.side)))


@lru_cache(maxsize=1024)
def _opened(path: Path, longest: int) -> Image.Image:
    """A cut-out without its empty margin, at most `longest` pixels a side."""
    with Image.open(path) as opened:
        thing = opened.convert("RGBA")
    return shrink(thing.crop(thing.getchannel("A").getbbox() or (0, 0, *thing.size)), longest)

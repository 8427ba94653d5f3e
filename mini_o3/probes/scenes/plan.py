"""Which scenes a set consists of, what they need from this machine, and how one of them is made."""

from __future__ import annotations

import hashlib
import io
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, features

from mini_o3.kit.errors import UserError
from mini_o3.kit.files import write_atomically
from mini_o3.probes.dataset import find_photos
from mini_o3.probes.scenes.config import SPLITS, ScenesConfig
from mini_o3.probes.scenes.draw import PHOTO_PIXELS, font_files
from mini_o3.probes.scenes.generate import make_scene, scene_size
from mini_o3.probes.scenes.icons import EMOJI_FONTS, find_emoji_font
from mini_o3.probes.scenes.kinds import KINDS
from mini_o3.probes.scenes.levels import LEVELS
from mini_o3.probes.scenes.truth import question_dict
from mini_o3.probes.shapes.levels import TRAINING_SEEDS

VERSION = 1  # of what is painted and asked; a change to it gives another set
PICTURES = "pictures"
_SEEDS = 1_000_000  # between sets with different seeds


class Job(NamedTuple):
    """One scene: one picture and `asked` questions."""

    split: str
    kind: str
    level: str
    seed: int
    asked: int

    @property
    def picture(self) -> str:
        return f"{PICTURES}/{self.level}_{self.kind}_{self.seed}.jpg"

    @property
    def pixels(self) -> int:
        width, height = scene_size(self.kind, self.level, self.seed)
        return width * height

    def held(self, assets: Assets) -> int:
        """Pixels in memory while it is painted."""
        return self.pixels + (assets.photo_pixels if self.kind == "photo" else 0)


class Assets(NamedTuple):
    """What painting needs: files on this machine, and the quality of what is written."""

    photos: dict[str, tuple[Path, ...]]  # by split: no photograph of a test picture is in a training picture
    photo_pixels: int  # of the largest of them
    emoji: Path | None
    quality: int


def plan(config: ScenesConfig) -> list[Job]:
    """All scenes of a set, in the order of its files."""
    kinds: tuple[str, ...] = config.kinds or tuple(kind for kind in KINDS if kind != "photo" or config.photos)
    jobs = []
    for split in SPLITS:
        seed = config.seed * _SEEDS + (TRAINING_SEEDS if split == "test" else 0)
        for level in LEVELS:
            left, turn = getattr(config, split).get(level, 0), 0
            while left > 0:
                jobs.append(Job(split, kinds[turn % len(kinds)], level, seed, min(config.per_picture, left)))
                left, turn, seed = left - config.per_picture, turn + 1, seed + 1
    return jobs


def find_assets(config: ScenesConfig) -> Assets:
    """The files that a config asks for.

    Raises:
        UserError: one is missing, or a photograph cannot be used.
    """
    photos: tuple[Path, ...] = find_photos(config.photos) if config.photos else ()
    if "photo" in config.kinds and not photos:
        raise UserError("photos: the photo kind needs a folder of pictures, or `bundled`")
    if len({photo.name for photo in photos}) < 2:
        held_out, rest = photos, photos
    else:
        held_out, rest = photos[::5], tuple(photo for index, photo in enumerate(photos) if index % 5)
    emoji = find_emoji_font() if config.emoji == "noto" else None
    if config.emoji == "noto" and emoji is None:
        raise UserError(
            f"emoji: Noto Color Emoji is in none of {', '.join(EMOJI_FONTS)}; install it or write emoji ="
            ' "drawn"'
        )
    return Assets(
        {"train": rest, "test": held_out}, max(map(_pixels, photos), default=0), emoji, config.quality
    )


def provenance(config: ScenesConfig, assets: Assets) -> dict[str, Any]:
    """All that decides what comes out, bit for bit: settings, versions, and hashes of fonts and
    photographs."""
    photos = {path for paths in assets.photos.values() for path in paths}
    return {
        "version": VERSION,
        "config": config.model_dump(mode="json"),
        "libraries": {
            "Pillow": version("pillow"),
            "numpy": version("numpy"),
            "libjpeg": str(features.version("jpg")),
            "freetype": str(features.version("freetype2")),
        },
        "fonts": {path.name: hash_file(path) for path in font_files()},
        "emoji": {assets.emoji.name: hash_file(assets.emoji)} if assets.emoji else "drawn",
        "photos": {path.name: hash_file(path) for path in sorted(photos)},
    }


def make(job: Job, assets: Assets, folder: Path) -> dict[str, Any]:
    """Paint one scene into `folder`/SPLIT/pictures and return its row of `scenes.jsonl`."""
    sketch, questions = make_scene(job.kind, job.level, job.seed, job.asked, assets.photos[job.split])
    buffer = io.BytesIO()
    sketch.paint(assets.emoji).save(buffer, "JPEG", quality=assets.quality)
    content = buffer.getbuffer()
    write_atomically(folder / job.split / job.picture, lambda part: _write(part, content))
    return {
        "picture": job.picture,
        "sha256": hashlib.sha256(content).hexdigest(),
        **sketch.scene.to_dict(),
        "questions": [question_dict(question) for question in questions],
    }


def _pixels(photo: Path) -> int:
    """How many pixels a photograph has, from its header."""
    try:
        with Image.open(photo) as opened:
            pixels = opened.width * opened.height
    except (OSError, Image.DecompressionBombError):
        raise UserError(f"{photo}: not a picture that can be used; take it out of the folder") from None
    if pixels > PHOTO_PIXELS:
        raise UserError(
            f"{photo}: {pixels:,} pixels, more than {PHOTO_PIXELS:,}; scale it down or take it out of the"
            " folder"
        )
    return pixels


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, content: memoryview) -> None:
    path.write_bytes(content)

"""How much pictures look like an example: an order in which to search them, not an answer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mini_o3.finding.survey import Seen
from mini_o3.kit.errors import UserError
from mini_o3.kit.extras import require
from mini_o3.kit.files import append_jsonl, read_jsonl
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.kit.reading import open_file
from mini_o3.vision import load_picture

FILE = "similar.jsonl"
_SIDE = 400  # pixels of a picture in which its parts can still be told apart
_PART = 0.6  # side of the four overlapping parts of a picture, so that the thing may be one of many


def similarities(
    example: Path, pictures: Sequence[Seen], folder: Path, *, progress: OnProgress = no_progress
) -> dict[str, float]:
    """Digest of each picture -> the cosine, -1 to 1, of the example and of what in it looks most like it: the
    whole or one of its quarters. What `folder/similar.jsonl` knows is not computed again.

    Pictures that cannot be decoded have none.

    Raises:
        UserError: the example cannot be opened, or the extra `similar` is not installed.
    """
    require("similar", f"looking for what is like {example}")
    whole = load_picture(example).thumbnail(_SIDE)
    with open_file(example) as file:
        name = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    rows = read_jsonl(folder / FILE, skip_damaged=True)
    known = {row.get("digest"): row.get("similarity") for row in rows if row.get("example") == name}
    line = {"example": name}
    found: dict[str, float] = {}
    embedder = target = None
    for number, seen in enumerate(pictures, start=1):
        value = known.get(seen.digest)
        if isinstance(value, float):
            found[seen.digest] = value
        else:
            if embedder is None:
                from mini_o3.models.embedder import Embedder

                embedder = Embedder()
                target = embedder.embed([whole])[0]
            try:
                with seen.source.file() as file:
                    small, _ = seen.source.small(file, _SIDE)
            except UserError:
                continue
            value = round(float(np.max(embedder.embed(_parts(small)) @ target)), 4)
            found[seen.digest] = value
            append_jsonl(folder / FILE, {**line, "digest": seen.digest, "similarity": value})
        progress(number, len(pictures))
    return found


def _parts(picture: Image.Image) -> list[Image.Image]:
    """The whole and its four quarters, which overlap."""
    picture = picture.convert("RGB")
    width, height = picture.size
    across, down = round(width * _PART), round(height * _PART)
    corners = [(x, y) for y in (0, height - down) for x in (0, width - across)]
    return [picture, *(picture.crop((x, y, x + across, y + down)) for x, y in corners)]

"""Any picture that somebody names, however large."""

from __future__ import annotations

import os

import numpy as np
from PIL import Image

from mini_o3.kit.extras import require
from mini_o3.vision.base import Picture, held
from mini_o3.vision.deepzoom import SUFFIX, DeepZoom
from mini_o3.vision.frames import split_frame
from mini_o3.vision.given import as_picture
from mini_o3.vision.picture import TooLarge, open_picture


def load_picture(picture: str | os.PathLike[str] | Image.Image | np.ndarray | Picture) -> Picture:
    """A picture that a program names or holds: in memory up to `picture.DECODE_BUDGET` pixels,
    beyond that from disk.

    Deep Zoom pictures (`.dzi`) are read tile by tile; other large files need the extra `large`.

    Raises:
        UserError: as `open_picture`, or the extra is missing.
    """
    if isinstance(picture, Picture):
        return picture
    if not isinstance(picture, str | os.PathLike):
        return held(as_picture(picture))
    path, number = split_frame(picture)
    if path.suffix.lower() == SUFFIX:
        return DeepZoom(path)
    try:
        image = open_picture(picture)
    except TooLarge as error:
        require("large", f"{error}, or search it as it is, which")
        from mini_o3.vision.large import open_large

        return open_large(path, number)
    return held(image)

"""Small copies of pictures for pages, as data URLs."""

from __future__ import annotations

import base64
import io

from PIL import Image

from mini_o3.vision.budget import FILTER


def shrink(picture: Image.Image, longest: int) -> Image.Image:
    """A copy whose longer side is at most `longest` pixels."""
    scale = longest / max(picture.size)
    if scale >= 1:
        return picture
    return picture.resize(
        (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)),
        FILTER,
        reducing_gap=3.0,
    )


def data_url(picture: Image.Image, quality: int = 85) -> str:
    """The picture as a JPEG inside a `data:` URL."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"

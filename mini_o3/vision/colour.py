"""Colours as a person sees them: any mode and any embedded profile becomes 8-bit sRGB, a strip at a time."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

_STRIP = 1 << 20  # pixels that are converted together; what a conversion takes beside the picture itself
_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")
_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}
_SAME = 3  # levels by which a profile may differ from sRGB and still be called sRGB
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str]:
    """The picture as RGB, and what was done to its colours, in words; empty if nothing worth a note.

    16-bit values are scaled (Pillow's own conversion clips them to white), transparency is laid on white,
    CMYK and palettes become RGB, and colours of an embedded profile other than sRGB are converted.
    """
    if _is_wide(image.mode):
        return _narrowed(image), ""
    clear = image.mode in _ALPHA or image.has_transparency_data
    mode = "L" if image.mode in ("L", "LA", "La", "1") else image.mode if image.mode == "CMYK" else "RGB"
    transform, note = _transform(profile, mode) if profile else (None, "")
    if transform is None and image.mode == "RGB" and not clear:
        return (image.copy() if image.readonly else image), ""
    if transform is not None and image.mode == "RGB" and not clear and not image.readonly:
        ImageCms.applyTransform(image, transform, inPlace=True)
        return image, note
    out = Image.new("RGB", image.size)
    rows = max(_STRIP // image.width, 1)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        out.paste(_strip_to_rgb(strip, mode, clear, transform), (0, top))
    return out, note


def _strip_to_rgb(
    strip: Image.Image, mode: str, clear: bool, transform: ImageCms.ImageCmsTransform | None
) -> Image.Image:
    if not clear:
        plain = strip if strip.mode == mode else strip.convert(mode)
        converted = ImageCms.applyTransform(plain, transform) if transform else plain
        return (converted or plain).convert("RGB")
    rgba = strip.convert("RGBA")
    if transform is not None:
        colours = rgba.convert("RGB") if mode == "RGB" else strip.convert("RGBA").convert("L")
        converted = ImageCms.applyTransform(colours, transform) or colours
        alpha = rgba.getchannel("A")
        rgba = converted.convert("RGBA")
        rgba.putalpha(alpha)
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> tuple[ImageCms.ImageCmsTransform | None, str]:
    """How colours of a profile become sRGB, and a note; None if they are sRGB, or the profile is unusable."""
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if embedded.profile.xcolor_space != _SPACES[mode]:
            return None, ""
        transform = ImageCms.buildTransform(
            embedded,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            _INTENT,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if mode != "CMYK" and _keeps_colours(transform, mode):
            return None, ""
        name = " ".join((embedded.profile.profile_description or "unnamed").split())[:80]
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None, ""
    return transform, f"colours converted from the embedded profile {name} to sRGB"


def _keeps_colours(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    steps = np.arange(0, 256, 17, dtype=np.uint8)
    levels = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(16, -1, 3)
    before = Image.fromarray(levels if mode == "RGB" else levels[..., 0].copy())
    after = ImageCms.applyTransform(before, transform)
    if after is None:
        return True
    change = np.asarray(after).astype(int) - np.asarray(before.convert("RGB")).astype(int)
    return int(np.abs(change).max()) <= _SAME


def _is_wide(mode: str) -> bool:
    return mode.startswith("I") or mode == "F"


def _narrowed(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float greys: scaled to 8 bits by the range the values claim, never clipped."""
    rows = max(_STRIP // image.width, 1)
    boxes = [(0, top, image.width, min(top + rows, image.height)) for top in range(0, image.height, rows)]
    top_value = max(float(_values(image, box).max(initial=0.0)) for box in boxes)
    if image.mode == "F" and top_value <= 1.0:
        full = 1.0
    elif top_value <= 255.0 and not image.mode.startswith("I;16"):
        full = 255.0
    else:
        full = 65535.0
    out = Image.new("RGB", image.size)
    for box in boxes:
        scaled = np.clip(_values(image, box) / max(full, top_value) * 255.0, 0.0, 255.0)
        out.paste(Image.fromarray(np.round(scaled).astype(np.uint8)).convert("RGB"), box)
    return out


def _values(image: Image.Image, box: tuple[int, int, int, int]) -> np.ndarray:
    values = np.asarray(image.crop(box))
    if values.dtype.kind == "u":
        return values
    values = values.astype(np.float64)
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)

"""A picture that a program holds, in whatever form, as the search needs it."""

from __future__ import annotations

import os

import numpy as np
from PIL import Image

from mini_o3.kit.errors import SettingError
from mini_o3.vision.colour import to_srgb
from mini_o3.vision.picture import CONVERSION, DECODE_BUDGET, check_size, open_picture, upright


def as_picture(picture: str | os.PathLike[str] | Image.Image | np.ndarray) -> Image.Image:
    """Upright sRGB of what a program may hold: the path of a file, a Pillow picture, or an array.

    An array is height x width (grey) or height x width x 3 or 4 (RGB, RGBA): of bytes, booleans, 16-bit
    numbers, or floats from 0 to 1.

    Raises:
        UserError: as `open_picture`, or it is none of these.
    """
    if isinstance(picture, str | os.PathLike):
        return open_picture(picture)
    if isinstance(picture, np.ndarray):
        picture = _from_array(picture)
    if not isinstance(picture, Image.Image):
        kind = type(picture).__name__
        raise SettingError("picture", f"is of type {kind}; give a path, a Pillow picture or an array")
    check_size("picture", picture.size, DECODE_BUDGET)
    try:
        picture.load()
        profile = picture.info.get("icc_profile")
        profile = profile if isinstance(profile, bytes) else None
        own = picture.copy() if profile else picture  # colours are converted in place
        converted, remark = to_srgb(upright(own), profile)
    except (OSError, SyntaxError, ValueError) as error:  # a file that Pillow had not read to its end
        raise SettingError("picture", f"is damaged or cut off ({error}); get a fresh copy") from None
    if remark:
        converted.info = {CONVERSION: remark}
    return converted


def _from_array(values: np.ndarray) -> Image.Image:
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    fits = values.ndim == 2 or (values.ndim == 3 and values.shape[2] in (3, 4))
    if not fits or values.size == 0 or values.dtype.kind not in "bfu":
        raise SettingError(
            "picture",
            f"is an array of {' x '.join(map(str, values.shape))} {values.dtype}; give height x width x 3"
            " of uint8",
        )
    if values.dtype.kind == "f":
        values = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=1.0, neginf=0.0)
        if values.max() > 1 or values.min() < 0:
            raise SettingError("picture", "is an array of floats; they must lie between 0 and 1")
        values = np.round(values * 255)
    elif values.dtype != np.uint8:
        values = np.round(values * (255 / (1 if values.dtype == bool else np.iinfo(values.dtype).max)))
    return Image.fromarray(values.astype(np.uint8))

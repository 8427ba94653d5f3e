"""The sizes and resampling of views in the released Mini-o3 code, which its weights were trained with.

A view is brought between the limits first, with sides that are cut to whole pixels, by LANCZOS for the first
view and by NEAREST for crops, one resize after the other; then the picture processor of Qwen2.5-VL rounds its
sides to multiples of an image token, by BICUBIC. Facts: `process_image` and `smart_resize` of the released
code and of transformers.
"""

from __future__ import annotations

import math

from PIL import Image

_MIN_SIDE = 28  # pixels, whatever an image token of the checkpoint measures
_THIN, _SQUASHED = 200, 190  # a side this much longer than the other one is squashed to about the second
# Limits of the picture processor itself, in pixels.
_PROCESSOR_MIN, _PROCESSOR_MAX = 3_136, 12_845_056

Size = tuple[int, int]  # (width, height)


def limited_sizes(width: int, height: int, max_pixels: int, min_pixels: int) -> list[Size]:
    """The sizes that a view of `width` x `height` is resized to in turn, before the processor sees it."""
    sizes: list[Size] = []
    if width * height > max_pixels:
        width, height = _scaled(width, height, math.sqrt(max_pixels / (width * height)))
        sizes.append((width, height))
    if width * height < min_pixels:
        width, height = _scaled(width, height, math.sqrt(min_pixels / (width * height)))
        sizes.append((width, height))
    if min(width, height) < _MIN_SIDE:
        factor = _MIN_SIDE / min(width, height)
        width, height = int(width * factor + 1), int(height * factor + 1)
        sizes.append((width, height))
    if width / height >= _THIN:
        height = int(width / _SQUASHED + 1)
        sizes.append((width, height))
    if height / width >= _THIN:
        width = int(height / _SQUASHED + 1)
        sizes.append((width, height))
    return sizes


def processor_size(width: int, height: int, multiple: int) -> Size:
    """What the processor of Qwen2.5-VL makes of a picture of `width` x `height`."""
    wide = max(multiple, round(width / multiple) * multiple)
    high = max(multiple, round(height / multiple) * multiple)
    if wide * high > _PROCESSOR_MAX:
        beta = math.sqrt(width * height / _PROCESSOR_MAX)
        wide = max(multiple, math.floor(width / beta / multiple) * multiple)
        high = max(multiple, math.floor(height / beta / multiple) * multiple)
    elif wide * high < _PROCESSOR_MIN:
        beta = math.sqrt(_PROCESSOR_MIN / (width * height))
        wide = math.ceil(width * beta / multiple) * multiple
        high = math.ceil(height * beta / multiple) * multiple
    return wide, high


def released_size(width: int, height: int, max_pixels: int, min_pixels: int, multiple: int) -> Size:
    """The size at which a picture or crop of `width` x `height` is shown."""
    last = [(width, height), *limited_sizes(width, height, max_pixels, min_pixels)][-1]
    return processor_size(*last, multiple)


def released_view(
    view: Image.Image, is_whole: bool, max_pixels: int, min_pixels: int, multiple: int
) -> Image.Image:
    """The view of a picture (`is_whole`) or of a crop from it."""
    resampling = Image.Resampling.LANCZOS if is_whole else Image.Resampling.NEAREST
    for size in limited_sizes(*view.size, max_pixels, min_pixels):
        view = view.resize(size, resampling)
    size = processor_size(*view.size, multiple)
    return view if size == view.size else view.resize(size, Image.Resampling.BICUBIC)


def _scaled(width: int, height: int, factor: float) -> Size:
    return int(width * factor), int(height * factor)

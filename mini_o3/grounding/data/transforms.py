"""What happens to a picture before the backbone sees it; its boxes go along. No torchvision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)  # of ImageNet
STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)
Array = np.ndarray


@dataclass(frozen=True)
class Augmentation:
    """How training changes a picture.

    Attributes:
        least: smallest share of the picture that a crop keeps.
        stretch: by how much the sides of a crop may differ from the picture's.
        jitter: by how much brightness, contrast and colour change.
        flip: probability that left and right change places.
        visible: boxes of which less than this share is left after a crop are dropped.
    """

    least: float = 0.5
    stretch: float = 4 / 3
    jitter: float = 0.3
    flip: float = 0.5
    visible: float = 0.3


def crop_boxes(
    boxes: Array, window: tuple[float, float, float, float], visible: float
) -> tuple[Array, Array]:
    """Boxes (N, 4) xyxy in the frame of a window xyxy, cut at its edges, and which of them are kept (N,)."""
    x0, y0, x1, y1 = window
    cut = np.stack(
        [
            boxes[:, 0].clip(x0, x1),
            boxes[:, 1].clip(y0, y1),
            boxes[:, 2].clip(x0, x1),
            boxes[:, 3].clip(y0, y1),
        ],
        axis=1,
    )
    left = (cut[:, 2] - cut[:, 0]) * (cut[:, 3] - cut[:, 1])
    whole = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = (left > 0) & (left >= visible * whole)
    return cut - np.array([x0, y0, x0, y0]), kept


def augment(
    picture: Image.Image, boxes: Array, rule: Augmentation, rng: np.random.Generator
) -> tuple[Image.Image, Array, Array]:
    """A random crop, maybe mirrored, with other colours; its boxes, and which are kept (N,).

    Boxes that are not kept have no meaning in the result.
    """
    width, height = picture.size
    share = rng.uniform(rule.least, 1.0)
    stretch = np.exp(rng.uniform(-np.log(rule.stretch), np.log(rule.stretch)))
    w = int(np.clip(round(width * np.sqrt(share * stretch)), 1, width))
    h = int(np.clip(round(height * np.sqrt(share / stretch)), 1, height))
    x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
    picture = picture.crop((x, y, x + w, y + h))
    boxes, kept = crop_boxes(boxes, (x, y, x + w, y + h), rule.visible)
    if rng.random() < rule.flip:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        boxes = np.stack([w - boxes[:, 2], boxes[:, 1], w - boxes[:, 0], boxes[:, 3]], axis=1)
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = kind(picture).enhance(float(rng.uniform(1 - rule.jitter, 1 + rule.jitter)))
    return picture, boxes, kept


def normalised(boxes: Array, size: tuple[int, int]) -> Array:
    """Boxes (N, 4) xyxy in pixels -> cxcywh as shares of the picture, float32."""
    width, height = size
    x0, y0, x1, y1 = boxes.reshape(-1, 4).T
    return np.stack(
        [(x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height], axis=1
    ).astype(np.float32)


def to_array(picture: Image.Image, side: int) -> Array:
    """The picture squeezed to a square, with ImageNet's statistics: (3, side, side) float32."""
    small = picture.convert("RGB").resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    pixels = np.asarray(small, dtype=np.float32) / 255
    return ((pixels - MEAN) / STD).transpose(2, 0, 1)

"""Recall and NDCG of the first K boxes of a query. A box is right if it overlaps a thing by half."""

from __future__ import annotations

import numpy as np

from mini_o3.grounding.data.transforms import Array

CUTS = (5, 10, 20)
ENOUGH = 0.5  # IoU


def iou_of(one: Array, other: Array) -> Array:
    """IoU of every box of `one` (N, 4) with every one of `other` (M, 4), xyxy: (N, M)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    overlap = np.prod(np.clip(high - low, 0, None), axis=-1)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1) for boxes in (one, other)]
    return overlap / np.maximum(areas[0][:, None] + areas[1][None] - overlap, 1e-12)


def hits(boxes: Array, things: Array, enough: float = ENOUGH) -> Array:
    """Which thing each box finds, -1 for none: (N,).

    Boxes are taken in their order; each finds, of the things that no earlier one has found, the one that it
    overlaps most, if by `enough`.
    """
    found = np.full(len(boxes), -1)
    if not len(things):
        return found
    overlaps = iou_of(boxes, things)
    for place in range(len(boxes)):
        best = int(overlaps[place].argmax())
        if overlaps[place, best] >= enough:
            found[place] = best
            overlaps[:, best] = -1.0
    return found


def recall_at(found: Array, things: int, cut: int) -> float:
    """Share of the things that the first `cut` boxes find; `found` is from `hits`, `things` at least 1."""
    return float((found[:cut] >= 0).sum() / things)


def ndcg_at(found: Array, things: int, cut: int) -> float:
    """Discounted gain of the first `cut` boxes, over that of a list that begins with all the things."""
    discounts = 1 / np.log2(np.arange(2, cut + 2))
    gain = float(((found[:cut] >= 0) * discounts[: len(found[:cut])]).sum())
    return gain / float(discounts[: min(things, cut)].sum())

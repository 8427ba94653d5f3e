"""Arrays of boxes (..., 4), normalised to the picture. Names tell the format: `cxcywh` or `xyxy`."""

from __future__ import annotations

import torch
from torch import Tensor


def to_xyxy(cxcywh: Tensor) -> Tensor:
    centre, size = cxcywh[..., :2], cxcywh[..., 2:]
    return torch.cat([centre - size / 2, centre + size / 2], dim=-1)


def to_cxcywh(xyxy: Tensor) -> Tensor:
    low, high = xyxy[..., :2], xyxy[..., 2:]
    return torch.cat([(low + high) / 2, high - low], dim=-1)


def _areas(xyxy: Tensor) -> Tensor:
    sides = (xyxy[..., 2:] - xyxy[..., :2]).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def pairwise_iou(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU (Rezatofighi et al. 2019) of every box of `one` with every one of `other`.

    Args:
        one: (N, 4) xyxy.
        other: (M, 4) xyxy.

    Returns:
        Two tensors (N, M). Boxes without area have an IoU of 0.
    """
    left, right = one[:, None], other[None, :]
    inner = torch.cat(
        [torch.maximum(left[..., :2], right[..., :2]), torch.minimum(left[..., 2:], right[..., 2:])], dim=-1
    )
    outer = torch.cat(
        [torch.minimum(left[..., :2], right[..., :2]), torch.maximum(left[..., 2:], right[..., 2:])], dim=-1
    )
    overlap, hull = _areas(inner), _areas(outer).clamp(min=1e-9)
    union = _areas(left) + _areas(right) - overlap
    iou = overlap / union.clamp(min=1e-9)
    return iou, iou - (hull - union) / hull


def paired_giou(one: Tensor, other: Tensor) -> Tensor:
    """Generalised IoU of the i-th box of `one` with the i-th of `other`: (N, 4), (N, 4) -> (N,)."""
    low, high = torch.maximum(one[:, :2], other[:, :2]), torch.minimum(one[:, 2:], other[:, 2:])
    overlap = _areas(torch.cat([low, high], dim=-1))
    low, high = torch.minimum(one[:, :2], other[:, :2]), torch.maximum(one[:, 2:], other[:, 2:])
    hull = _areas(torch.cat([low, high], dim=-1)).clamp(min=1e-9)
    union = (_areas(one) + _areas(other) - overlap).clamp(min=1e-9)
    return overlap / union - (hull - union) / hull

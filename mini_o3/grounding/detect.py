"""Ask a model for categories on pictures, and rank what it returns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from mini_o3.grounding.boxes import to_xyxy
from mini_o3.grounding.data.samples import GroundingSample
from mini_o3.grounding.data.transforms import Array, to_array
from mini_o3.grounding.metrics.coco_map import Detections
from mini_o3.grounding.model import GroundingModel
from mini_o3.vision.picture import open_picture

_QUERIES = 256  # at once


@torch.no_grad()
def detect(
    model: GroundingModel,
    samples: list[GroundingSample],
    *,
    steps: int | None = None,
    gated: bool | None = None,
) -> Iterator[tuple[Detections, float]]:
    """For every picture what is found of all categories, and the mean number of steps that queries made.

    The detections of a category are in order of their scores.
    """
    device = next(model.parameters()).device
    for sample in samples:
        pixels = torch.from_numpy(to_array(open_picture(sample.path), model.config.image)).to(device)
        features = model.backbone(pixels[None])
        boxes, scores, made = [], [], []
        for start in range(0, len(model.names), _QUERIES):
            asked = torch.arange(start, min(start + _QUERIES, len(model.names)), device=device)
            out = model.decode(features, asked, torch.zeros_like(asked), steps=steps, gated=gated)
            boxes.append(to_xyxy(out.looks[-1].boxes).clamp(0, 1))
            scores.append(out.looks[-1].logits.sigmoid())
            if out.alive is not None:
                made.append((out.alive > 0).float().sum(0))
        used = float(torch.cat(made).mean()) if made else 0.0
        yield _ranked(torch.cat(boxes).cpu().numpy(), torch.cat(scores).cpu().numpy(), sample.size), used


def _ranked(boxes: Array, scores: Array, size: tuple[int, int]) -> Detections:
    """(C, K, 4) normalised and (C, K) -> one list, category after category."""
    order = np.argsort(-scores, axis=1, kind="stable")
    boxes = np.take_along_axis(boxes, order[..., None], axis=1).astype(np.float64)
    scores = np.take_along_axis(scores, order, axis=1).astype(np.float64)
    labels = np.repeat(np.arange(len(boxes)), boxes.shape[1])
    return Detections(boxes.reshape(-1, 4) * np.array([*size, *size]), scores.reshape(-1), labels)

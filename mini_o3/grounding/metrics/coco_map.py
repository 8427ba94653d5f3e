"""Average precision by pycocotools, the scorer that COCO itself uses."""

from __future__ import annotations

import contextlib
import io
from typing import NamedTuple

from mini_o3.grounding.data.coco import to_coco
from mini_o3.grounding.data.samples import GroundingSet
from mini_o3.grounding.data.transforms import Array

_STATS = ("mAP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")


class Detections(NamedTuple):
    """What a model finds on one picture.

    Attributes:
        boxes: (N, 4) xyxy in pixels.
        scores: (N,).
        labels: (N,) indices into the names of the set.
    """

    boxes: Array
    scores: Array
    labels: Array


def coco_map(data: GroundingSet, found: list[Detections]) -> dict[str, float | dict[str, float]]:
    """mAP@[.5:.95] with its parts, and `per_category`; -1 where there is nothing to find, as COCO has it.

    Of a picture and category the 100 best boxes count. Args: `found` has an item for each sample.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rows = [
        [s.id, x0, y0, x1 - x0, y1 - y0, score, label + 1]
        for s, d in zip(data.samples, found, strict=True)
        for (x0, y0, x1, y1), score, label in zip(
            d.boxes.tolist(), d.scores.tolist(), d.labels.tolist(), strict=True
        )
    ]
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        truth = COCO()
        truth.dataset = to_coco(data)
        truth.createIndex()
        if not rows or not truth.dataset["annotations"]:
            none = -1.0 if not truth.dataset["annotations"] else 0.0
            return {**dict.fromkeys(_STATS, none), "per_category": {}}
        results = [
            {"image_id": int(r[0]), "category_id": int(r[6]), "bbox": r[1:5], "score": r[5]} for r in rows
        ]
        scorer = COCOeval(truth, truth.loadRes(results), "bbox")
        scorer.evaluate()
        scorer.accumulate()
        scorer.summarize()
    precision = scorer.eval["precision"][:, :, :, 0, 2]  # (IoU, recall, category): all sizes, 100 boxes
    per_category = {
        name: float(precision[:, :, i][precision[:, :, i] > -1].mean())
        for i, name in enumerate(data.names)
        if (precision[:, :, i] > -1).any()
    }
    stats = {name: float(scorer.stats[i]) for i, name in enumerate(_STATS)}
    return {**stats, "per_category": per_category}

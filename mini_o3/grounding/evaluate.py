"""Measure a model on a set: mAP, ranking, calibration, speed, memory, and slices of the things."""

from __future__ import annotations

import platform
import time
from collections import defaultdict
from typing import Any

import numpy as np
import torch

from mini_o3.grounding.data.samples import GroundingSet
from mini_o3.grounding.detect import detect
from mini_o3.grounding.metrics.coco_map import Detections, coco_map
from mini_o3.grounding.metrics.ranking import CUTS, hits, ndcg_at, recall_at
from mini_o3.grounding.model import GroundingModel
from mini_o3.kit.errors import UserError

FALSE_ALARMS = 0.05  # share of absent categories that may be reported at the calibrated threshold
_SIZES = (("small", 0, 32**2), ("medium", 32**2, 96**2), ("large", 96**2, float("inf")))
_HIDDEN = (("in the open", 0.0, 0.05), ("partly hidden", 0.05, 0.4), ("mostly hidden", 0.4, 1.01))


def evaluate(
    model: GroundingModel, data: GroundingSet, *, steps: int | None = None, gated: bool | None = None
) -> dict[str, Any]:
    """All figures of a model on a set, as JSON has them.

    Raises:
        UserError: the set has other categories than the model.
    """
    if data.names != model.names:
        raise UserError(
            "the categories of the set are not those of the model; give a set with the same names"
        )
    if not data.samples:
        raise UserError("the set has no pictures; give another")
    model.eval()
    began = time.perf_counter()
    found, used = zip(*detect(model, data.samples, steps=steps, gated=gated), strict=True)
    seconds = time.perf_counter() - began
    return {
        "n": len(data.samples),
        **coco_map(data, list(found)),
        **rank(data, list(found)),
        **alarms(data, list(found)),
        "steps": float(np.mean(used)),
        "fps": len(data.samples) / seconds,
        "memory_gb": _memory(),
        "hardware": _hardware(),
    }


def rank(data: GroundingSet, found: list[Detections]) -> dict[str, Any]:
    """Recall and NDCG over queries that have something to find, their standard errors over pictures, slices.

    A picture is a cluster: its queries share it. Crowds are not counted.
    """
    by_picture: dict[str, list[float]] = defaultdict(list)
    slices: dict[str, list[bool]] = defaultdict(list)
    for sample, seen in zip(data.samples, found, strict=True):
        values: dict[str, list[float]] = defaultdict(list)
        for label in np.unique(sample.labels[~sample.crowd]):
            mine = (sample.labels == label) & ~sample.crowd
            things, hidden = sample.boxes[mine], sample.hidden[mine]
            hit = hits(seen.boxes[seen.labels == label], things)
            for cut in CUTS:
                values[f"recall@{cut}"].append(recall_at(hit, len(things), cut))
                values[f"ndcg@{cut}"].append(ndcg_at(hit, len(things), cut))
            for i, area in enumerate(np.prod(things[:, 2:] - things[:, :2], axis=1)):
                ok = i in hit[:10]
                for name in (_bin(_SIZES, area), _bin(_HIDDEN, hidden[i])):
                    slices[name].append(ok)
        for name, numbers in values.items():
            by_picture[name].append(float(np.mean(numbers)))
    figures: dict[str, Any] = {}
    for name, means in by_picture.items():
        figures[name] = float(np.mean(means))
        figures[f"{name}_stderr"] = (
            float(np.std(means, ddof=1) / len(means) ** 0.5) if len(means) > 1 else 0.0
        )
    figures["slices"] = {
        name: {"n": len(oks), "recall@10": float(np.mean(oks))} for name, oks in sorted(slices.items())
    }
    return figures


def alarms(data: GroundingSet, found: list[Detections]) -> dict[str, Any]:
    """The threshold at which one in twenty absent categories is reported, and how often present ones are."""
    absent: list[float] = []
    present: list[float] = []
    for sample, seen in zip(data.samples, found, strict=True):
        there = set(sample.labels.tolist())
        for label in range(len(data.names)):
            best = float(seen.scores[seen.labels == label].max(initial=0.0))
            (present if label in there else absent).append(best)
    threshold = float(np.quantile(absent, 1 - FALSE_ALARMS)) if absent else 0.5
    return {
        "threshold": threshold,
        "false_alarms": float(np.mean(np.array(absent) > threshold)) if absent else 0.0,
        "reported": float(np.mean(np.array(present) > threshold)) if present else 0.0,
    }


def _bin(bins: tuple[tuple[str, float, float], ...], value: float) -> str:
    return next(name for name, low, high in bins if low <= value < high)


def _memory() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _hardware() -> str:
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"CPU {platform.machine()}, {torch.get_num_threads()} threads"

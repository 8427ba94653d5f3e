"""Finding and reading text in a view: PP-OCRv6 through RapidOCR (Apache-2.0), whose wheel has the models."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from importlib.metadata import version
from threading import Lock
from typing import NamedTuple

import numpy as np
from PIL import Image

from mini_o3.kit.extras import require

Box = tuple[float, float, float, float]

_LEAST, _MOST = 0.9e6, 2.2e6  # pixels: smaller views are enlarged for the models, larger ones made smaller
_LARGEST = 3.0  # enlarging more shows the models nothing new
_SPOT = 0.3  # a place that looks like text at all
_KEPT = 64  # readings that are remembered: of several questions on one picture the first views are the same


class Line(NamedTuple):
    """One line of text in a view.

    Attributes:
        text: what it says; empty if it could not be read.
        score: how sure the model is of the text, 0..1; of what could not be read 0.
        box: upright rectangle around it, x0, y0, x1, y1, in pixels of the view.
    """

    text: str
    score: float
    box: Box


class Ocr:
    """Reads views. The same view gives the same lines: it runs on the processor, in `threads` threads."""

    def __init__(self, threads: int = 1) -> None:
        """Raises: UserError: the extra `reader` is not installed."""
        require("reader", "policy reader")
        from rapidocr import RapidOCR

        self.name = f"rapidocr {version('rapidocr')}"
        engine = "EngineConfig.onnxruntime"
        self._model = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "Global.use_preprocess_img": False,
                "Global.text_score": 0.0,
                "Det.limit_type": "max",
                "Det.limit_side_len": 4000,
                "Det.box_thresh": _SPOT,
                f"{engine}.intra_op_num_threads": threads,
                f"{engine}.inter_op_num_threads": 1,
            }
        )
        self._lock = Lock()  # the models keep state between their own steps
        self._known: OrderedDict[bytes, list[Line]] = OrderedDict()

    def lines(self, view: Image.Image) -> list[Line]:
        """All text in a view, from top to bottom."""
        key = hashlib.sha256(view.tobytes() + repr(view.size).encode()).digest()
        with self._lock:
            if key not in self._known:
                self._known[key] = self._read(view)
            self._known.move_to_end(key)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
            return self._known[key]

    def spots(self, view: Image.Image) -> list[Box]:
        """Places that look like text, unread, from top to bottom."""
        with self._lock:
            return [line.box for line in self._read(view, use_rec=False)]

    def _read(self, view: Image.Image, use_rec: bool = True) -> list[Line]:
        area = view.width * view.height
        scale = min(max(math.sqrt(_LEAST / area), 1.0), _LARGEST, max(math.sqrt(_MOST / area), 0.1))
        size = (max(round(view.width * scale), 32), max(round(view.height * scale), 32))
        shown = view if size == view.size else view.resize(size, Image.Resampling.BICUBIC)
        found = self._model(
            np.ascontiguousarray(np.asarray(shown.convert("RGB"))[:, :, ::-1]), use_rec=use_rec
        )
        boxes = getattr(found, "boxes", None)
        if boxes is None:
            return []
        texts = found.txts if use_rec else [""] * len(boxes)
        scores = found.scores if use_rec else [0.0] * len(boxes)
        lines = []
        for corners, text, score in zip(boxes, texts, scores, strict=True):
            low, high = np.min(corners, axis=0) / scale, np.max(corners, axis=0) / scale
            box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
            if box[2] - box[0] > 1 and box[3] - box[1] > 1:
                lines.append(Line(" ".join(text.split()), float(score), box))
        return lines

"""A trained model as a proposer of regions, and what it saw at each step as a picture."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw

from mini_o3.grounding.boxes import to_xyxy
from mini_o3.grounding.checkpoint import load_model
from mini_o3.grounding.data.transforms import to_array
from mini_o3.grounding.model import Look, Output
from mini_o3.kit.errors import UserError
from mini_o3.vision.base import Picture
from mini_o3.vision.draw import shrink
from mini_o3.vision.proposer import Proposal
from mini_o3.vision.region import Region

_SIDE = 320  # of a drawn step, in pixels
_LONGEST = 2048  # pixels of the longer side; the model sees far fewer


class Prediction(NamedTuple):
    """Proposals above the threshold, best first, and a drawing of every step."""

    proposals: list[Proposal]
    steps: list[Image.Image]


class GroundingProposer:
    """A `RegionProposer` from a model folder."""

    def __init__(self, folder: str | os.PathLike[str], threshold: float | None = None) -> None:
        """Raises: UserError: the folder holds no model. `threshold`: by default the calibrated one."""
        self.name, self.what = f"grounding:{os.fspath(folder)}", "what is asked about"
        self.model, record = load_model(folder)
        self.threshold = float(record.get("threshold", 0.5)) if threshold is None else threshold

    def propose(self, picture: Picture | Image.Image, question: str) -> list[Proposal]:
        """See `RegionProposer`. Nothing is proposed for a question that names no category of the model."""
        label = self._named(question)
        if label is None:
            return []
        image = picture.thumbnail(_LONGEST) if isinstance(picture, Picture) else picture
        return self._proposals(self._ask(image, label))

    def predict(self, picture: Image.Image, name: str) -> Prediction:
        """Boxes of a category, and what was attended to at each step.

        Raises:
            UserError: the model knows no such category.
        """
        label = self._named(name)
        if label is None:
            near = get_close_matches(name.lower(), self.model.names, 3) or self.model.names[:8]
            raise UserError(f"{name}: is no category of this model; it knows {', '.join(near)} ...")
        output = self._ask(picture, label)
        drawn = [self._draw(picture, look, number) for number, look in enumerate(output.looks)]
        return Prediction(self._proposals(output), drawn)

    def _named(self, question: str) -> int | None:
        """The longest category whose words stand in the question."""
        words = f" {' '.join(''.join(c if c.isalnum() else ' ' for c in question.lower()).split())} "
        named = [n for n in self.model.names if f" {n} " in words or f" {n}s " in words]
        return self.model.names.index(max(named, key=len)) if named else None

    @torch.no_grad()
    def _ask(self, picture: Image.Image, label: int) -> Output:
        pixels = torch.from_numpy(to_array(picture, self.model.config.image))[None]
        output: Output = self.model(pixels, torch.tensor([label]), torch.tensor([0]))
        return output

    def _proposals(self, output: Output) -> list[Proposal]:
        look = output.looks[-1]
        boxes, scores = to_xyxy(look.boxes[0]).clamp(0, 1), look.logits[0].sigmoid()
        found = []
        for i in scores.argsort(descending=True).tolist():
            x0, y0, x1, y1 = boxes[i].tolist()
            if scores[i] > self.threshold and x0 < x1 and y0 < y1:
                found.append(Proposal(Region(x0, y0, x1, y1), float(scores[i])))
        return found

    def _draw(self, picture: Image.Image, look: Look, number: int) -> Image.Image:
        """The picture, lit where the best slot looks, with its box and score."""
        best = int(look.logits[0].argmax())
        side = round(look.attention.shape[-1] ** 0.5)
        light = look.attention[0, best].reshape(side, side).numpy()
        light = light / max(float(light.max()), 1e-9)
        small = shrink(picture.convert("RGB"), _SIDE)
        mask = Image.fromarray((light * 255).astype(np.uint8)).resize(small.size, Image.Resampling.BILINEAR)
        drawn = Image.composite(small, Image.blend(small, Image.new("RGB", small.size), 0.6), mask)
        width, height = small.size
        x0, y0, x1, y1 = to_xyxy(look.boxes[0, best]).clamp(0, 1).tolist()
        draw = ImageDraw.Draw(drawn)
        draw.rectangle((x0 * width, y0 * height, x1 * width, y1 * height), outline="red", width=2)
        score = float(look.logits[0, best].sigmoid())
        draw.text((4, 4), f"{'proposal' if number == 0 else f'step {number}'}: {score:.2f}", fill="yellow")
        return drawn

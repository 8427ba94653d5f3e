"""A policy that finds red, and pictures for it, for the tests of `find`."""

from __future__ import annotations

import numpy as np
from helpers import answer, zoom
from PIL import Image, ImageDraw

from mini_o3.episode import PolicyError, Reply
from mini_o3.protocol import load_profile
from mini_o3.vision import PixelBudget

ZOOM = zoom(0.25, 0.25, 0.75, 0.75)


class SeesRed:
    """Zooms into the middle, then says `red` or `not there`; on a magenta picture it fails, on a cyan one it
    never stops, on a yellow one it cannot tell.

    `asked` holds the pictures that were begun, by name.
    """

    name, context_tokens, budget = "sees-red", None, PixelBudget(max_pixels=100_000, min_pixels=784)

    def __init__(self):
        self.profile = load_profile("search")
        self.asked = []

    def open(self, request):
        self.asked.append(request.picture)
        return _Looking()


class _Looking:
    view = None

    async def reply(self, messages):
        first = self.view is None
        if first:
            self.view = next(part for part in messages[-1].parts if isinstance(part, Image.Image))
        red, green, blue = np.asarray(self.view, dtype=int).reshape(-1, 3).T
        if ((red > 200) & (green < 60) & (blue > 200)).mean() > 0.5:
            raise PolicyError("the endpoint is down")
        if first or ((red < 60) & (green > 200) & (blue > 200)).mean() > 0.5:
            return Reply(ZOOM)
        if ((red > 200) & (green > 200) & (blue < 60)).mean() > 0.5:
            return Reply(answer("I cannot tell"))
        seen = ((red > 200) & (green < 60) & (blue < 60)).any()
        return Reply(answer("red" if seen else "not there"))

    def close(self):
        pass


def picture(seed, ground=None, red=False, size=(160, 120)):
    """A picture of its own for each seed, with a red square in the middle or without one."""
    rng = np.random.default_rng(seed)
    if ground is None:
        rough = Image.fromarray(rng.integers(0, 120, (6, 8, 3), dtype=np.uint8))
        drawn = rough.resize(size, Image.Resampling.BILINEAR)
    else:
        drawn = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(drawn)
    if red:
        x, y = size[0] // 2, size[1] // 2
        draw.rectangle((x - 12, y - 12, x + 12, y + 12), fill=(255, 0, 0))
    return drawn

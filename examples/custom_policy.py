"""A policy of your own, in one class: it zooms in on the most colourful spot and names its colour.

A policy needs no model. It is shown a view, says what it thinks and does in the protocol's words, and is
shown the next one. The same class could call whatever you like in `reply`.

    python examples/custom_policy.py
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

import mini_o3

COLOURS = {"red": (220, 30, 30), "green": (30, 160, 60), "blue": (40, 80, 220), "yellow": (240, 210, 40)}


class MostColourful:
    """Who decides. One policy serves many searches, so what belongs to one search is in `Search`."""

    name = "most-colourful"  # stands in the records
    context_tokens = None  # no limit on how much it can be told

    def __init__(self) -> None:
        self.budget = mini_o3.PixelBudget(max_pixels=200_000)  # how large a view it wants to be shown
        self.profile = mini_o3.load_profile("search")  # what is said around the views

    def open(self, request: mini_o3.Request) -> "Search":
        return Search()

    def close(self) -> None: ...


class Search:
    """One search: two looks closer, then the answer."""

    looks = 0

    async def reply(self, messages: Sequence[mini_o3.Message]) -> mini_o3.Reply:
        view = next(part for part in reversed(messages[-1].parts) if isinstance(part, Image.Image))
        pixels = np.asarray(view).astype(int)
        row, column = np.unravel_index(np.ptp(pixels, axis=2).argmax(), pixels.shape[:2])
        if self.looks == 2:
            seen = pixels[row, column]
            name = min(COLOURS, key=lambda colour: np.abs(seen - COLOURS[colour]).sum())
            return mini_o3.Reply(f"<think>It is {name}.</think><answer>{name}</answer>")
        source = f"observation_{self.looks}" if self.looks else "original_image"
        x, y = (
            float(column / view.width),
            float(row / view.height),
        )  # boxes are in fractions of what they are cut from
        x0, y0 = min(max(x - 0.15, 0), 0.7), min(max(y - 0.15, 0), 0.7)
        box = [round(value, 3) for value in (x0, y0, x0 + 0.3, y0 + 0.3)]
        self.looks += 1
        return mini_o3.Reply(
            f"<think>There is colour; closer.</think>"
            f'<grounding>{{"bbox_2d": {box}, "source": "{source}"}}</grounding>'
        )

    def close(self) -> None: ...


def picture_with_a_dot(colour: str) -> Image.Image:
    """A large grey picture with one small dot."""
    picture = Image.new("RGB", (3000, 2000), (128, 128, 128))
    ImageDraw.Draw(picture).ellipse((2210, 1320, 2240, 1350), fill=COLOURS[colour])
    return picture


if __name__ == "__main__":
    policy = MostColourful()
    for wanted in COLOURS:
        asked = mini_o3.ask(picture_with_a_dot(wanted), "What colour is the dot?", policy)
        print(f"{wanted}: {asked.answer}, seen in {asked.evidence}")

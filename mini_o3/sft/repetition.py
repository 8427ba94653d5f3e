"""Repetition noise: lists that repeat an item, so that a model that does so learns to go on.

Departs from the paper, where nothing of the kind is needed. A teacher never says a thing twice. A model that
once did had no example of how to go on, and repeated it until the turn was cut off: 3 of 30 easy probes ended
so. Here an item of a list (a place, perhaps with a colour) comes again, as context that is not learnt; what
comes after it is learnt.
"""

from __future__ import annotations

import numpy as np

from mini_o3.models.chat import ChatRenderer, Rendered
from mini_o3.probes.shapes.words import COLOURS

_SHARE = 0.06  # of the items come again


def repetition_noise(renderer: ChatRenderer, message: Rendered, rng: np.random.Generator) -> Rendered:
    """A message of the policy; now and then the last item of a list, or the last two, come once to four times
    more, as context that is not learnt."""
    slash = renderer.encode("/")
    colours = {renderer.encode(f" {colour}")[0] for colour in COLOURS}
    out = Rendered(views=message.views)
    items: list[list[int]] = []
    at = 0
    while at < len(message.ids):
        end = at + 3
        if message.ids[at + 1 : at + 2] != slash:
            items, end = [], at + 1
        elif message.ids[end : end + 1] and message.ids[end] in colours:
            end += 1
        out.add(Rendered(message.ids[at:end], message.mask[at:end]))
        if end > at + 1:
            items.append(message.ids[at:end])
            listed = len(items) > 1 or message.ids[end + 1 : end + 2] == slash
            if listed and rng.random() < _SHARE:
                again = [token for item in items[-int(rng.integers(1, 3)) :] for token in item] * int(
                    rng.integers(1, 5)
                )
                out.add(Rendered(again, [0] * len(again)))
        at = end
    return out

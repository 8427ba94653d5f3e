"""Lists that stutter, so that a model that has begun to repeat itself learns to go on.

Departs from the paper, where nothing of the kind is needed. A teacher never says a thing twice, so a model
that once did
is where no example has been, and says it until the turn is cut off: 3 of 30 easy probes ended so. Here an
item of a list (a place, perhaps with a colour) comes again, as context that is not learnt; what is learnt is
what comes after.
"""

from __future__ import annotations

import numpy as np

from mini_o3.models.chat import ChatRenderer, Rendered
from mini_o3.probes.shapes.words import COLOURS

_SHARE = 0.06  # of the items come again


def stutter(renderer: ChatRenderer, spoken: Rendered, rng: np.random.Generator) -> Rendered:
    """What was spoken, now and then with the last item of a list, or the last two, once to four times
    more."""
    slash = renderer.encode("/")
    colours = {renderer.encode(f" {colour}")[0] for colour in COLOURS}
    out = Rendered(views=spoken.views)
    items: list[list[int]] = []
    at = 0
    while at < len(spoken.ids):
        end = at + 3
        if spoken.ids[at + 1 : at + 2] != slash:
            items, end = [], at + 1
        elif spoken.ids[end : end + 1] and spoken.ids[end] in colours:
            end += 1
        out.add(Rendered(spoken.ids[at:end], spoken.mask[at:end]))
        if end > at + 1:
            items.append(spoken.ids[at:end])
            listed = len(items) > 1 or spoken.ids[end + 1 : end + 2] == slash
            if listed and rng.random() < _SHARE:
                again = [token for item in items[-int(rng.integers(1, 3)) :] for token in item] * int(
                    rng.integers(1, 5)
                )
                out.add(Rendered(again, [0] * len(again)))
        at = end
    return out

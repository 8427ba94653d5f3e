"""Views to image tokens: equal views are encoded once, different ones together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

import torch
from PIL import Image

from mini_o3.models.tower import encode_views
from mini_o3.models.vlm import Vlm

_KEPT = 256 << 20  # bytes of image tokens that may be asked for again
PATCHES_AT_ONCE = 16_384  # in one pass of the vision tower, unless one view has more


class ViewEncoder:
    """Keeps the tokens of the last views by what they show; the rollouts of a group look at the same
    things."""

    def __init__(self, vlm: Vlm) -> None:
        self.vlm = vlm
        self.known: OrderedDict[bytes, torch.Tensor] = OrderedDict()

    def encode(self, views: Sequence[Image.Image]) -> list[torch.Tensor]:
        """Image tokens (tokens, width) of every view."""
        keys = [view_key(view) for view in views]
        missing = {key: view for key, view in zip(keys, views, strict=True) if key not in self.known}
        names = list(missing)
        for part in in_parts(list(missing.values()), self.vlm.patcher.patch):
            for tokens in encode(self.vlm, part):
                self.known[names.pop(0)] = tokens.clone()  # by itself, so that forgetting it frees it
        for key in keys:
            self.known.move_to_end(key)
        found = [self.known[key] for key in keys]
        held = sum(tokens.nbytes for tokens in self.known.values())
        while held > _KEPT:
            held -= self.known.popitem(last=False)[1].nbytes
        return found

    def forget(self) -> None:
        """The weights have changed."""
        self.known.clear()


def in_parts(views: Sequence[Image.Image], patch: int) -> list[list[Image.Image]]:
    """Split so that the patches of a part fit into one pass of the vision tower."""
    parts: list[list[Image.Image]] = []
    room = 0
    for view in views:
        patches = count_patches([view], patch)
        if patches > room:
            parts.append([])
            room = PATCHES_AT_ONCE
        parts[-1].append(view)
        room -= patches
    return parts


def count_patches(views: Sequence[Image.Image], patch: int) -> int:
    return sum((view.width // patch) * (view.height // patch) for view in views)


def encode(vlm: Vlm, views: list[Image.Image]) -> tuple[torch.Tensor, ...]:
    """Image tokens (tokens, width) of every view, in one pass."""
    visual = vlm.model.model.visual
    rows, grids = vlm.patcher(views)
    out = encode_views(visual, rows.to(vlm.device, next(visual.parameters()).dtype), grids.to(vlm.device))
    sizes = [int(grid.prod()) // visual.spatial_merge_size**2 for grid in grids]
    return out.reshape(-1, out.shape[-1]).split(sizes)


def view_key(view: Image.Image) -> bytes:
    return digest(repr(view.size).encode(), view.tobytes())


def digest(*parts: bytes) -> bytes:
    found = blake2b(digest_size=16)
    for part in parts:
        found.update(part)
    return found.digest()

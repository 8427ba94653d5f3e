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
_PATCHES_AT_ONCE = 16_384  # in one pass of the vision tower, unless one view has more


class ViewEncoder:
    """Keeps the tokens of the last views by what they show; the rollouts of a group look at the same things."""

    def __init__(self, vlm: Vlm) -> None:
        self.vlm = vlm
        self.visual = vlm.model.model.visual
        self.dtype = next(self.visual.parameters()).dtype
        self.known: OrderedDict[bytes, torch.Tensor] = OrderedDict()

    def encode(self, views: Sequence[Image.Image]) -> list[torch.Tensor]:
        """Image tokens (tokens, width) of every view."""
        keys = [view_key(view) for view in views]
        missing = {key: view for key, view in zip(keys, views, strict=True) if key not in self.known}
        for part in self._parts(list(missing.items())):
            rows, grids = self.vlm.patcher([view for _, view in part])
            out = encode_views(self.visual, rows.to(self.vlm.device, self.dtype), grids.to(self.vlm.device))
            flat = out.reshape(-1, out.shape[-1])
            sizes = [int(grid.prod()) // self.visual.spatial_merge_size**2 for grid in grids]
            for (key, _), tokens in zip(part, flat.split(sizes), strict=True):
                self.known[key] = tokens.clone()  # by itself, so that forgetting it frees it
        for key in keys:
            self.known.move_to_end(key)
        found = [self.known[key] for key in keys]
        held = sum(tokens.nbytes for tokens in self.known.values())
        while held > _KEPT:
            held -= self.known.popitem(last=False)[1].nbytes
        return found

    def _parts(self, views: list[tuple[bytes, Image.Image]]) -> list[list[tuple[bytes, Image.Image]]]:
        """Split so that the patches of a part fit into one pass."""
        side = self.vlm.patcher.patch
        parts: list[list[tuple[bytes, Image.Image]]] = []
        room = 0
        for key, view in views:
            patches = (view.width // side) * (view.height // side)
            if patches > room:
                parts.append([])
                room = _PATCHES_AT_ONCE
            parts[-1].append((key, view))
            room -= patches
        return parts


def view_key(view: Image.Image) -> bytes:
    return digest(repr(view.size).encode(), view.tobytes())


def digest(*parts: bytes) -> bytes:
    found = blake2b(digest_size=16)
    for part in parts:
        found.update(part)
    return found.digest()

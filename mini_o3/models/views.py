"""Image tokens of views: equal views are encoded once, different ones together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

import torch
from PIL import Image

from mini_o3.models.forward import encode_views
from mini_o3.models.vlm import Vlm

PATCHES_AT_ONCE = 16_384  # in one pass of the vision tower, unless one view has more
_CACHE_BYTES = 256 << 20


class ViewCache:
    """Image tokens of the views seen last, by their pixels: rollouts of a group look at the same things."""

    def __init__(self, vlm: Vlm) -> None:
        self.vlm = vlm
        self.known: OrderedDict[bytes, torch.Tensor] = OrderedDict()

    def encode(self, views: Sequence[Image.Image]) -> list[torch.Tensor]:
        """Image tokens (tokens, width) of every view."""
        keys = [view_key(view) for view in views]
        missing = {key: view for key, view in zip(keys, views, strict=True) if key not in self.known}
        names = list(missing)
        for part in split_views(list(missing.values()), self.vlm.patcher.patch):
            for tokens in encode_views(self.vlm, part):
                self.known[names.pop(0)] = tokens.clone()  # a copy, so that its memory can be freed alone
        for key in keys:
            self.known.move_to_end(key)
        found = [self.known[key] for key in keys]
        held = sum(tokens.nbytes for tokens in self.known.values())
        while held > _CACHE_BYTES:
            held -= self.known.popitem(last=False)[1].nbytes
        return found

    def clear(self) -> None:
        """Forget everything, for when the weights have changed."""
        self.known.clear()


def split_views(views: Sequence[Image.Image], patch: int) -> list[list[Image.Image]]:
    """Views in parts whose patches fit into one pass of the vision tower."""
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


def view_key(view: Image.Image) -> bytes:
    """A digest of the size and the pixels of a view."""
    return digest(repr(view.size).encode(), view.tobytes())


def digest(*parts: bytes) -> bytes:
    found = blake2b(digest_size=16)
    for part in parts:
        found.update(part)
    return found.digest()

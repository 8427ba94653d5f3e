"""Random streams that depend only on their names and numbers, never on call order or process."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(*key: int | str) -> np.random.Generator:
    """A generator determined by `key` alone; two different keys give independent streams.

    Used wherever work may be split over processes or resumed: the stream for item 17 does not depend on items
    0..16.
    """
    digest = hashlib.sha256("\x1f".join(f"{type(part).__name__}:{part}" for part in key).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))

"""A probe as a sample: a picture of nano's world and the question about it."""

from __future__ import annotations

from mini_o3.probes.shapes.generate import make_probe
from mini_o3.serve.pyramid import jpeg


def sample_probe(seed: int) -> tuple[bytes, str]:
    """The JPEG file and the question of the easy probe with this seed."""
    probe = make_probe(seed, "easy")
    return jpeg(probe.picture, quality=90), probe.task.question

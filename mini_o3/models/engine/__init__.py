"""The rollout engine: many conversations decoded together."""

from mini_o3.models.engine.engine import Engine
from mini_o3.models.engine.sequence import Sequence

__all__ = ["Engine", "Sequence"]

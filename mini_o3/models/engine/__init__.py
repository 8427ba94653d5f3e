"""The rollout engine: many conversations decoded together."""

from mini_o3.models.engine.engine import Engine
from mini_o3.models.engine.turns import Stream

__all__ = ["Engine", "Stream"]

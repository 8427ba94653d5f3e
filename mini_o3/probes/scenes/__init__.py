"""Worlds: paper-sized sets of pictures that people believe, each with several questions about something small
in it."""

from mini_o3.probes.scenes.build import build, read_rows, tasks_of
from mini_o3.probes.scenes.config import WorldConfig
from mini_o3.probes.scenes.rules import EYES, RULE_EYE, WORLD_LEVELS
from mini_o3.probes.scenes.world import make_world

__all__ = ["EYES", "RULE_EYE", "WORLD_LEVELS", "WorldConfig", "build", "make_world", "read_rows", "tasks_of"]

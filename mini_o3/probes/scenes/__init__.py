"""Scenes: paper-sized sets of pictures that people believe, each with several questions about something small
in it."""

from mini_o3.probes.scenes.build import build, read_rows, tasks_of
from mini_o3.probes.scenes.config import ScenesConfig
from mini_o3.probes.scenes.generate import make_scene
from mini_o3.probes.scenes.levels import BUDGETS, LEVELS, RULE_BUDGET

__all__ = ["BUDGETS", "LEVELS", "RULE_BUDGET", "ScenesConfig", "build", "make_scene", "read_rows", "tasks_of"]

"""The Visual Probe generator: pictures in which something small must be found, with everything about them
known."""

from mini_o3.probes.shapes.generate import Probe, make_probe
from mini_o3.probes.shapes.levels import LEVELS, TRAINING_SEEDS, Level
from mini_o3.probes.shapes.scene import FAMILIES

__all__ = ["FAMILIES", "LEVELS", "TRAINING_SEEDS", "Level", "Probe", "make_probe"]

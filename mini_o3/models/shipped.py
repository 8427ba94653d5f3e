"""Checkpoints that come with the package, by name; needs no torch, as settings are checked without it."""

from __future__ import annotations

from pathlib import Path

from mini_o3.kit.run import RENAMED

ASSETS = Path(__file__).parent / "assets"
NANO_DIR = ASSETS / "nano"

#: nano; what nano's SFT starts from; and the start of the paper's suites, which has learnt to guess as well.
SHIPPED = ("nano", "perception", "guesses")


def checkpoint_in(name: str | Path) -> Path:
    """A checkpoint directory: the shipped one of this name, a folder, or the model in a run folder.

    The folders in `runs/` in which the shipped ones once lay still mean them, unless there is such a folder.
    """
    folder = Path(name)
    if not folder.exists():
        known = RENAMED.get(str(name), str(name))
        if known in SHIPPED:
            return ASSETS / known
    return folder / "model" if (folder / "model").is_dir() else folder

"""Checkpoints that come with the package, by name; needs no torch, as settings are checked without it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from mini_o3.kit.errors import UserError
from mini_o3.kit.hub import MODEL_FILES, fetch, is_hub_name
from mini_o3.kit.run import RENAMED
from mini_o3.models.families import FAMILIES, NAMES, SUPPORTED

ASSETS = Path(__file__).parent / "assets"
NANO_DIR = ASSETS / "nano"

#: nano; what nano's SFT starts from; and the start of the paper's suites, which has learnt to guess as well.
SHIPPED = ("nano", "perception", "guesses")


#: Settings of the picture processor: a file of their own, or a part of what newer versions of transformers
#: save.
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")


def check_checkpoint(folder: str | Path) -> None:
    """Make sure that a model directory is there, with the files that tell what it is, and that it is of a
    family that can be run.

    Raises:
        UserError: the directory or one of these files is missing, or it holds another kind of model.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such model directory; give a folder with a {NAMES} checkpoint")
    for names in (("config.json",), PROCESSOR_FILES):
        if not any((folder / name).is_file() for name in names):
            raise UserError(f"{folder}: {names[0]} is missing; give a folder with a {NAMES} checkpoint")
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError, RecursionError):
        return  # whoever loads it says so
    if kind not in FAMILIES:
        raise UserError(f"{folder}: holds a model of kind {kind}; what can be run is {SUPPORTED}")


def model_folder(name: str | Path) -> Path:
    """The folder of a policy's checkpoint: `checkpoint_in`, or `ORG/NAME[@REVISION]` of the hub, fetched.

    Raises:
        UserError: it is named like one of the hub and cannot be had there.
    """
    folder = checkpoint_in(name)
    return folder if folder.exists() or not is_hub_name(str(name)) else _fetched(str(name))


@cache
def _fetched(name: str) -> Path:
    return fetch(name, "model", MODEL_FILES, f"hf:{name}").folder


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

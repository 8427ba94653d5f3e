"""Model folders: `grounding.json` with the settings and names, `model.safetensors` with the weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mini_o3.grounding.config import ModelConfig
from mini_o3.grounding.model import GroundingModel
from mini_o3.kit.config import validated
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import write_atomically, write_json
from mini_o3.kit.reading import read_object

SETTINGS, WEIGHTS = "grounding.json", "model.safetensors"


def save_model(model: GroundingModel, folder: Path, **facts: Any) -> None:
    """Write a model folder; `facts` such as `threshold` are kept beside the settings."""
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    write_atomically(folder / WEIGHTS, lambda part: save_file(state, part))
    write_json(folder / SETTINGS, {"model": model.config.model_dump(), "names": model.names, **facts})


def load_model(folder: str | os.PathLike[str]) -> tuple[GroundingModel, dict[str, Any]]:
    """The model of a folder, or of a run's folder, and what else is recorded of it.

    Raises:
        UserError: there is no such model, or its weights do not fit its settings.
    """
    path = Path(folder)
    path = path if (path / SETTINGS).exists() else path / "model"
    if not (path / SETTINGS).exists():
        raise UserError(f"{folder}: holds no grounding model; give a folder of `mini-o3 grounding train`")
    record = read_object(path / SETTINGS)
    config = validated(path / SETTINGS, ModelConfig, record.get("model", {}))
    model = GroundingModel(config, [str(name) for name in record.get("names", [])])
    try:
        model.load_state_dict(load_file(path / WEIGHTS))
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:150]
        raise UserError(
            f"{path / WEIGHTS}: does not hold the weights of this model ({reason}); copy the folder again"
        ) from None
    return model.eval(), record

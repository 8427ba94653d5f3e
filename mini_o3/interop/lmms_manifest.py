"""What lmms-eval is told of the model `mini_o3`: its entry point in the group `lmms_eval.models`."""

from __future__ import annotations

from typing import Any


def manifest() -> Any:
    """The `ModelManifest` (lmms_eval 0.7.3, models/registry_v2.py); the class is imported only if it is asked
    for."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(model_id="mini_o3", chat_class_path="mini_o3.interop.lmms_model.MiniO3")

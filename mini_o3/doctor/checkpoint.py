"""A checkpoint folder: is it one that can be loaded, and what does it want?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mini_o3.doctor.findings import Finding, State
from mini_o3.kit.extras import require
from mini_o3.models.families import FAMILIES, SUPPORTED
from mini_o3.models.shipped import model_folder

_NEEDED = {
    "config.json": ("config.json",),
    "weights": ("*.safetensors",),
    "tokenizer": ("tokenizer.json", "tokenizer_config.json"),
    "picture processor": ("preprocessor_config.json", "processor_config.json"),
}


def examine_checkpoint(name: str, *, load: bool = True) -> Iterator[Finding]:
    """Findings about a checkpoint; with `load` its weights are loaded, too.

    Raises:
        UserError: torch or transformers are not installed.
    """
    folder = model_folder(name)
    if not folder.is_dir():
        yield Finding("folder", State.BAD, f"{folder}: no such folder; give one with a checkpoint")
        return
    missing = [what for what, names in _NEEDED.items() if not any(any(folder.glob(n)) for n in names)]
    state = State.BAD if missing else State.GOOD
    yield Finding(
        "files", state, f"missing: {', '.join(missing)}" if missing else f"all there, {_size(folder)}"
    )
    if missing:
        return
    config = _json(folder / "config.json")
    kind = config.get("model_type", "not said")
    if kind not in FAMILIES:
        yield Finding("architecture", State.BAD, f"{kind}; what can be run is {SUPPORTED}")
        return
    stored = config.get("dtype", config.get("torch_dtype"))
    yield Finding("architecture", State.GOOD, f"{FAMILIES[kind].name}, stored as {stored or 'not said'}")
    if not load:
        return
    require("local", "loading a checkpoint")
    from mini_o3.kit.errors import UserError
    from mini_o3.models.devices import searches_that_fit
    from mini_o3.models.vlm import load_vlm

    try:
        vlm = load_vlm(folder)
    except UserError as error:
        yield Finding("loading", State.BAD, str(error))
        return
    parameters = sum(weight.numel() for weight in vlm.model.parameters())
    yield Finding("loading", State.GOOD, f"{parameters / 1e6:,.1f} million parameters on {vlm.device}")
    fit = searches_that_fit(vlm)
    known = (
        "cannot be told"
        if fit is None
        else f"room for {fit} searches of up to 32,768 tokens at the same time"
    )
    yield Finding("memory", State.NOTE if fit == 0 else State.GOOD, known)
    wants = f"prompts {vlm.prompts}, context of {vlm.context_tokens} tokens"
    yield Finding(
        "wants", State.GOOD, f"{wants}, turns of at most {vlm.turn_tokens or 'any number of'} tokens"
    )
    yield Finding("use", State.GOOD, f"--policy hf:{name}")


def _size(folder: Path) -> str:
    return f"{sum(path.stat().st_size for path in folder.glob('*.safetensors')) / 2**20:,.0f} MiB of weights"


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

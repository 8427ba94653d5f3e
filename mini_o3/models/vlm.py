"""A Qwen2.5-VL or Qwen3-VL checkpoint, nano included, loaded with what it takes to speak with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import read_object
from mini_o3.models.chat import ChatRenderer
from mini_o3.models.families import FAMILIES
from mini_o3.models.nano import SETTINGS_FILE, save_checkpoint
from mini_o3.models.patches import Patcher
from mini_o3.models.shipped import PROCESSOR_FILES, check_checkpoint
from mini_o3.protocol import PromptProfile
from mini_o3.protocol.dialects import view_budget
from mini_o3.vision import PixelBudget

_MEBIBYTE = 1 << 20
_NAMED = 3  # tensors in a message


@dataclass(slots=True)
class Vlm:
    """A loaded checkpoint.

    `budget`, `profile` and `turn_tokens` (how long a turn of its may be) are its own if its directory says so
    (`mini_o3.json`), else None. `family` is a key of `FAMILIES`.
    """

    model: Any
    renderer: ChatRenderer
    patcher: Patcher
    budget: PixelBudget | None
    profile: str | None
    turn_tokens: int | None
    context_tokens: int
    stored: torch.dtype  # of the weights on disk
    processor: dict[str, Any]  # preprocessor_config.json
    says: str | None = None  # the number format that config.json names
    family: str = "qwen2_5_vl"

    @property
    def language(self) -> Any:
        """The language model."""
        return self.model.model.language_model

    @property
    def visual(self) -> Any:
        """The vision tower."""
        return self.model.model.visual

    @property
    def prompts(self) -> str:
        """Name of the prompt profile that it is asked with unless somebody wants another one."""
        return self.profile or FAMILIES[self.family].profile

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device  # type: ignore[no-any-return]


def load_vlm(folder: str | Path, device: str | None = None, dtype: torch.dtype | None = None) -> Vlm:
    """Load the directory of a checkpoint, by default in the format of `compute_dtype`.

    Raises:
        UserError: the directory or one of its files is missing, or it holds another kind of model.
    """
    folder = Path(folder)
    check_checkpoint(folder)
    import transformers

    try:
        config = read_object(folder / "config.json")
        processor = _processor(folder)
        settings = read_object(folder / SETTINGS_FILE) if (folder / SETTINGS_FILE).is_file() else {}
        family = config["model_type"]
        model_class = getattr(transformers, FAMILIES[family].model_class)
        device = device or best_device()
        dtype = dtype or compute_dtype(config, device)
        model, found = model_class.from_pretrained(folder, dtype=dtype, output_loading_info=True)
        _check_tensors(folder, found)
        model = model.to(device).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        tokenizer.chat_template = tokenizer.chat_template or _chat_template(folder)
        patcher = Patcher.of(processor)
        budget = PixelBudget(**settings["budget"]) if "budget" in settings else None
        stored = _stored(folder)
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise UserError(
            f"{folder}: cannot be loaded ({str(error).splitlines()[0]}); is the checkpoint complete?"
        ) from None
    return Vlm(
        model,
        ChatRenderer(tokenizer, patcher.patch * patcher.merge),
        patcher,
        budget,
        settings.get("profile"),
        settings.get("turn_tokens"),
        int(model.config.text_config.max_position_embeddings),
        stored,
        processor,
        _says(config),
        family,
    )


def _check_tensors(folder: Path, found: dict[str, Any]) -> None:
    """Refuse weights that are not those of the model, which would else run with random ones in their place.

    Raises:
        UserError: tensors are missing, unexpected or of another shape; the first of each are named.
    """
    wrong = []
    for what, key in (
        ("missing", "missing_keys"),
        ("unexpected", "unexpected_keys"),
        ("of another shape", "mismatched_keys"),
    ):
        names = sorted(name if isinstance(name, str) else name[0] for name in found.get(key) or ())
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            wrong.append(f"{what}: {', '.join(names[:_NAMED])}{more}")
    if wrong:
        raise UserError(
            f"{folder}: its tensors are not those that config.json describes ({'; '.join(wrong)});"
            " get the checkpoint again, or convert it to the names of transformers"
        )


def best_device() -> str:
    """The fastest that torch has here: a GPU of NVIDIA or AMD, one of Apple, or the processor."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def compute_dtype(config: dict[str, Any], device: str) -> torch.dtype:
    """The number format to compute in: bfloat16 if that is what `config.json` says, and the processor has
    units for it.

    One without them was 50 times slower in it than in float32.
    """
    return (
        torch.bfloat16 if _says(config) in ("bfloat16", "float16") and has_bfloat16(device) else torch.float32
    )


def _says(config: dict[str, Any]) -> str | None:
    """The number format, under either name, of the whole or only of its language model."""
    parts = (config, config.get("text_config") or {})
    said = (part.get(key) for part in parts for key in ("dtype", "torch_dtype"))
    return next((str(name).removeprefix("torch.") for name in said if name), None)


def has_bfloat16(device: str) -> bool:
    """Whether the processor has units for it."""
    if device.startswith("mps"):
        return torch.backends.mps.is_macos_or_newer(14, 0)
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    units = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return bool(torch.backends.mkldnn.is_available() and units)


def _processor(folder: Path) -> dict[str, Any]:
    """Settings of the picture processor."""
    path = next(folder / name for name in PROCESSOR_FILES if (folder / name).is_file())
    found = read_object(path)
    # type: ignore[no-any-return]
    return found if path.name == PROCESSOR_FILES[0] else found["image_processor"]


def _chat_template(folder: Path) -> str | None:
    """The template in a file of its own, as older checkpoints have it; tokenizers do not read it."""
    path = folder / "chat_template.json"
    return read_object(path)["chat_template"] if path.is_file() else None


def budget_of(vlm: Vlm, profile: PromptProfile, max_pixels: int | None) -> PixelBudget:
    """The size of views that the checkpoint wants, else the dialect of its prompts, or views of at most
    `max_pixels`.

    If it wants them all alike, they have exactly `max_pixels`.

    Raises:
        UserError: no view can be so small, or the dialect is unknown.
    """
    return view_budget(profile.dialect, max_pixels, vlm.budget, vlm.renderer.factor)


def enable_gradient_checkpointing(model: Any) -> None:
    """Drop activations in training and compute them again: less memory, a third more work."""
    newer = getattr(model, "activation_checkpointing_enable", None)  # its name from some transformers 5 on
    (newer or model.gradient_checkpointing_enable)()


def weights_hash(folder: Path) -> str:
    """Twelve hex digits by which to tell the weights of a checkpoint: names, sizes, first and last mebibyte
    of its files.

    Training moves weights all over a model, so reading all 15 GB of a large one would hardly tell more.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as file:
            digest.update(file.read(_MEBIBYTE))
            file.seek(max(size - _MEBIBYTE, 0))
            digest.update(file.read(_MEBIBYTE))
    return digest.hexdigest()[:12]


def save_vlm(vlm: Vlm, folder: Path, settings: dict[str, Any]) -> None:
    """Write a directory that `load_vlm` and transformers can open, in the number format the weights came in.

    `settings` goes into `mini_o3.json`, beside the budget and the profile of the checkpoint.
    """
    if vlm.budget is not None:
        settings = {"budget": vlm.budget.to_dict(), **settings}
    settings = {
        key: value for key, value in (("profile", vlm.profile), ("turn_tokens", vlm.turn_tokens)) if value
    } | settings
    save_checkpoint(
        vlm.model,
        vlm.renderer.tokenizer,
        folder,
        settings,
        dtype=vlm.stored,
        processor=vlm.processor,
        says=vlm.says,
    )


def steps_of(folder: Path) -> int | None:
    """After how many steps of its training `save_vlm` wrote this checkpoint; None if it is not whole, or says
    nothing."""
    try:
        step = read_object(folder / SETTINGS_FILE).get("step")
    except UserError:  # a kill came while it was written
        return None
    return None if step is None else int(step)


def _stored(folder: Path) -> torch.dtype:
    """The number format of the weights on disk; what config.json says of it need not be true."""
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118  (not a mapping)
                return weights.get_tensor(name).dtype  # type: ignore[no-any-return]
    return torch.float32

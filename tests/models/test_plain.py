"""Greedy output of the engine is that of the plain transformers loop, token for token, on nano and on another
shape."""

import sys
from pathlib import Path

import pytest
import torch
from helpers import play
from transformers import Qwen2_5_VLForConditionalGeneration

from mini_o3.episode import Limits
from mini_o3.models.nano import nano_config, save_checkpoint
from mini_o3.models.sampling import Sampling
from mini_o3.models.shipped import NANO_DIR
from mini_o3.models.tokenizer import build_tokenizer
from mini_o3.models.vlm import load_vlm
from mini_o3.policies.local import Local
from mini_o3.probes.shapes import make_probe

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
from plain import Plain

SAMPLING = Sampling(max_tokens=60)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """nano as shipped, and random weights shaped as larger checkpoints: more heads per key, windows,
    two-frame patches."""
    torch.set_num_threads(1)
    tokenizer = build_tokenizer()
    config = nano_config(tokenizer, width=192, layers=3)
    text, vision = config.text_config, config.vision_config
    text.hidden_size, text.num_attention_heads, text.num_key_value_heads = 128, 8, 2
    text.rope_parameters = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1000000.0}
    vision.temporal_patch_size, vision.fullatt_block_indexes, vision.out_hidden_size, vision.window_size = (
        2,
        [1],
        128,
        112,
    )
    config.tie_word_embeddings = text.tie_word_embeddings = False
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("other")
    model = Qwen2_5_VLForConditionalGeneration(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    processor = {"patch_size": 14, "merge_size": 2, "temporal_patch_size": 2}
    save_checkpoint(model, tokenizer, folder, {}, processor=processor)
    return {"nano": load_vlm(NANO_DIR), "other": load_vlm(folder)}


@pytest.mark.parametrize("shape", ["nano", "other"])
@pytest.mark.parametrize("cached", [True, False])
def test_greedy_output_equals_the_plain_loop(shapes, shape, cached):
    vlm = shapes[shape]
    probe = make_probe(500_000_120, "easy", size=(900, 700) if shape == "other" else (1400, 1400))
    limits = Limits(turns=4, void_retries=9)
    local, plain = Local(vlm, "local", sampling=SAMPLING), Plain(vlm, SAMPLING, cached)
    plain.budget = local.budget
    ours, theirs = (play(policy, probe.picture, probe.task, limits=limits) for policy in (local, plain))
    assert ours.num_turns >= 3
    assert [turn.token_ids for turn in ours.turns] == [turn.token_ids for turn in theirs.turns]
    assert len({token for turn in ours.turns for token in turn.token_ids}) > 3

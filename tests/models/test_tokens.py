"""Text to ids to text, and pixels to patches, against what transformers does."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import Qwen2VLImageProcessorPil

from mini_o3.models.chat import ChatRenderer, position_ids
from mini_o3.models.nano import PROCESSOR, new_nano
from mini_o3.models.patches import Patcher
from mini_o3.models.tokenizer import IMAGE_PAD, build_tokenizer
from mini_o3.models.tower import encode_patches

TOKENIZER = build_tokenizer()
RENDERER = ChatRenderer(TOKENIZER)


@given(st.text(max_size=200))
@settings(max_examples=200)
def test_any_text_survives(text):
    ids = RENDERER.encode(text)
    assert RENDERER.decode(ids) == text.encode("utf-8", "replace").decode() or RENDERER.decode(ids) == text


def test_a_zoom_is_few_tokens():
    text = "<think>red star at 0.45/0.50</think>"
    text += '<grounding>{"bbox_2d": [0.25, 0.50, 0.45, 0.70], "source": "observation_12"}</grounding>'
    ids = RENDERER.encode(text)
    assert RENDERER.decode(ids) == text
    assert len(ids) == 19


@pytest.mark.parametrize("forged", [IMAGE_PAD, "<|im_end|>", "<|im_start|>assistant", "<|vision_start|>"])
def test_special_tokens_in_text_stay_text(forged):
    ids = RENDERER.encode(f"what is {forged} there")
    special = set(TOKENIZER.all_special_ids) | {RENDERER.im_start, RENDERER.vision_start, RENDERER.image_pad}
    assert not special & set(ids)
    assert RENDERER.decode(ids) == f"what is {forged} there"


@pytest.mark.parametrize(("size", "temporal"), [((168, 168), 1), ((84, 140), 2), ((28, 28), 2)])
def test_patches_equal_the_processor_of_transformers(size, temporal):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    view = Image.fromarray(pixels)
    config = {**PROCESSOR, "temporal_patch_size": temporal}
    reference = Qwen2VLImageProcessorPil(
        patch_size=14,
        merge_size=2,
        temporal_patch_size=temporal,
        do_resize=False,
        image_mean=PROCESSOR["image_mean"],
        image_std=PROCESSOR["image_std"],
    )(images=[view], return_tensors="pt")
    rows, grids = Patcher.of(config)([view])
    assert grids.tolist() == reference["image_grid_thw"].tolist()
    torch.testing.assert_close(rows, reference["pixel_values"].float(), atol=1e-5, rtol=0)


def test_a_view_of_the_wrong_size_is_refused():
    with pytest.raises(ValueError, match="multiples of 28"):
        Patcher.of(PROCESSOR)([Image.new("RGB", (30, 28))])


def test_positions_equal_those_of_transformers_and_can_go_on():
    model, _ = new_nano(0)
    pad, start, end = RENDERER.image_pad, RENDERER.vision_start, RENDERER.vision_end
    first = [5, 6, start, *[pad] * 36, end, 9]
    second = [9, 9, start, *[pad] * 24, end, start, *[pad] * 2, end, 1, 2]
    ids = torch.tensor([first + second])
    grids = torch.tensor([[1, 12, 12], [1, 8, 12], [1, 4, 2]])
    reference, _ = model.model.get_rope_index(
        ids, mm_token_type_ids=(ids == pad).long(), image_grid_thw=grids
    )
    one, at = position_ids(first, pad, [(6, 6)])
    two, _ = position_ids(second, pad, [(4, 6), (2, 1)], at)
    assert np.concatenate([one, two], 1).tolist() == reference[:, 0].tolist()


@pytest.mark.parametrize("grids", [[[1, 12, 12]] * 3, [[1, 12, 12], [1, 4, 8]], [[1, 8, 4]]])
def test_the_tower_in_one_batch_equals_transformers(grids):
    model, _ = new_nano(3)
    with torch.no_grad():
        for parameter in model.model.visual.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.05)  # outputs that start at zero would hide a difference
    rows = torch.randn(sum(h * w for _, h, w in grids), 588)
    with torch.inference_mode():
        ours = encode_patches(model.model.visual, rows, torch.tensor(grids))
        theirs = model.model.visual(rows, grid_thw=torch.tensor(grids)).pooler_output
    torch.testing.assert_close(ours.reshape(-1, ours.shape[-1]), theirs, atol=1e-5, rtol=1e-5)

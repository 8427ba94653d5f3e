"""The probability of an answer is that of its own tokens, not of the thought before it."""

from __future__ import annotations

import math

import pytest

from mini_o3.models.shipped import NANO_DIR
from mini_o3.models.vlm import load_vlm


def test_only_the_tokens_between_the_tags_count():
    renderer = load_vlm(NANO_DIR).renderer
    before, inside, after = (
        renderer.encode(text) for text in ("<think>a red star</think><answer>", "red", "</answer>")
    )
    ids = before + inside + after + [renderer.im_end]
    log_probs = [math.log(0.1)] * len(before) + [math.log(0.8)] * len(inside)
    log_probs += [math.log(0.2)] * (len(ids) - len(log_probs))
    assert renderer.answer_probability(ids, log_probs) == pytest.approx(0.8)
    assert renderer.answer_probability(ids[: len(before)], log_probs[: len(before)]) is None
    assert renderer.answer_probability(renderer.encode("no answer"), [0.0] * 9) is None

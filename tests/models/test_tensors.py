"""A checkpoint whose tensors are not those of its config is refused, and they are named."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from mini_o3.kit.errors import UserError
from mini_o3.models.shipped import NANO_DIR
from mini_o3.models.vlm import compute_dtype, load_vlm


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(NANO_DIR, tmp_path / "nano")
    return tmp_path / "nano"


def changed(folder, change):
    path = next(folder.glob("*.safetensors"))
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def norm(tensors):
    return next(name for name in tensors if name.endswith("norm.weight"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop(norm(t)), "missing: .*norm.weight"),
        (lambda t: t.update({"stray.weight": torch.zeros(2)}), "unexpected: stray.weight"),
        (lambda t: t.update({"misnamed": t.pop(norm(t))}), "missing: .*norm.weight.*unexpected: misnamed"),
        (lambda t: t.update({norm(t): torch.zeros(3)}), "nano: .*(shape|size)"),
    ],
)
def test_tensors_that_do_not_fit_are_named(folder, change, words):
    changed(folder, change)
    with pytest.raises(UserError, match=words):
        load_vlm(folder)


@pytest.mark.parametrize(
    "config",
    [
        {"dtype": "bfloat16"},
        {"torch_dtype": "bfloat16"},
        {"text_config": {"dtype": "bfloat16"}},
        {"dtype": None, "text_config": {"torch_dtype": "torch.bfloat16"}},
    ],
)
def test_the_number_format_is_found_wherever_the_config_keeps_it(config, monkeypatch):
    monkeypatch.setattr("mini_o3.models.vlm.has_bfloat16", lambda device: True)
    assert compute_dtype(json.loads(json.dumps(config)), "cpu") is torch.bfloat16
    assert compute_dtype({"text_config": {}}, "cpu") is torch.float32

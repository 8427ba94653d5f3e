"""The cost model: what is arithmetic is exact, what grows grows, what cannot fit is refused with what
would."""

import json
from dataclasses import replace

import pytest
from helpers import mini_o3, refused

from mini_o3.kit.errors import SettingError
from mini_o3.models.shipped import NANO_DIR
from mini_o3.scale.calibration import MEASURED, calibration, fit
from mini_o3.scale.plan import Workload, make_plan, what_would_fit
from mini_o3.scale.published import compared
from mini_o3.scale.shapes import SHAPES, read_machine, read_shape


@pytest.mark.parametrize(
    ("name", "billions"),
    [("3b", 3.75), ("7b", 8.29), ("32b", 33.5), ("72b", 73.4), ("qwen3-4b", 4.4), ("qwen3-8b", 8.77)],
)
def test_shapes_have_the_parameters_that_are_published(name, billions):
    assert SHAPES[name].parameters / 1e9 == pytest.approx(billions, rel=0.03)


def test_a_token_of_a_7b_is_cached_in_57_kilobytes():
    assert SHAPES["7b"].cached() == 2 * 28 * 4 * 128 * 2 == 57344


def test_a_folder_has_a_shape():
    shape = read_shape(str(NANO_DIR))
    assert shape.matrices == 4 * (192 * 192 * 2 + 192 * 96 * 2 + 3 * 192 * 480)
    with pytest.raises(SettingError, match="no such model"):
        read_shape("no/such/folder")
    with pytest.raises(SettingError, match="choose one of a100"):
        read_machine("abacus")


def test_memory_is_sixteen_bytes_a_parameter_over_the_processes():
    plan = make_plan("7b", 8)
    states = sum(size for name, size in plan.memory.items() if "float32" in name and "logits" not in name)
    assert states == pytest.approx(SHAPES["7b"].parameters * 16 / 8)
    alone = make_plan("7b", 8, work=Workload(shard=False))
    assert alone.bytes - plan.bytes == pytest.approx(SHAPES["7b"].parameters * 14, rel=0.01)
    lora = make_plan("7b", 8, work=Workload(lora=16))
    assert lora.bytes < plan.bytes
    cache = plan.memory["cache of the rollouts"]
    assert cache == 32 * Workload().length(6) * 57344


def test_what_costs_more_takes_longer():
    plan = make_plan("7b", 8)
    for dearer in (
        make_plan("7b", 8, work=Workload(turns=16)),
        make_plan("7b", 8, work=Workload(asked=3.0)),
        make_plan("7b", 8, "a100"),
        make_plan("32b", 8),
        make_plan("7b", 4),
    ):
        assert dearer.hours > 1.3 * plan.hours
    assert make_plan("7b", 8, work=Workload(lora=16)).hours < plan.hours


def test_what_cannot_fit_names_what_would():
    plan = make_plan("7b", 1, "h100")
    assert not plan.fits
    for said in what_would_fit(plan, "h100"):
        if said == "LoRA of rank 64":
            assert make_plan("7b", 1, work=Workload(lora=64)).fits
    unsharded = make_plan("7b", 8, "h100", Workload(shard=False))
    assert "sharding over the processes" in what_would_fit(unsharded, "h100")
    assert make_plan("7b", 8, "h100").fits


def test_the_fit_gives_back_what_was_measured():
    runs = json.loads(MEASURED.read_text())["runs"]
    assert len({run["parameters"] for run in runs}) >= 4
    known = fit(runs)
    assert known == calibration()
    assert 0 < known.read < 1.1
    assert 0 < known.learn < 1.1
    doubled = [run | {"learn_seconds": 2 * run["learn_seconds"]} for run in runs]
    assert fit(doubled).learn == pytest.approx(known.learn / 2)


def test_published_figures_are_compared_and_not_fitted():
    lines = {comparison.what: comparison for comparison in compared()}
    assert len(lines) == 4
    ratio = lines["16 turns over 6, the paper's 10 over 3 days"]
    assert 2 < ratio.predicted < 5
    assert "published 733 s, predicted" in lines["a step on 8 x A100, 6 turns, LoRA"].line


def test_the_command_says_it_or_refuses(tmp_path):
    said = mini_o3("plan", "--model", "7b", "--gpus", 8, "--turns", 6, "--steps", 100, cwd=tmp_path)
    assert said.returncode == 0, said
    assert "memory of a process: " in said.stdout
    assert "a step: " in said.stdout
    assert "published 733 s" in said.stdout
    full = mini_o3("plan", "--model", "72b", "--gpus", 1, cwd=tmp_path)
    assert full.returncode == 1
    assert "does not fit; what would: " in full.stderr
    refused(mini_o3("plan", "--model", "9x", cwd=tmp_path), "--model", "choose 3b, 7b")


def test_a_plan_that_fits_needs_nothing():
    work = replace(Workload(), slots=1)
    assert make_plan("3b", 8, "h200", work).fits

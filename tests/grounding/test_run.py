"""The whole way on a tiny made set: train, stop, go on, measure, predict, report."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw
from typer.testing import CliRunner

pytest.importorskip("scipy")
pytest.importorskip("pycocotools")

import torch

from mini_o3.cli import app
from mini_o3.grounding.checkpoint import load_model, save_model
from mini_o3.grounding.config import GroundingConfig, ModelConfig
from mini_o3.grounding.data.cutouts import CutoutConfig, find_cutouts, make_cutouts
from mini_o3.grounding.evaluate import evaluate
from mini_o3.grounding.model import GroundingModel
from mini_o3.grounding.predict import GroundingProposer
from mini_o3.grounding.train import lr_at, train
from mini_o3.kit.errors import UserError

MODEL = ModelConfig(image=64, width=32, heads=2, slots=6, steps=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    for kind in ("ball", "cup"):
        (folder / "things" / kind).mkdir(parents=True)
        for i in range(8):
            cut = Image.new("RGBA", (40, 40))
            draw = ImageDraw.Draw(cut)
            shape = draw.ellipse if kind == "ball" else draw.rectangle
            shape((5, 5, 30, 34), fill=(250, 10 * i, 10, 255) if kind == "ball" else (10, 10 * i, 250, 255))
            cut.save(folder / "things" / kind / f"{i}.png")
    grounds = []
    for i in range(4):
        grounds.append(folder / f"ground{i}.png")
        noise = np.random.default_rng(i).integers(90, 150, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(grounds[-1])
    config = CutoutConfig(counts=(16, 6, 4), side=64, things=(1, 2), scale=(0.05, 0.3))
    make_cutouts(find_cutouts([folder / "things"]), grounds, folder, config)
    return folder


def config_of(folder, **changes):
    settings = {
        "train": folder / "instances_train.json",
        "val": folder / "instances_val.json",
        "model": MODEL,
        "steps": 6,
        "plain_steps": 2,
        "warmup": 2,
        "lr": 1e-3,
        "batch": 4,
        "micro": 3,
        "absent": 1,
        "eval_every": 3,
        "step_cost": 0.01,
    }
    return GroundingConfig(**settings | changes)


def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(folder, tmp_path):
    config = config_of(folder)
    train(config, tmp_path / "whole", say=lambda line: None)
    train(config, tmp_path / "parts", say=lambda line: None, stop_after=4)
    train(config, tmp_path / "parts", say=lambda line: None)
    logs = [[json.loads(line) for line in (tmp_path / f / "log.jsonl").open()] for f in ("whole", "parts")]
    assert [row["step"] for row in logs[0]] == [1, 2, 3, 4, 5, 6]
    assert logs[0] == logs[1]
    states = [torch.load(tmp_path / f / "state.pt", weights_only=True)["model"] for f in ("whole", "parts")]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    with pytest.raises(UserError, match="other settings"):
        train(config_of(folder, lr=2e-3), tmp_path / "parts", say=lambda line: None)


def test_the_first_stage_leaves_the_steps_alone(folder, tmp_path):
    config = config_of(folder, steps=2, plain_steps=2)
    train(config, tmp_path, say=lambda line: None)
    torch.manual_seed(config.seed)
    fresh = GroundingModel(MODEL, ["ball", "cup"])
    after = torch.load(tmp_path / "state.pt", weights_only=True)["model"]
    before = fresh.state_dict()
    assert all(torch.equal(after[n], before[n]) for n in before if n.startswith("reasoner"))
    assert not torch.equal(after["narrow.weight"], before["narrow.weight"])


def test_early_stopping_counts_measurements_without_a_better_one(folder, tmp_path):
    config = config_of(folder, steps=40, eval_every=1, patience=2, lr=1e-12)
    train(config, tmp_path, say=lambda line: None)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").open()]
    assert len(rows) < 40
    assert (tmp_path / "model" / "model.safetensors").exists()


def test_the_learning_rate_warms_up_and_ends_at_nothing(folder):
    config = config_of(folder, steps=100, warmup=10)
    assert lr_at(0, config) == pytest.approx(1e-4)
    assert lr_at(9, config) == lr_at(10, config) == pytest.approx(1e-3)
    assert lr_at(55, config) == pytest.approx(5e-4)
    assert lr_at(100, config) == pytest.approx(0, abs=1e-12)


def test_a_set_of_other_categories_is_refused(folder):
    from mini_o3.grounding.data.coco import read_coco

    with pytest.raises(UserError, match="categories of the set"):
        evaluate(GroundingModel(MODEL, ["ball"]), read_coco(folder / "instances_val.json"))


@pytest.mark.parametrize("backbone", ["resnet50", "vit_tiny"])
def test_baselines_train_by_the_same_loss(folder, tmp_path, backbone):
    model = MODEL.model_copy(
        update={"backbone": backbone, "steps": 1 if backbone == "resnet50" else 0, "gated": False}
    )
    config = config_of(folder, model=model, steps=1, plain_steps=0, batch=2, eval_every=1, eval_pictures=1)
    assert (train(config, tmp_path, say=lambda line: None) / "grounding.json").exists()


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    save_model(GroundingModel(MODEL, ["ball", "cup", "red cup"]), tmp_path / "model", threshold=0.0)
    return tmp_path / "model"


def test_a_proposer_reads_the_question_and_ranks(checkpoint):
    proposer, picture = GroundingProposer(checkpoint), Image.new("RGB", (90, 60), "white")
    found = proposer.propose(picture, "Where is the red cup?")
    assert found
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    assert found == proposer.propose(picture, "red cup")
    assert found != proposer.propose(picture, "cup")
    assert proposer.propose(picture, "Where is the horse?") == []
    assert GroundingProposer(checkpoint, threshold=1.0).propose(picture, "cup") == []


def test_a_saved_model_is_the_same_and_a_broken_one_is_named(checkpoint):
    model, record = load_model(checkpoint.parent)  # the folder of a run
    assert record["threshold"] == 0.0
    again, _ = load_model(checkpoint)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    (checkpoint / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"model\.safetensors: does not hold the weights"):
        load_model(checkpoint)
    with pytest.raises(UserError, match="holds no grounding model"):
        load_model(checkpoint / "nowhere")


def test_the_verbs(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(
        "steps = 2\nwarmup = 0\nbatch = 2\neval_every = 2\n"
        "[model]\nimage = 64\nwidth = 32\nheads = 2\nslots = 5\nsteps = 2\n"
    )
    sets = ["--train", str(folder / "instances_train.json"), "--val", str(folder / "instances_val.json")]

    def call(*args):
        result = CliRunner().invoke(app, ["grounding", *args], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    assert "model in" in call("train", *sets, "--config", "small.toml", "--out", "run")
    said = call(
        "eval", "run", "--data", str(folder / "instances_test.json"), "--out", "one.json", "--steps", "1"
    )
    assert "| Run | n | mAP" in said
    figures = json.loads((tmp_path / "one.json").read_text())
    assert figures["steps"] == 1.0
    assert figures["n"] == 4
    picture = str(folder / "test" / "000000.png")
    assert call("predict", "run", picture, "ball", "--threshold", "1").startswith("nothing found")
    assert len(call("predict", "run", picture, "ball", "--threshold", "0").splitlines()) == 6
    assert "data:image/jpeg" in (tmp_path / "grounding.html").read_text()
    assert Image.open(tmp_path / "grounding.png").width > Image.open(tmp_path / "grounding.png").height
    report = call("report", "one.json")
    assert "| things | n | recall@10 |" in report
    with pytest.raises(UserError, match="horse: is no category"):
        call("predict", "run", picture, "horse")
    with pytest.raises(UserError, match="is no evaluation"):
        call("report", str(folder / "instances_val.json"))

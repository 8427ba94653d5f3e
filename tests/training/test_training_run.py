"""What every kind of training shares: its folder, its log, when it stops, and who else gets its metrics."""

import json
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from mini_o3.cli import app
from mini_o3.grpo.config import GrpoConfig
from mini_o3.kit import extras
from mini_o3.kit.config import read_config
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.presets import preset
from mini_o3.sft.config import TrainConfig
from mini_o3.show.training_page import write_training_page
from mini_o3.training import track
from mini_o3.training.metrics import METRICS, RENAMED, read_metrics, standard
from mini_o3.training.run import TrainingRun
from mini_o3.training.settings import TrainingSettings


class Toy(TrainingSettings):
    """Settings of a training that learns nothing."""

    seed: int = 1
    pace: float = 1.0
    renamed: ClassVar = {"speed": "pace"}


def toy(out, steps, said, *, config=None, stop_after=None, done=0, at_step=lambda step: None):
    """A training whose state is its log; returns whether there was something to do."""
    with TrainingRun(out, config or Toy(), say=said.append, save_minutes=9.0, stop_after=stop_after) as run:
        run.claim()
        if not run.start(done, steps):
            return False
        stop = False
        while not stop:
            step = run.step + 1
            run.record({"step": step, "reward": 0.5})
            stop = run.must_stop(step, at_step(step))
        run.finish()
    return True


def steps_of(out):
    return [row["step"] for row in read_metrics(out)]


def test_a_run_goes_on_after_its_last_state_and_cuts_its_log_back_to_it(tmp_path):
    said = []
    assert toy(tmp_path, 9, said, stop_after=5)
    assert toy(tmp_path, 9, said, done=3)  # the last state was of step 3
    assert steps_of(tmp_path) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert said == [
        f"{tmp_path}: 9 steps; the time left is known after the next one",
        "stopped at step 5 of 9, saved",
        f"{tmp_path}: goes on after step 3 of 9; the time left is known after the next one",
    ]
    assert not toy(tmp_path, 9, said, done=9)
    assert said[-1] == f"{tmp_path}: is at step 9 of 9 already"


def test_ctrl_c_ends_a_run_after_its_step_and_says_that_it_did_not_succeed(tmp_path):
    said = []
    with pytest.raises(KeyboardInterrupt):
        toy(tmp_path, 9, said, at_step=lambda step: signal.raise_signal(signal.SIGINT) if step == 2 else None)
    assert (steps_of(tmp_path), said[-1]) == ([1, 2], "stopped at step 2 of 9, saved")


def test_a_reason_ends_a_run_and_is_told(tmp_path):
    said = []
    assert toy(tmp_path, 9, said, at_step=lambda step: "it is dull" if step == 4 else None)
    assert said[-1] == "stopped at step 4: it is dull; weights are saved"


def test_a_folder_belongs_to_one_run_by_its_settings_of_whatever_name(tmp_path):
    toy(tmp_path, 2, [], config=Toy(pace=2.0))
    record = json.loads((tmp_path / "config.json").read_text())
    record["config"] = {"seed": 1, "speed": 2.0}  # as an earlier version wrote it
    (tmp_path / "config.json").write_text(json.dumps(record))
    assert not toy(tmp_path, 2, [], config=Toy(**record["config"]), done=2)
    with pytest.raises(UserError, match=r"holds a run with other settings \(pace\)"):
        toy(tmp_path, 2, [], config=Toy(pace=3.0), done=2)
    with pytest.raises(ValueError, match="speed is the earlier name of pace"):
        Toy(speed=1.0, pace=2.0)


def test_a_model_without_a_state_is_not_trained_over(tmp_path):
    toy(tmp_path, 2, [])
    (tmp_path / "model").mkdir()
    with pytest.raises(UserError, match="holds a model, but no state to go on from"):
        toy(tmp_path, 2, [])
    assert steps_of(tmp_path) == [1, 2]


def test_a_batch_that_cannot_be_learnt_from_is_kept_to_be_looked_at(tmp_path):
    run = TrainingRun(tmp_path, Toy(), say=print, save_minutes=1.0)
    error = run.keep_batch("the loss is nan", 7, [{"ids": [1, 2], "views": [0]}], [Image.new("RGB", (9, 5))])
    folder = tmp_path / "non_finite" / "step_7.0"
    assert str(error).startswith(
        f"the loss is nan in step 7; its batch is in {folder}, the last state is kept"
    )
    assert json.loads((folder / "sequences.jsonl").read_text()) == {"ids": [1, 2], "views": [0]}
    assert Image.open(folder / "view_0.png").size == (9, 5)


def test_every_metric_that_was_renamed_is_documented_by_its_name_of_today():
    assert set(RENAMED.values()) <= set(METRICS)
    assert not set(RENAMED) & set(METRICS)


@given(st.dictionaries(st.sampled_from([*METRICS, *RENAMED]), st.floats(0, 1)))
def test_a_row_of_today_is_read_as_it_is_and_an_old_one_by_todays_names(row):
    today = standard(row)
    assert set(today) <= set(METRICS)
    assert standard(today) == today


def test_seconds_of_earlier_logs_are_told_apart():
    assert standard({"step": 1, "seconds": [2.5, 0.5], "learnt": 3}) == {
        "step": 1,
        "rollout_seconds": 2.5,
        "learner_seconds": 0.5,
        "trained_rollouts": 3,
    }
    assert standard({"step": 1, "seconds": 9.5}) == {"step": 1, "elapsed_seconds": 9.5}


# --- settings from the command line ---


def grpo(*assignments):
    return read_config(preset("training", "grpo_nano"), GrpoConfig, assignments)


def test_any_setting_can_be_given_and_is_parsed_by_its_type():
    settings = grpo("lr=3e-5", "freeze_vision=false", "images=none", "levels={ hard = 1.0 }", "judge=auto")
    assert (settings.lr, settings.freeze_vision, settings.images) == (3e-5, False, None)
    assert (settings.levels, settings.judge) == ({"hard": 1.0}, "auto")
    assert grpo("start=42").start == "42"
    assert grpo('validate_levels=["easy"]').validate_levels == ["easy"]
    sft = read_config(preset("training", "sft_nano"), TrainConfig, ["drills=3"])  # by its earlier name
    assert sft.comparison_drills == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("lrr=1", "set lrr: there is no such setting; did you mean lr"),
        ("max_token=1", "set max_token: there is no such setting; did you mean max_tokens or micro_tokens"),
        ("qqqqqqqq=1", "set qqqqqqqq: there is no such setting; there are seed, steps, start"),
        ("lr=-1", "set lr=-1: should be greater than 0"),
        ("turns=many", "set turns=many: should be a valid integer"),
        ("levels={", "set levels={: is not valid TOML"),
        ("lr", "set lr: expected NAME=VALUE"),
    ],
)
def test_what_cannot_be_set_is_one_line_with_a_suggestion(given, said):
    with pytest.raises(SettingError) as caught:
        grpo(given)
    assert str(caught.value).startswith(said)


def test_errors_in_settings_are_found_before_torch_is_imported(tmp_path):
    code = (
        "import sys\nfrom mini_o3.cli import main\n"
        f"sys.argv = ['mini-o3', 'train', 'grpo', '--set', 'lrr=1', '--out', {str(tmp_path / 'out')!r}]\n"
        "try:\n    main()\nfinally:\n    print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "False\n"), done.stderr
    assert done.stderr.startswith("error: --set lrr: there is no such setting; did you mean lr")
    assert not (tmp_path / "out").exists()


# --- who else gets the metrics ---


def test_a_dashboard_gets_the_settings_once_and_the_numbers_of_every_row(tmp_path, monkeypatch):
    told = []
    stub = SimpleNamespace(
        init=lambda **all_: told.append(all_),
        log=lambda row, step: told.append((step, row)),
        finish=lambda: told.append("end"),
    )
    monkeypatch.setitem(sys.modules, "trackio", stub)
    monkeypatch.setattr(track, "require", lambda *_: None)
    with TrainingRun(tmp_path / "run", Toy(), say=print, save_minutes=1.0, track="trackio") as run:
        run.start(0, 1)
        run.record(
            {"step": 1, "reward": None, "turns": 2.0, "turns_histogram": [1], "validation": {"easy": 1.0}}
        )
        assert run.must_stop(1)
    assert told == [
        {"project": "mini-o3", "name": "run", "config": {"seed": 1, "pace": 1.0}},
        (1, {"turns": 2.0, "validation/easy": 1.0}),
        "end",
    ]


def test_a_tracker_that_is_not_there_is_one_line(monkeypatch):
    with pytest.raises(SettingError, match="track paper: unknown; choose one of tensorboard, trackio, wandb"):
        track.open_tracker("paper")
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "trackio" else name)
    with pytest.raises(UserError, match=r"needs trackio; install it with: pip install 'mini-o3\[trackio\]'"):
        track.open_tracker("trackio")


def test_tensorboard_reads_what_was_tracked(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with TrainingRun(tmp_path, Toy(), say=print, save_minutes=1.0, track="tensorboard") as run:
        run.start(0, 2)
        for step in (1, 2):
            run.record({"step": step, "reward": step / 2})
            run.must_stop(step)
    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    assert [(event.step, event.value) for event in read.Scalars("reward")] == [(1, 0.5), (2, 1.0)]


# --- the page ---


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("grpo", ("Reward", "How rollouts end", "Entropy", "Clipped tokens", "Validation accuracy")),
        ("sft", ("Loss", "Accuracy of words", "Accuracy of cells")),
        ("recorded", ("Loss", "Learning rate")),
        ("perception", ("Cell loss",)),
    ],
)
def test_logs_of_earlier_versions_are_drawn(tmp_path, name, shown):
    source = __file__.replace("training/test_training_run.py", f"golden/train/{name}")
    done = CliRunner().invoke(app, ["report", source, "--out", str(tmp_path / "page.html")])
    assert done.exit_code == 0, done.output
    assert "over 2 steps" in done.output
    page = (tmp_path / "page.html").read_text()
    for title in shown:
        assert f"<figcaption>{title}</figcaption>" in page
    assert "src=" not in page  # loads nothing
    assert "http://" not in page
    assert "https://" not in page


def test_the_page_of_a_log_of_earlier_names_is_that_of_todays(tmp_path):
    before = {"step": 2, "reward": 0.5, "kept": 3, "asked": 4, "clipped": 0.1, "seconds": [1.0, 2.0]}
    pages = []
    for row in (before, standard(before)):
        (tmp_path / "metrics.jsonl").write_text(json.dumps(row) + "\n")
        write_training_page(tmp_path, tmp_path / "page.html")
        pages.append((tmp_path / "page.html").read_text())
    assert pages[0] == pages[1]


def test_a_run_without_a_step_has_no_page(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(UserError, match="holds no step yet; train first"):
        write_training_page(tmp_path, tmp_path / "page.html")

"""Whole runs: dynamic sampling, alarms, a real kill, two processes."""

import io
import json
import re
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from helpers import answer, command, environment, mini_o3, play, two_processes, zoom
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file

from mini_o3.episode import Limits, SearchTask
from mini_o3.grpo.advantages import Masking, RolloutOutcome
from mini_o3.grpo.config import GrpoConfig
from mini_o3.grpo.learner import Learner, NonFinite
from mini_o3.grpo.panel import Panel, sparkline
from mini_o3.grpo.questions import VALIDATION_SEEDS, FreshProbes, TaskFolder, validation_probe
from mini_o3.grpo.rollout import RolloutCollector
from mini_o3.grpo.train import Trainer, train
from mini_o3.grpo.watch import alarm, count, rates, starved
from mini_o3.judge import CORRECT, unjudged
from mini_o3.kit.config import read_config
from mini_o3.kit.errors import UserError
from mini_o3.kit.run import folder_lock
from mini_o3.models.shipped import NANO_DIR
from mini_o3.policies.local import Local
from mini_o3.policies.replay import Replay
from mini_o3.policies.spec import PolicySpec
from mini_o3.policies.teacher import Teacher
from mini_o3.presets import PRESETS
from mini_o3.probes.shapes import TRAINING_SEEDS, make_probe
from mini_o3.protocol import load_profile
from mini_o3.protocol.dialects import load_dialect
from mini_o3.protocol.prompts import PROMPTS_DIR
from mini_o3.training.processes import Processes
from mini_o3.training.run import TrainingRun

CONFIGS = PRESETS / "training"
TINY = """
seed = 5
steps = 2
levels = { easy = 1.0 }
groups = 1
rollouts = 4
most_asked = 6
variance = "all"
turns = 5
max_tokens = 96
updates = 1
lr = 1e-4
freeze_vision = false
save_minutes = 0.0001
threads = 1
validate_every = 2
validate_probes = 2
validate_turns = 3
"""


def settings(**changes):
    return GrpoConfig(**{"seed": 1, "steps": 9, "groups": 4, "updates": 2, **changes})


def test_shipped_configs_are_the_papers_where_they_say_so():
    config = read_config(CONFIGS / "grpo_7b.toml", GrpoConfig)
    assert (config.rollouts, config.groups, config.updates, config.turns, config.images) == (
        16,
        256,
        8,
        6,
        12,
    )
    assert (config.clip_low, config.clip_high, config.lr, config.temperature, config.max_pixels) == (
        0.2,
        0.3,
        1e-6,
        1.0,
        2_000_000,
    )
    assert config.masking == Masking(
        over_turn=True, void=False, statistics="all", normaliser="all", variance="all", token_mean="rollout"
    )  # the released reading
    assert (config.max_tokens, config.context_tokens, config.void_retries) == (8192, 30_768, 0)
    assert read_config(CONFIGS / "grpo_nano.toml", GrpoConfig).turns == 6


def a_trainer(config, folder, judge=None):
    """What `train` makes before the first step; nothing is locked or claimed."""
    run = TrainingRun(folder, config, say=print, save_minutes=9.0)
    return Trainer(config, run, judge, Accelerator(cpu=True))


def asking_in_waves(config, folder, every=3):
    """A trainer every so manieth of whose questions teaches something, and the waves in which it asks."""
    trainer, waves = a_trainer(config, folder), []

    def groups(indices, done):
        waves.append(list(indices))
        return [
            SimpleNamespace(index=i, rollouts=(), advantages=object() if i % every == 0 else None)
            for i in indices
        ]

    trainer.collector = SimpleNamespace(groups=groups)
    return trainer, waves


def test_questions_that_teach_nothing_are_dropped_and_others_asked(tmp_path):
    trainer, waves = asking_in_waves(settings(groups=4, turns=3), tmp_path)
    kept, sums = trainer.collect()
    assert [group.index for group in kept] == [0, 3, 6, 9]  # 8 asked, 3 good; then some more
    assert waves[0] == list(range(8))
    asked = [i for wave in waves for i in wave]
    assert asked == list(range(len(asked)))  # none left out, none twice
    assert (sums["informative_questions"], sums["questions"]) == (4, len(asked))
    kept, _ = trainer.collect()
    assert waves[-1][0] >= len(asked)
    assert len(kept) >= 4


def test_the_search_for_such_questions_ends(tmp_path):
    trainer, _ = asking_in_waves(settings(groups=4, most_asked=2.5, turns=3), tmp_path, every=1000)
    kept, sums = trainer.collect()
    assert len(kept) == 1
    assert sums["questions"] == 10


def row(step, zooms=2.0, over_turn=0.2):
    return {"step": step, "zooms": zooms, "over_turn": over_turn, "trained_rollouts": 4}


def test_alarms():
    config = settings(patience=3, collapse_zooms=0.1, drift_over_turn=0.9)
    healthy = [row(i) for i in range(9)]
    assert alarm(healthy, config) is None
    assert alarm([*healthy, row(9, zooms=0.0)], config) is None  # once is not enough
    assert alarm([*healthy, *(row(9 + i, zooms=0.05) for i in range(3))], config).startswith(
        "collapse: 0.05 zooms"
    )
    assert alarm([*healthy, *(row(9 + i, over_turn=0.95) for i in range(3))], config).startswith("drift: 95%")
    assert alarm([row(i, over_turn=0.95) for i in range(9)], config) is None  # it never was otherwise
    assert alarm([row(0, zooms=0.0)] * 2, config) is None


def ends(said):
    """How far the trainings came that said this."""
    return [re.split("[:,]", line)[0] for line in said if line.startswith("stopped")]


def test_steps_that_teach_nothing_do_not_go_on_for_ever(tmp_path, monkeypatch):
    config = settings(patience=3, steps=9, validate_every=0)
    unjudged = {**row(1), "trained_rollouts": 0, "unjudged": 8, "rollouts": 8}
    easy = {**unjudged, "unjudged": 2}
    assert starved([unjudged] * 2, config) is None
    assert starved([unjudged, unjudged, {**easy, "trained_rollouts": 1}], config) is None
    assert starved([unjudged] * 3, config).startswith(
        "no rollout of the last 3 steps could be judged; see that the judge (exact)"
    )
    assert starved([unjudged, easy, unjudged], config).startswith(
        "no question of the last 3 steps taught anything"
    )

    def judge_is_down(self):
        self.step += 1
        return {**unjudged, "step": self.step}

    monkeypatch.setattr(Trainer, "advance", judge_is_down)
    said = []
    for _ in range(2):  # and who mends the judge can go on
        train(config, tmp_path / "out", say=said.append)
    assert ends(said) == ["stopped at step 3", "stopped at step 6"]


def test_a_step_that_nobody_could_judge_has_no_reward():
    seen = rates(count([], 3), 3)
    assert (seen["rollouts"], seen["reward"]) == (0, None)
    probe = make_probe(3, "easy", size=(900, 900))
    episode = play(Teacher([probe.task]), probe.picture, probe.task, limits=Limits(turns=2))
    rollout = SimpleNamespace(reward=None, episode=episode)
    group = SimpleNamespace(rollouts=[rollout, rollout], advantages=None)
    seen = rates(count([group], 3), 3)
    assert (seen["rollouts"], seen["unjudged"], seen["reward"], seen["turns"]) == (2, 2, None, 2.0)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"updates": 5}, "updates"),
        ({"rollouts": 1}, "rollouts"),
        ({"lr": 0}, "lr"),
        ({"surprise": 1}, "surprise"),
        ({"token_mean": "batch", "normaliser": "all"}, "token_mean"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, named):
    with pytest.raises(ValueError, match=named):
        settings(**changes)


def test_levels_must_be_shares():
    with pytest.raises(UserError, match="shares"):
        FreshProbes(1, {"easy": 0.5})
    thirds = FreshProbes(1, dict.fromkeys(("easy", "medium", "hard"), 0.3333333))  # as people write them
    assert {thirds(index).task.level for index in range(12)} == {"easy", "medium", "hard"}


def test_validation_and_training_share_no_probe():
    assert VALIDATION_SEEDS <= validation_probe("easy", 3).task.seed < TRAINING_SEEDS
    assert all(
        FreshProbes(seed, {"easy": 1.0})(7).task.seed < VALIDATION_SEEDS for seed in (0, 479, 480, 10**9)
    )


def test_the_panel_shows_all_that_is_watched_as_a_line_where_there_is_no_terminal(tmp_path):
    said = []
    watched = {
        "reward": 0.501,
        "answered": 0.502,
        "over_turn": 0.503,
        "void": 0.504,
        "malformed": 0.505,
        "zooms": 0.506,
        "turns": 0.507,
        "entropy": 0.508,
        "clip_fraction": 0.509,
        "grad_norm": 0.511,
    }
    full = watched | {
        "step": 3,
        "informative_questions": 4,
        "questions": 9,
        "trained_rollouts": 20,
        "turns_histogram": [1, 0, 3],
        "rollouts": 36,
        "unjudged": 5,
    }
    with Panel(settings(), tmp_path, said.append) as panel:
        panel.show(full | {"step": 1, "reward": None, "unjudged": 36}, "2.0 s/step, 3 min left")
        panel.show(
            full | {"step": 2, "unjudged": 0, "validation": {"hard": None, "easy": 0.5}},
            "2.0 s/step, 2 min left",
        )
        panel.show(
            full | {"validation": {"hard": 0.25, "easy": None, "medium": 0.75}}, "2.0 s/step, 1 min left"
        )
        drawn = panel._picture("now")
    console = Console(width=140, file=io.StringIO())
    console.print(drawn)
    picture = console.file.getvalue()
    assert "reward - " in said[0]
    assert "unjudged 36/36" in said[0]
    assert "unjudged" not in said[1]
    assert "not judged  5 of 36 rollouts" in picture
    for name, value in watched.items():
        assert f"{name} {value}" in said[2]
        assert str(value) in picture
    assert "step 3/9" in said[2]
    assert "hard 0.25" in said[2]
    assert "informative 4/9" in said[2]
    assert "trained on 20" in said[2]
    assert "1: 1  3: 3" in picture  # how many rollouts took how many turns
    assert "validation hard  0.250" in picture
    assert "validation easy  0.500" in picture  # as it was when there was a judge
    assert "validation medium  0.750" in picture  # asked later than the others
    assert f"{tmp_path.name}: step 3 of 9, now" in picture.replace("\n", "")
    assert sparkline([0, 1, 2, 3]) == "▁▃▆█"
    assert sparkline([5, 5]) == "▁▁"


def weights(folder):
    return load_file(folder / "model" / "model.safetensors")


def moved(one, two):
    """Mean distance of two sets of weights."""
    total = sum((one[name].float() - two[name].float()).abs().sum() for name in one)
    return float(total) / sum(value.numel() for value in one.values())


def rows(folder):
    """The log, without the line that says what training starts from."""
    start, *steps = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert start.keys() == {"step", "validation"}
    assert start["step"] == 0
    return steps


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grpo")
    (folder / "tiny.toml").write_text(TINY)
    done = mini_o3("train", "grpo", "--config", "tiny.toml", "--out", "unbroken", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "step 2/2" in done.stderr
    assert list(rows(folder / "unbroken")[1]["validation"]) == ["easy"]
    watched = {
        "reward",
        "over_turn",
        "void",
        "malformed",
        "zooms",
        "turns",
        "turns_histogram",
        "entropy",
        "clip_fraction",
        "grad_norm",
    }
    assert all(watched <= line.keys() for line in rows(folder / "unbroken"))
    return folder


def same_run(one, two, start):
    """Equal up to the rounding of matrix products, whose order depends on who happened to be decoded
    together.

    The gradient's norm is looked at too: AdamW takes the same step whatever the gradient is multiplied by.
    """
    for a, b in zip(rows(one), rows(two), strict=True):
        assert a["grad_norm"] == pytest.approx(b["grad_norm"], rel=5e-3)
        assert a["entropy"] == pytest.approx(b["entropy"], abs=2e-4)
        alike = (
            "step",
            "questions",
            "informative_questions",
            "reward",
            "turns_histogram",
            "trained_rollouts",
        )
        assert {k: a[k] for k in alike} == {k: b[k] for k in alike}
    learnt = moved(weights(one), start)
    assert learnt > 0
    assert moved(weights(one), weights(two)) < 0.02 * learnt


def shipped():
    return load_file(NANO_DIR / "model.safetensors")


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_as_an_unbroken_one(unbroken):
    broken = unbroken / "broken"
    process = subprocess.Popen(
        command("train", "grpo", "--config", "tiny.toml", "--out", "broken"),
        cwd=unbroken,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not (broken / "state.pt").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert torch.load(broken / "state.pt", weights_only=True)["step"] == 1
    done = mini_o3("train", "grpo", "--config", "tiny.toml", "--out", "broken", cwd=unbroken)
    assert done.returncode == 0, done.stderr
    assert [row["step"] for row in rows(broken)] == [1, 2]
    same_run(unbroken / "unbroken", broken, shipped())


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(unbroken):
    done = two_processes("train", "grpo", "--config", "tiny.toml", "--out", "both", cwd=unbroken)
    assert done.returncode == 0, done.stdout + done.stderr
    said = {path.parent.name: path.read_text() for path in (unbroken / "logs").rglob("stderr.log")}
    assert set(said) == {"0", "1"}
    assert "step 1/2" in said["0"]  # the first process speaks for both
    assert "step" not in said["1"]
    same_run(unbroken / "unbroken", unbroken / "both", shipped())


@pytest.mark.slow
def test_the_papers_config_takes_two_steps_on_nano(tmp_path):
    """With fewer questions and rollouts, and views of the size that nano sees."""
    paper = (CONFIGS / "grpo_7b.toml").read_text()
    small = paper
    changes = {
        "groups = 256": "groups = 2",
        "rollouts = 16": "rollouts = 4",
        "updates = 8": "updates = 2",
        "max_tokens = 8192": "max_tokens = 96",
        "max_pixels = 2_000_000": "max_pixels = 28_224",
    }
    for was, now in changes.items():
        small = small.replace(was, now)
    assert len(set(small.splitlines()) - set(paper.splitlines())) == 5
    _written(tmp_path / "small.toml", small)
    for args in (
        ("probe", "make", "--level", "easy", "--count", "9", "--seed", "3", "--out", "probes"),
        (
            "train",
            "grpo",
            "--config",
            "small.toml",
            "--start",
            str(NANO_DIR),
            "--tasks",
            "probes",
            "--steps",
            "2",
        ),
    ):
        done = mini_o3(*args, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    log = [
        json.loads(line) for line in (tmp_path / "runs" / "small" / "metrics.jsonl").read_text().splitlines()
    ]
    assert [line["step"] for line in log] == [1, 2]
    assert sum(line["trained_rollouts"] for line in log) > 0
    learnt = weights(tmp_path / "runs" / "small")
    assert {
        "visual" in name for name, value in shipped().items() if not torch.equal(value, learnt[name])
    } == {True, False}


@pytest.mark.slow
def test_another_config_in_the_same_folder_is_refused(unbroken):
    weights_before = weights(unbroken / "unbroken")
    (unbroken / "other.toml").write_text(TINY.replace("lr = 1e-4", "lr = 2e-4"))
    done = mini_o3("train", "grpo", "--config", "other.toml", "--out", "unbroken", cwd=unbroken)
    assert done.returncode == 2
    assert "holds a run with other settings (lr)" in done.stderr
    assert "Traceback" not in done.stderr
    assert weights_before.keys() == weights(unbroken / "unbroken").keys()
    assert moved(weights_before, weights(unbroken / "unbroken")) == 0
    assert [row["step"] for row in rows(unbroken / "unbroken")] == [1, 2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("start = 'nowhere'", "nowhere"),
        ("max_pixels = 100", "max_pixels 100"),
        ("turn_cost = 0.5", "turn_cost (0.5) x turns (5) must be less than being right is worth, 1"),
        ("tasks = 'nothing'", "nothing"),
        ("judge = 'gut'", "'gut' is no judge"),
        ("prompts = 'unheard'", "unheard"),
        ("validate_tasks = 'none'", "none"),
    ],
)
def test_settings_that_cannot_be_run_are_one_line_and_claim_nothing(tmp_path, change, said):
    (tmp_path / "tiny.toml").write_text(TINY + change + "\n")
    done = mini_o3("train", "grpo", "--config", "tiny.toml", "--out", "out", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "config.json").exists()


def test_a_run_that_an_alarm_stopped_stays_stopped_until_the_bound_is_moved(tmp_path, monkeypatch):
    config = read_config(
        _written(tmp_path / "tiny.toml", TINY + "patience = 2\n"), GrpoConfig, steps=9, validate_every=0
    )

    def never_looks(self):
        self.step += 1
        return row(self.step, zooms=0.0)

    monkeypatch.setattr(Trainer, "advance", never_looks)
    said = []
    for _ in range(2):
        train(config, tmp_path / "out", say=said.append)
    log = (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [1, 2]
    assert ends(said) == ["stopped at step 2"] * 2
    assert all("collapse" in line for line in said if line.startswith("stopped"))
    train(config.model_copy(update={"patience": 4}), tmp_path / "out", say=said.append)
    assert said[-1].startswith("stopped at step 4: collapse")


def test_to_ask_for_steps_that_are_done_already_changes_nothing(tmp_path, monkeypatch):
    config = read_config(_written(tmp_path / "tiny.toml", TINY), GrpoConfig, steps=9, validate_every=0)
    monkeypatch.setattr(Trainer, "advance", _does_nothing)
    said = []
    for _ in range(2):
        train(config, tmp_path / "out", say=said.append, stop_after=3)
    train(config, tmp_path / "out", say=said.append, stop_after=2)
    log = (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [1, 2, 3]
    assert said == [
        f"{tmp_path / 'out'}: 9 steps; the time left is known after the next one",
        "stopped at step 3 of 9, saved",
        *[f"{tmp_path / 'out'}: is at step 3 of 9 already"] * 2,
    ]


def test_who_is_told_to_stop_has_not_succeeded(tmp_path, monkeypatch):
    """So that `train grpo && eval` does not measure half a training."""
    config = read_config(_written(tmp_path / "tiny.toml", TINY), GrpoConfig, steps=9, validate_every=0)

    def is_told(self):
        signal.raise_signal(signal.SIGTERM)
        return _does_nothing(self)

    monkeypatch.setattr(Trainer, "advance", is_told)
    said = []
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "out", say=said.append)
    assert ends(said) == ["stopped at step 1 of 9"]
    train(config, tmp_path / "out", say=said.append, stop_after=2)  # it was the last one that was asked for
    assert ends(said) == ["stopped at step 1 of 9", "stopped at step 2 of 9"]
    assert f"{tmp_path / 'out'}: goes on after step 1 of 9; the time left is known after the next one" in said


def _does_nothing(self):
    self.step += 1
    return row(self.step)


def test_what_nobody_could_judge_is_no_wrong_answer_in_validation(tmp_path):
    verdicts = iter([CORRECT, unjudged("it rained"), unjudged("it rained"), unjudged("it rained")])

    async def shaky(task, episode):
        return next(verdicts)

    config = settings(validate_every=1, validate_probes=2, validate_turns=1, validate_levels=["easy", "hard"])
    trainer = a_trainer(config, tmp_path, shaky)
    assert trainer.validation.measure(Processes()) == {"easy": 1.0, "hard": None}


def test_a_run_is_judged_and_prompted_as_its_config_says(tmp_path):
    config = settings(judge="auto", prompts="search", context_tokens=3000, void_retries=1)
    trainer = a_trainer(config, tmp_path)
    assert trainer.collector.judge.name == "auto"
    assert trainer.policy.profile.name == "search"
    assert trainer.collector.limits == Limits(turns=6, context_tokens=3000, void_retries=1)
    trainer.save()
    assert (
        Local.load(PolicySpec(f"hf:{tmp_path / 'model'}")).profile.name == "search"
    )  # measured as it was trained


def test_a_run_never_goes_over_a_model_that_it_did_not_make(tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY)
    (tmp_path / "came" / "model").mkdir(parents=True)
    (tmp_path / "came" / "metrics.jsonl").write_text('{"step": 7}\n')
    config = read_config(tmp_path / "tiny.toml", GrpoConfig)
    with pytest.raises(UserError, match="came: holds a model, but not the run that made it"):
        train(config, tmp_path / "came")
    assert (tmp_path / "came" / "metrics.jsonl").read_text() == '{"step": 7}\n'


def test_a_folder_of_few_tasks_is_validated_on_once(tmp_path):
    done = mini_o3(
        "probe", "make", "--level", "easy", "--count", "3", "--seed", "3", "--out", "probes", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    asked = []

    async def judge(task, episode):
        asked.append(task.id)
        return CORRECT

    config = settings(
        validate_every=1, validate_probes=8, validate_turns=1, validate_tasks=str(tmp_path / "probes")
    )
    trainer = a_trainer(config, tmp_path, judge)
    assert trainer.validation.measure(Processes()) == {"tasks": 1.0}
    assert len(asked) == len(set(asked)) == 3


def test_two_trainings_in_one_folder_are_refused(tmp_path):
    config = read_config(_written(tmp_path / "tiny.toml", TINY), GrpoConfig)
    with folder_lock(tmp_path / "out"), pytest.raises(UserError, match="another process is at work there"):
        train(config, tmp_path / "out")


def test_a_model_whose_state_is_elsewhere_is_not_trained_over(tmp_path, monkeypatch):
    config = read_config(_written(tmp_path / "tiny.toml", TINY), GrpoConfig, steps=9, validate_every=0)
    monkeypatch.setattr(Trainer, "advance", _does_nothing)
    train(config, tmp_path / "out", stop_after=2)
    log = (tmp_path / "out" / "metrics.jsonl").read_text()
    shutil.rmtree(tmp_path / "out" / "model")  # a kill came between state and model
    train(config, tmp_path / "out", stop_after=2)
    assert json.loads((tmp_path / "out" / "model" / "mini_o3.json").read_text())["step"] == 2
    (tmp_path / "out" / "state.pt").unlink()
    with pytest.raises(UserError, match="out: holds a model, but no state to go on from"):
        train(config, tmp_path / "out")
    assert (tmp_path / "out" / "metrics.jsonl").read_text() == log


def _written(path, text):
    path.write_text(text)
    return path


def test_a_checkpoint_without_settings_is_asked_with_what_it_learnt_with(tmp_path, monkeypatch):
    """As one from elsewhere is: prompts in a folder, in another dialect, which has views of its own size."""
    foreign = shutil.copytree(NANO_DIR, tmp_path / "foreign")
    (foreign / "mini_o3.json").unlink()
    prompts = shutil.copytree(PROMPTS_DIR / "deepeyes", tmp_path / "mine")
    (prompts / "dialect.txt").write_text("deepeyes")
    monkeypatch.chdir(tmp_path)
    config = settings(start="foreign", prompts="mine", max_tokens=77, validate_every=0)
    trainer = a_trainer(config, tmp_path / "out")
    trainer.save()
    monkeypatch.chdir("/")
    loaded = Local.load(PolicySpec(f"hf:{tmp_path / 'out' / 'model'}"))
    assert load_dialect("deepeyes").budget is not None
    assert loaded.budget == trainer.policy.budget == replace(load_dialect("deepeyes").budget, multiple=28)
    assert loaded.profile == trainer.policy.profile == load_profile(str(prompts))
    assert loaded.sampling.max_tokens == trainer.policy.sampling.max_tokens == 77
    assert Local.load(PolicySpec(f"hf:{foreign}", prompts=str(prompts))).budget == loaded.budget


# --- what a setting sets ---


def test_each_option_of_the_masking_reaches_it():
    asked = {
        "void_masking": True,
        "over_turn_masking": False,
        "statistics": "completed",
        "normaliser": "batch",
        "variance": "all",
    }
    wanted = Masking(over_turn=False, void=True, statistics="completed", normaliser="batch", variance="all")
    assert settings(**asked).masking == wanted
    swapped = settings(**asked | {"statistics": "all", "variance": "completed"}).masking
    assert swapped == replace(wanted, statistics="all", variance="completed")


def a_group(index, *outcomes):
    """A group whose rollouts wrote two tokens each."""
    episode = SimpleNamespace(turns=(1,), token_ids=(7, 8), token_mask=(1, 1), token_log_probs=(-1.0, -1.0))
    return SimpleNamespace(
        index=index,
        rollouts=[SimpleNamespace(episode=episode, views=()) for _ in outcomes],
        outcomes=outcomes,
    )


RIGHT, WRONG = RolloutOutcome(1.0, tokens=2), RolloutOutcome(0.0, tokens=2)
OVER = RolloutOutcome(0.0, over_turn=True, tokens=2)


@pytest.mark.parametrize(
    ("normaliser", "token_mean", "lone", "of_three"),
    [
        ("completed", "rollout", 1 / 2, 1 / 6),
        ("all", "rollout", 1 / 6, 1 / 6),
        ("batch", "rollout", 1 / 4, 1 / 4),
        ("batch", "batch", 1 / 8, 1 / 8),
    ],
)
def test_a_step_learns_every_group_once_and_divides_as_its_settings_say(
    tmp_path, normaliser, token_mean, lone, of_three
):
    """Two updates of two groups each: in one of the groups a lone rollout completed, in the other all
    three."""
    groups = [a_group(index, RIGHT, OVER, OVER) for index in (3, 9)]
    groups += [a_group(index, RIGHT, WRONG, WRONG) for index in (5, 4)]
    learnt, forgotten = [], []
    config = settings(normaliser=normaliser, token_mean=token_mean, variance="all", updates=2)
    trainer = a_trainer(config, tmp_path)
    trainer.learner = SimpleNamespace(
        trains_vision=True, update=lambda batch: learnt.append(batch) or {"rollouts": len(batch.trajectories)}
    )
    trainer.policy.engine.weights_changed = lambda: forgotten.append(len(learnt))
    assert trainer.learn(groups)["trained_rollouts"] == 8
    right, wrong = 2 / 3**0.5, -1 / 3**0.5  # advantages of one in three
    weights = [right * lone, right * of_three, wrong * of_three, wrong * of_three]
    assert [[t.weight for t in batch.trajectories] for batch in learnt] == [pytest.approx(weights)] * 2
    assert forgotten == [2]  # the engine's views were encoded with the weights of before


def test_a_step_is_drawn_charged_and_learnt_as_its_config_says_and_validation_is_greedy(
    tmp_path, monkeypatch
):
    config = settings(
        temperature=0.7,
        turn_cost=0.03,
        lr=3e-4,
        weight_decay=0.5,
        turns=5,
        images=4,
        validate_every=1,
        validate_turns=17,
        validate_levels=["easy"],
    )
    trainer = a_trainer(config, tmp_path)
    assert (trainer.policy.sampling.temperature, trainer.collector.turn_cost) == (0.7, 0.03)
    assert trainer.collector.limits == Limits(turns=5, images=4)
    assert {key: trainer.learner.optimiser.defaults[key] for key in ("lr", "weight_decay")} == {
        "lr": 3e-4,
        "weight_decay": 0.5,
    }
    asked = []
    monkeypatch.setattr(RolloutCollector, "groups", lambda self, indices: asked.append(self) or [])
    assert trainer.validation.measure(Processes()) == {"easy": None}
    assert (asked[0].policy.sampling.temperature, asked[0].rollouts) == (0.0, 1)
    assert asked[0].limits == Limits(turns=17)


def test_the_log_of_a_step_counts_what_became_of_its_rollouts():
    task, look = SearchTask("a.png", "What?", "x"), zoom(0, 0, 0.5, 0.5)
    said = ([look, look, answer("x")], [look, look], ["hm"], ["hm", answer("y")])
    limits = (Limits(), Limits(turns=2), Limits(void_retries=0), Limits())
    episodes = [
        play(Replay({"*": texts}), Image.new("RGB", (400, 300)), task, limits=limit)
        for texts, limit in zip(said, limits, strict=True)
    ]
    rewards = (1.0, 0.0, 0.0, None)
    rollouts = [
        SimpleNamespace(reward=reward, episode=episode)
        for reward, episode in zip(rewards, episodes, strict=True)
    ]
    groups = [
        SimpleNamespace(rollouts=rollouts, advantages=None),
        SimpleNamespace(rollouts=rollouts[1:2], advantages=1),
    ]
    assert rates(count(groups, 2), 2) == {
        "questions": 2,
        "informative_questions": 1,
        "rollouts": 5,
        "unjudged": 1,
        "reward": 0.25,
        "answered": 0.4,
        "over_turn": 0.4,
        "void": 0.2,
        "malformed": 0.2,
        "zooms": 0.8,
        "turns": 2.0,
        "tokens_per_turn": 0.0,
        "turns_histogram": [1, 4],
    }


def test_other_seeds_ask_other_questions():
    assert len({FreshProbes(seed, {"easy": 1.0})(7).task.seed for seed in (1, 2, 3)}) == 3


def test_a_folder_is_gone_through_again_and_again_each_time_in_another_order(tmp_path):
    Image.new("RGB", (300, 200)).save(tmp_path / "a.png")
    tasks = [SearchTask(str(tmp_path / "a.png"), f"What {n}?", "x") for n in range(8)]
    asked = TaskFolder(3, tasks)
    rounds = [[asked(8 * number + place).task.question for place in range(8)] for number in range(3)]
    listed = [task.question for task in tasks]
    assert [sorted(one) for one in rounds] == [listed] * 3
    assert len({tuple(one) for one in [listed, *rounds]}) == 4


def test_a_gradient_that_is_no_number_ends_the_run_and_its_batch_is_kept(tmp_path, monkeypatch):
    config = read_config(_written(tmp_path / "tiny.toml", TINY), GrpoConfig, validate_every=0)
    monkeypatch.setattr(Learner, "update", _overflows)
    with pytest.raises(UserError, match=r"the loss is nan in step 1; its batch is in .*step_1\.0, the last"):
        train(config, tmp_path / "out")
    kept = tmp_path / "out" / "non_finite" / "step_1.0"
    sequences = [json.loads(line) for line in (kept / "sequences.jsonl").read_text().splitlines()]
    assert sequences
    for sequence in sequences:
        assert len(sequence["ids"]) == len(sequence["mask"]) == len(sequence["old"])
        assert all(Image.open(kept / f"view_{view}.png").size == (168, 168) for view in sequence["views"])
    assert not (tmp_path / "out" / "state.pt").exists()


def _overflows(self, batch):
    raise NonFinite("the loss is nan")

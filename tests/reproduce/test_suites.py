"""Suites: the shipped ones hold together, claims are decided by their figures, a real one runs, resumes and
reports."""

import json
import os
import shutil
import signal
from pathlib import Path
from xml.etree import ElementTree

import pytest
from helpers import mini_o3
from safetensors.torch import load_file, save_file

from mini_o3.kit.errors import UserError
from mini_o3.presets import presets
from mini_o3.reproduce.report import decide, write_report
from mini_o3.reproduce.suite import Suite, read_suite

NAMES = list(presets("suites"))
SMALL = """
title = "A small suite"
question = "Does it run?"

[base]
steps = 1
levels = { easy = 1.0 }
groups = 1
rollouts = 2
most_asked = 2
turns = 2
max_tokens = 64
updates = 1
threads = 1
freeze_vision = true

[measure]
levels = ["easy"]
probes = 2
samples = 2
turns = 3

[runs.trained]
seed = 1

[runs.shipped]
checkpoint = "CHECKPOINT"

[[checks]]
text = "training makes it no worse"
kind = "margin"
runs = ["trained"]
than = ["shipped"]
level = "easy"
limits = [3]
bound = -1.0
"""


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_shipped_suites_hold_together(name, quick):
    suite = read_suite(name, quick)
    assert len(suite.runs) >= 2
    assert suite.measure.turns == 32
    if not quick:
        assert (suite.measure.probes, suite.measure.samples) == (500, 8)
        assert {settings.turns for run in suite.runs if (settings := suite.settings(run))} <= {6, 16}
    else:
        assert suite.measure.probes * suite.measure.samples <= 50


def test_masked_and_unmasked_differ_in_the_masking_alone():
    suite = read_suite("over_turn_masking")
    for seed in (1, 2, 3):
        masked, unmasked = (suite.settings(f"{name}_{seed}").model_dump() for name in ("masked", "unmasked"))
        assert {key for key in masked if masked[key] != unmasked[key]} == {"over_turn_masking"}
        assert masked["seed"] == seed


def test_an_unknown_suite_is_refused_with_the_list_of_those_there_are():
    with pytest.raises(UserError, match=r"surprise: neither a file nor a preset.*over_turn_masking"):
        read_suite("surprise")


def suite(*checks):
    return Suite(
        title="t",
        question="q",
        runs={"a": {"checkpoint": "a"}, "b": {"checkpoint": "b"}},
        measure={"levels": ["hard"], "probes": 10, "samples": 1},
        checks=list(checks),
        paper={"theirs": {"4": 0.2, "32": 0.5}},
    )


def measured(**accuracy):
    """A report with this curve."""
    curve = {
        limit.removeprefix("at"): {"accuracy": value, "stderr": 0.01} for limit, value in accuracy.items()
    }
    return {
        "hard": {
            "curve": curve,
            "tasks": 100,
            "episodes": 100,
            "turns_mean": 5.0,
            "turns_mean_correct": None,
            "over_turn_rate": 0.1,
            "stops": {"void": 20},
            "patterns": {"depth_first": 0.5, "diversity": 1.5},
        }
    }


def check(kind, bound=0.0, than=(), limits=(4, 8, 32)):
    return {
        "text": kind,
        "kind": kind,
        "runs": ["a"],
        "than": list(than),
        "limits": list(limits),
        "bound": bound,
    }


def test_claims_are_decided_by_the_figures():
    found = {"a": measured(at4=0.2, at8=0.4, at32=0.5), "b": measured(at4=0.35, at8=0.4, at32=0.4)}
    asked = suite(
        check("rises"),
        check("ratio", 2.5),
        check("ratio", 2.6),
        check("margin", 0.097, ["b"]),
        check("margin", 0.11, ["b"]),
        check("flat", 0.05, limits=(8, 32)),
        check("flat", 0.1001, limits=(8, 32)),
    )
    assert [(holds, text.split(" (")[0]) for _, holds, text in decide(asked, found)][1:] == [
        (True, "2.50"),
        (False, "2.50"),
        (True, "+10.0 +- 1.4 points"),
        (False, "+10.0 +- 1.4 points"),
        (False, "+10.0 +- 3.0 points"),
        (True, "+10.0 +- 3.0 points"),
    ]
    assert decide(suite(check("rises")), found)[0][1] is True
    assert decide(suite(check("rises")), {"a": measured(at4=0.2, at8=0.2, at32=0.5)})[0][1] is False
    assert decide(suite(check("rises")), {}) == []  # nothing was measured, so nothing is claimed


def test_the_error_of_a_claim_is_that_of_the_probes_and_that_of_training():
    found = {"a": measured(at32=0.5), "b": measured(at32=0.4)}
    asked = {"text": "both", "kind": "margin", "runs": ["a", "b"], "than": ["b"], "limits": [32]}
    # two runs 10 points apart: 5 points of the mean, and 1 of the probes; the other side has its 1 of the
    # probes
    assert decide(suite(asked), found)[0][2] == "+5.0 +- 5.2 points (45.0% against 40.0%)"
    asked["than"] = ["a"]
    assert (
        decide(suite(asked), {"a": found["a"]})[0][2]
        == "+0.0 +- 1.4 points (50.0% against 50.0%); 2 of 3 runs"
    )

    found = {"a": measured(at8=0.4, at32=0.5), "b": measured(at8=0.4, at32=0.4)}
    asked = {"text": "both", "kind": "flat", "runs": ["a", "b"], "limits": [8, 32], "bound": 0.02}
    # gains of 10 and 0 points: 5 of the mean; a share of 5% over 100 probes has 2.2 at most
    assert decide(suite(asked), found)[0][2].startswith("+5.0 +- 5.5 points (8: 40.0")


def test_the_report_shows_the_papers_figures_beside_ours(tmp_path):
    found = {"a": measured(at4=0.2, at32=0.5)}
    text = write_report(suite(check("rises", limits=(4, 32))), found, tmp_path).read_text()
    assert "| a | 20.0 +- 1.0 | 50.0 +- 1.0 | 5.0 | 0.0 | 10.0% | 20.0% |" in text
    assert "| paper: theirs | 20.0 | 50.0 |" in text
    assert "| rises | 4: 20.0 +- 1.0%, 32: 50.0 +- 1.0% | yes |" in text
    drawn = (tmp_path / "curves.svg").read_bytes()
    assert {"hard", "a", "paper: theirs"} <= {
        text.text for text in ElementTree.fromstring(drawn).iter() if text.text
    }
    write_report(suite(check("rises", limits=(4, 32))), found, tmp_path)
    assert (tmp_path / "curves.svg").read_bytes() == drawn


def test_a_run_has_its_colour_also_where_others_were_not_measured(tmp_path):
    found = {"a": {}, "b": measured(at4=0.2, at32=0.5)}
    write_report(suite(check("rises", limits=(4, 32))), found, tmp_path)
    drawn = (tmp_path / "curves.svg").read_text()
    assert "#ff7f0e" in drawn  # the second colour
    assert "#1f77b4" not in drawn


def test_a_plot_says_what_it_was_given_to_say(tmp_path):
    from mini_o3.reproduce.plots import _pyplot, _save

    figure = _pyplot().figure()
    figure.text(0.123, 0.456, "0.12345")
    _save(figure, tmp_path / "plot.svg")
    assert "0.12345" in {text.text for text in ElementTree.parse(tmp_path / "plot.svg").iter()}


def quietly(said):
    class Silent:
        def __init__(self, *_):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def show(self, row, progress):
            said.append(f"step {row['step']}")

    return {"say": said.append, "progress": lambda what: lambda *_: None, "training": Silent}


def small_suite(folder, more=""):
    from mini_o3.models.shipped import NANO_DIR

    (folder / "small.toml").write_text(
        SMALL.replace("CHECKPOINT", str(NANO_DIR)).replace("[base]", f"[base]\n{more}")
    )
    return read_suite(str(folder / "small.toml"))


def test_a_training_that_is_told_to_stop_is_saved_and_not_measured(tmp_path, monkeypatch):
    from mini_o3.grpo.train import Trainer
    from mini_o3.reproduce.run import run_suite

    advance = Trainer.advance

    def told_to_stop(self):
        os.kill(os.getpid(), signal.SIGTERM)
        return advance(self)

    monkeypatch.setattr(Trainer, "advance", told_to_stop)
    with pytest.raises(KeyboardInterrupt):
        run_suite(small_suite(tmp_path), tmp_path / "out", **quietly([]))
    assert (tmp_path / "out" / "trained" / "state.pt").exists()
    assert not (tmp_path / "out" / "trained" / "easy").exists()


def test_a_suite_runs_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    from mini_o3.kit import run as run_module
    from mini_o3.reproduce.run import run_suite

    small, said = small_suite(tmp_path), []
    quiet = quietly(said)
    report = run_suite(small, tmp_path / "out", **quiet)
    assert "| training makes it no worse |" in report.read_text()
    assert said.count("step 1") == 1
    for name in ("curves.svg", "training.svg", "trained/model/model.safetensors", "shipped/easy/report.json"):
        assert (tmp_path / "out" / name).exists()
    before = json.loads((tmp_path / "out" / "report.json").read_text())
    assert before["runs"]["trained"]["easy"]["episodes"] == 4
    episodes = (tmp_path / "out" / "trained" / "easy" / "episodes.jsonl").read_bytes()
    monkeypatch.setattr(run_module, "revision", lambda: "later code")
    run_suite(small, tmp_path / "out", **quiet)
    assert (
        "later code" not in (tmp_path / "out" / "trained" / "config.json").read_text()
    )  # which has trained nothing
    assert said.count("step 1") == 1  # what is trained is not trained again, what is measured not measured
    assert (tmp_path / "out" / "trained" / "easy" / "episodes.jsonl").read_bytes() == episodes
    after = json.loads((tmp_path / "out" / "report.json").read_text())
    assert after["runs"] == before["runs"]

    measured_elsewhere, aside = tmp_path / "out" / "trained" / "easy", tmp_path / "aside"
    measured_elsewhere.rename(aside)

    def other_process_is_done(what):
        if "shipped, easy" in what:
            aside.rename(measured_elsewhere)
        return lambda *_: None

    run_suite(small, tmp_path / "out", only="shipped", **{**quiet, "progress": other_process_is_done})
    assert json.loads((tmp_path / "out" / "report.json").read_text())["runs"] == before["runs"]


def test_what_was_measured_with_other_settings_or_weights_is_not_passed_off_as_this(tmp_path, monkeypatch):
    from mini_o3.kit.run import ensure_same_run
    from mini_o3.models.shipped import NANO_DIR
    from mini_o3.reproduce import run as runner

    def train(config, out, **_):
        ensure_same_run(out, json.loads(config.model_dump_json()), config.free_to_change)
        shutil.copytree(NANO_DIR, out / "model", dirs_exist_ok=True)
        path = out / "model" / "model.safetensors"
        weights = load_file(path)
        save_file(
            {name: value + config.steps for name, value in weights.items()}, path, metadata={"format": "pt"}
        )
        return out / "model"

    monkeypatch.setattr(runner, "train", train)
    small, out = small_suite(tmp_path), tmp_path / "out"
    runner.run_suite(small, out, **quietly([]))
    longer = small.model_copy(update={"base": {**small.base, "steps": 2}})
    runner.run_suite(longer, out, only="shipped", **quietly([]))
    found = json.loads((out / "report.json").read_text())["runs"]
    assert found["trained"] == {}  # its figures are those of one step
    assert found["shipped"]["easy"]["episodes"] == 4
    with pytest.raises(UserError, match=r"trained/easy: holds an evaluation with other settings \(weights\)"):
        runner.run_suite(longer, out, only="trained", **quietly([]))
    fewer = small.model_copy(update={"measure": small.measure.model_copy(update={"samples": 1})})
    with pytest.raises(UserError, match=r"other settings \(measure\)"):
        runner.run_suite(fewer, out, **quietly([]))


def test_what_was_measured_is_not_trained_further_nor_passed_off_as_it(tmp_path):
    from mini_o3.grpo.train import train
    from mini_o3.reproduce.run import _reports, run_suite

    small, out = (
        small_suite(tmp_path, "validate_every = 1\nvalidate_probes = 1\npatience = 2"),
        tmp_path / "out",
    )
    run_suite(small, out, only="trained", **quietly([]))
    weights = (out / "trained" / "model" / "model.safetensors").read_bytes()
    assert json.loads((out / "trained" / "metrics.jsonl").read_text().splitlines()[0]).keys() == {
        "step",
        "validation",
    }
    longer = small.model_copy(update={"base": {**small.base, "steps": 2}})
    with pytest.raises(
        UserError, match=r"trained: was measured before it had all its steps; .* give another `out`"
    ):
        run_suite(longer, out, only="trained", **quietly([]))
    assert (out / "trained" / "model" / "model.safetensors").read_bytes() == weights
    # and were it trained by hand, what was measured before is of other weights
    train(longer.settings("trained"), out / "trained")
    path = out / "trained" / "model" / "model.safetensors"
    save_file({name: value + 1 for name, value in load_file(path).items()}, path, metadata={"format": "pt"})
    assert _reports(longer, "trained", out / "trained") == {}


def test_a_missing_checkpoint_is_named_before_anything_is_measured(tmp_path):
    from mini_o3.reproduce.run import run_suite

    small = small_suite(tmp_path)
    gone = small.model_copy(update={"runs": {**small.runs, "shipped": {"checkpoint": "nowhere/model"}}})
    with pytest.raises(UserError, match="shipped: no checkpoint in nowhere/model"):
        run_suite(gone, tmp_path / "out", **quietly([]))
    unborn = small.model_copy(update={"base": {**small.base, "start": "nowhere"}})
    with pytest.raises(UserError, match="trained: no checkpoint in nowhere to start from; make it"):
        run_suite(unborn, tmp_path / "out", **quietly([]))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (('level = "easy"', 'level = "hard"'), "speaks of hard probes, which are not measured"),
        (("limits = [3]", "limits = [2, 5]"), "speaks of limits that are not measured"),
        (("turns = 3", "turns = 3\ntemperature = 0"), "samples: at temperature 0 they are all the same"),
        (
            ("bound = -1.0", "bound = -1.0\n[quick.measure]\nprobe = 1"),
            "measure.probe: there is no such setting",
        ),
    ],
)
def test_a_suite_that_cannot_be_decided_or_measured_is_one_line(tmp_path, edit, said):
    assert edit[0] in SMALL
    (tmp_path / "small.toml").write_text(SMALL.replace("CHECKPOINT", "somewhere").replace(*edit))
    with pytest.raises(UserError, match=said) as caught:
        read_suite(str(tmp_path / "small.toml"), quick=True)
    assert "small.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_where_the_folder_should_be_is_one_line(tmp_path):
    (tmp_path / "out").write_text("")
    done = mini_o3(
        "reproduce", "over_turn_masking", "--quick", "--out", tmp_path / "out", cwd=Path(__file__).parents[2]
    )
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr


def test_nothing_is_claimed_where_nothing_is_right():
    found = {"a": measured(at4=0.0, at8=0.0, at32=0.0)}
    asked = suite(check("ratio", 1.5), check("flat", 0.02))
    assert [holds for _, holds, _ in decide(asked, found)] == [False, False]


def test_a_record_without_its_weights_is_kept_as_it_is(tmp_path):
    """As the repository holds them: trained on again, its log would be lost, and what was measured be of
    other weights."""
    from mini_o3.reproduce.run import run_suite

    small, out = small_suite(tmp_path), tmp_path / "out"
    (out / "trained" / "easy").mkdir(parents=True)
    (out / "trained" / "easy" / "protocol.json").write_text("{}")
    (out / "trained" / "metrics.jsonl").write_text('{"step": 1}\n')
    with pytest.raises(
        UserError, match=r"trained: was measured, and its weights are not here; .* give another `out`"
    ):
        run_suite(small, out, only="trained", **quietly([]))
    assert (out / "trained" / "metrics.jsonl").read_text() == '{"step": 1}\n'
    assert not (out / "probes").exists()  # nor are probes made for nothing


def test_a_checkpoint_that_was_replaced_since_is_left_out_of_the_report(tmp_path):
    from mini_o3.evaluate.protocol import PROTOCOL_FILE
    from mini_o3.models.vlm import weights_hash
    from mini_o3.reproduce.run import _reports

    small = small_suite(tmp_path)
    folder = tmp_path / "out" / "easy"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text('{"episodes": 4}')
    now = weights_hash(Path(small.runs["shipped"]["checkpoint"]))
    for weights, left in ((now, {"easy": {"episodes": 4}}), ("0123456789ab", {}), (None, {})):
        (folder / PROTOCOL_FILE).write_text(json.dumps({"weights": weights}))
        assert _reports(small, "shipped", tmp_path / "out") == left


def test_a_record_older_than_a_setting_counts_as_made_with_its_default(tmp_path):
    from mini_o3.reproduce.run import _reports

    small = small_suite(tmp_path)
    made = json.loads(small.settings("trained").model_dump_json())
    (tmp_path / "easy").mkdir()
    (tmp_path / "easy" / "report.json").write_text('{"episodes": 4}')
    for judge, left in ((None, {"easy": {"episodes": 4}}), ("choice", {})):
        del made["judge"]
        made |= {"judge": judge} if judge else {}
        (tmp_path / "config.json").write_text(json.dumps({"config": made}))
        assert _reports(small, "trained", tmp_path) == left
        made["judge"] = ""


def test_a_folder_with_something_in_it_needs_resume(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "something").write_text("")
    done = mini_o3("reproduce", "readings", "--quick", "--out", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "is not empty; add --resume" in done.stderr
    done = mini_o3("reproduce", "readings", "--only", "surprise", cwd=tmp_path)
    assert done.returncode == 2
    assert "choose one of all_batch" in done.stderr


@pytest.mark.parametrize(
    ("change", "over"),
    [({}, False), ({"zooms": 0.0}, True), ({"learnt": 0}, True)],
    ids=["it only lacks steps", "it looked no more", "it learnt nothing more"],
)
def test_a_training_that_was_stopped_for_good_is_not_gone_on_with(tmp_path, change, over):
    from mini_o3.grpo.config import GrpoConfig
    from mini_o3.reproduce.run import _ended

    row = {"zooms": 2.0, "over_turn": 0.2, "learnt": 4, "unjudged": 0, "rollouts": 8, **change}
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mini_o3.json").write_text('{"step": 2}')
    rows = [{"step": 0, "validation": {"easy": 0.5}}, *({"step": step, **row} for step in (1, 2))]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert _ended(GrpoConfig(seed=1, steps=9, patience=2), tmp_path) is over
    assert _ended(GrpoConfig(seed=1, steps=2, patience=2), tmp_path) is True


def test_a_suite_measures_on_held_out_probes_at_its_own_temperature(tmp_path, monkeypatch):
    from mini_o3.evaluate import evaluation
    from mini_o3.models.shipped import NANO_DIR
    from mini_o3.probes.shapes import TRAINING_SEEDS
    from mini_o3.reproduce import run as runner
    from mini_o3.reproduce.suite import Measurement

    asked = {}

    def notes(tasks, policy, protocol, *_, **__):
        asked.update(
            seeds=[task.seed for task in tasks], temperature=policy.sampling.temperature, protocol=protocol
        )

    monkeypatch.setattr(evaluation, "evaluate", notes)
    measure = Measurement(levels=["easy"], probes=2, samples=3, turns=5, temperature=0.6)
    folder = runner._probes(measure, tmp_path / "probes", lambda what: lambda *_: None)["easy"]
    runner._measure(measure, NANO_DIR, folder, tmp_path / "out", lambda *_: None)
    assert len(asked["seeds"]) == 2
    assert min(asked["seeds"]) >= TRAINING_SEEDS
    assert asked["temperature"] == asked["protocol"].temperature == 0.6
    assert (asked["protocol"].samples, asked["protocol"].turns) == (3, 5)


def test_what_nobody_could_judge_is_an_empty_cell(tmp_path):
    text = write_report(suite(), {"a": measured(at4=None, at32=0.5)}, tmp_path).read_text()
    assert "| a |  | 50.0 +- 1.0 |" in text

"""Training: pure data, exact masks, and a killed run that ends where an unbroken one does."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import mini_o3, two_processes
from PIL import Image
from safetensors.torch import load_file

from mini_o3.episode import Limits
from mini_o3.kit.config import read_config
from mini_o3.kit.errors import UserError
from mini_o3.models.chat import ChatRenderer, Rendered
from mini_o3.models.nano import NANO_BUDGET
from mini_o3.models.tokenizer import build_tokenizer
from mini_o3.presets import PRESETS
from mini_o3.probes.shapes import eye, make_probe
from mini_o3.sft.batch import collate, micro_batches
from mini_o3.sft.config import TrainConfig
from mini_o3.sft.episodes import EpisodeData, render_teacher, weigh
from mini_o3.sft.optim import Muon, orthogonalise
from mini_o3.sft.perception import PerceptionData, Sample, crowd
from mini_o3.sft.repetition import repetition_noise
from mini_o3.sft.train import STATES, last_state
from mini_o3.vision import Rect

RENDERER = ChatRenderer(build_tokenizer())
PERCEPTION = PerceptionData(RENDERER, 1)
CONFIGS = PRESETS / "training"


@pytest.mark.parametrize(
    "path",
    sorted([*CONFIGS.glob("perception_*.toml"), *CONFIGS.glob("sft_*.toml")]),
    ids=lambda path: path.stem,
)
def test_shipped_configs_load(path):
    assert read_config(path, TrainConfig).stage in path.stem


@pytest.mark.parametrize(
    ("text", "named"),
    [("stage = 'sft'\nseed = 1\nsteps = 1\nscenes = 1\nlr = 3\n", "lr"), ("stage = ", "TOML"), ("", "stage")],
)
def test_a_bad_config_is_one_line_that_names_the_field(tmp_path, text, named):
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=named) as caught:
        read_config(path, TrainConfig)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [PERCEPTION, EpisodeData(RENDERER, 1, PERCEPTION, 0.0), PerceptionData(RENDERER, 1, crowds_until=9)],
)
def test_data_is_a_pure_function_of_the_index(source):
    first, again, other = source(3), source(3), source(4)
    assert [s.ids for s in first] == [s.ids for s in again]
    assert first[0].views[0].tobytes() == again[0].views[0].tobytes()
    assert [s.ids for s in first] != [s.ids for s in other]


def test_every_image_placeholder_has_its_token_and_nothing_of_a_view_is_learnt():
    for sample in EpisodeData(RENDERER, 5, PERCEPTION, 0.3)(1):
        pads = [i for i, token in enumerate(sample.ids) if token == RENDERER.image_pad]
        assert len(pads) == 36 * len(sample.views)
        assert not any(sample.learn[i] for i in pads)
        assert len(sample.learn) == len(sample.ids)


def test_only_what_the_teacher_means_is_learnt():
    probe = make_probe(11, "easy", family="digit", size=(1400, 1400))
    for seed in range(40):
        sample = render_teacher(RENDERER, probe.task, probe.picture, Limits(turns=20), seed)
        text = RENDERER.decode([i for i, learn in zip(sample.ids, sample.learn, strict=True) if learn])
        assert text.endswith(f"<answer>{probe.task.answer}</answer>")
        assert "Observation" not in text
        everything = RENDERER.decode(sample.ids)
        if "missed; wider" in everything:  # the missed look itself is in the context, but not learnt
            assert everything.count("<grounding>") > text.count("<grounding>")
            return
    raise AssertionError("no episode with a missed look among 40")


def test_listed_colours_other_than_the_one_sought_and_what_stands_beside_weigh_more_and_nothing_else_does():
    whole = Rendered()
    for text, wrote in (
        ("What shape is the red 3? things at 0.05/0.10 blue", 0),
        (
            (
                "<think>Find red 3 shape; things at 0.30/0.45 red 0.60/0.10 blue; red at 0.30/0.45; look at"
                " 0.30/0.45"
            ),
            1,
        ),
        ("<think>Find red 3 shape; blue circle not it", 1),
        ("What shape is beside the red star? ", 0),
        ("<think>Find red star beside; red star at 0.30/0.60 beside 0.30/0.45 blue heart; answer heart", 1),
    ):
        ids = RENDERER.encode(text)
        whole.add(Rendered(ids, [wrote] * len(ids)))
    weights = weigh(RENDERER, whole, "red")
    more = [(RENDERER.decode([i]), w) for i, w in zip(whole.ids, weights, strict=True) if w not in (0, 1)]
    assert more == [(" blue", 2.0), *((word, 3.0) for word in (" 0.30", "/", "0.45", " blue", " heart"))]
    assert [w > 0 for w in weights] == [bool(wrote) for wrote in whole.mask]
    assert set(weigh(RENDERER, whole, None)) == {
        0.0,
        1.0,
        3.0,
    }  # no colour is sought: every colour is to be read anyway


def test_a_list_that_repeats_items_is_learnt_as_if_it_did_not():
    text = (
        "Find red 3 shape; things at 0.30/0.45 red 0.60/0.10 blue; red at 0.30/0.45 0.60/0.55; look at"
        " 0.30/0.45"
    )
    heard = set()
    for seed in range(300):
        spoken = repetition_noise(RENDERER, RENDERER.assistant_message(text), np.random.default_rng(seed))
        assert RENDERER.decode([i for i, wrote in zip(spoken.ids, spoken.mask, strict=True) if wrote]) == text
        heard.add(
            RENDERER.decode(spoken.ids)
            .removeprefix("Find red 3 shape; things at ")
            .removesuffix("; look at 0.30/0.45")
        )
    assert (
        "0.30/0.45 red 0.60/0.10 blue 0.60/0.10 blue; red at 0.30/0.45 0.60/0.55" in heard
    )  # the last item again
    assert (
        "0.30/0.45 red 0.60/0.10 blue 0.30/0.45 red 0.60/0.10 blue; red at 0.30/0.45 0.60/0.55" in heard
    )  # the last two
    assert len(heard) > 6
    single = "Find red 3 shape; red circle at 0.45/0.50; closer"
    for seed in range(100):
        message = RENDERER.assistant_message(single)
        assert RENDERER.decode(repetition_noise(RENDERER, message, np.random.default_rng(seed)).ids) == single


def test_micro_batches_keep_every_sample_and_the_size():
    rng = np.random.default_rng(0)
    samples = [Sample([1] * int(n), [0] * int(n), []) for n in rng.integers(5, 300, 50)]
    groups = micro_batches(samples, 1000)
    assert sorted(len(s.ids) for g in groups for s in g) == sorted(len(s.ids) for s in samples)
    assert all(len(g) == 1 or len(g) * max(len(s.ids) for s in g) <= 1000 for g in groups)


def test_collate_pads_on_the_right_and_learns_nothing_there():
    from mini_o3.models.nano import PROCESSOR
    from mini_o3.models.patches import Patcher

    samples = PerceptionData(RENDERER, 1, crowds_until=9)(0)[:3]
    batch = collate(samples, Patcher.of(PROCESSOR), RENDERER, 0)
    for row, sample in enumerate(samples):
        count = len(sample.ids)
        assert batch.ids[row, :count].tolist() == sample.ids
        assert batch.learn[row, :count].tolist() == sample.learn
        assert not batch.learn[row, count:].any()
    assert batch.rows.shape == (3 * 144, 588)
    assert batch.cells.shape == (3, 36, 6)


def test_orthogonalised_updates_have_singular_values_near_one():
    for shape in ((64, 32), (32, 64), (48, 48)):
        values = torch.linalg.svdvals(
            orthogonalise(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
        )
        assert values.min() > 0.3
        assert values.max() < 1.35


def test_muon_agrees_with_the_one_of_torch():
    """torch's works in bfloat16, hence the tolerance."""
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Parameter(torch.ones(24, 12)) for _ in range(2))
    a = Muon([{"params": [ours], "muon": True, "lr": 0.1, "weight_decay": 0.01}])
    b = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.01, momentum=0.95, nesterov=True)
    for _ in range(3):
        gradient = torch.randn(24, 12)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        a.step()
        b.step()
    torch.testing.assert_close(ours, theirs, atol=0.03, rtol=0)


def test_the_other_parameters_are_trained_by_adamw():
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Parameter(torch.ones(7)) for _ in range(2))
    a = Muon([{"params": [ours], "lr": 0.1, "betas": (0.9, 0.98), "weight_decay": 0.01}])
    b = torch.optim.AdamW([theirs], lr=0.1, betas=(0.9, 0.98), weight_decay=0.01)
    for _ in range(5):
        ours.grad = torch.randn(7)
        theirs.grad = ours.grad.clone()
        a.step()
        b.step()
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def test_the_papers_rate_is_a_cosine_after_a_tenth_of_the_steps():
    config = read_config(CONFIGS / "sft_7b.toml", TrainConfig)
    assert [round(config.lr_factor(step, 100), 2) for step in (0, 9, 10, 55, 99)] == [0.1, 1.0, 1.0, 0.5, 0.0]


def test_the_rate_rises_stays_and_falls_to_zero():
    config = TrainConfig(stage="sft", seed=0, steps=100, scenes=1, warmup=10, decay=0.5)
    assert [round(config.lr_factor(step), 2) for step in (0, 9, 49, 75, 99)] == [0.1, 1.0, 1.0, 0.5, 0.02]


TINY = """
stage = "perception"
seed = 3
steps = 5
scenes = 1
cells_only = 2
warmup = 1
photos = false
threads = 1
workers = 0
log_every = 1
save_minutes = 0.00001
"""


def run(config, out, *more, wait=True):
    command = [
        sys.executable,
        "-m",
        "mini_o3",
        "train",
        "perception",
        "--config",
        str(config),
        "--out",
        str(out),
        *more,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    return process.communicate()[0] if wait else process


def whole(states):
    """States that are there to the last file."""
    return set(states.glob("checkpoint-*/trainer_state.json"))


def wait_for(states, process, besides=frozenset(), seconds=240):
    """Until the process has written another state."""
    end = time.monotonic() + seconds
    while not whole(states) - besides:
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end, f"nothing new in {states}"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_run_goes_on_and_ends_with_the_weights_of_an_unbroken_one(tmp_path):
    config = tmp_path / "tiny.toml"
    config.write_text(TINY)
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    run(config, unbroken)

    process = run(config, broken, wait=False)
    wait_for(broken / STATES, process)
    process.send_signal(signal.SIGKILL)  # in the middle of writing, perhaps
    process.wait()
    assert not (broken / "model").exists()

    before = whole(broken / STATES)
    process = run(config, broken, wait=False)  # and once by Ctrl-C, which saves and says how to go on
    wait_for(broken / STATES, process, besides=before)
    process.send_signal(signal.SIGINT)
    text = process.communicate()[0]
    assert "Traceback" not in text
    assert "of 5, saved\n" in text
    assert "run the same command again to go on" in text
    assert process.returncode == 130

    text = run(config, broken)
    assert "Traceback" not in text
    one, two = (load_file(folder / "model" / "model.safetensors") for folder in (unbroken, broken))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    rows = [
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (unbroken, broken)
    ]
    for row in (*rows[0], *rows[1]):
        del row["elapsed_seconds"]
    assert rows[0] == rows[1]
    assert [row["step"] for row in rows[0]] == [1, 2, 3, 4, 5]


@pytest.mark.slow
def test_another_config_in_the_same_folder_is_refused(tmp_path):
    config = tmp_path / "tiny.toml"
    config.write_text(TINY)
    (tmp_path / "run").mkdir()
    run(config, tmp_path / "run", "--steps", "1")
    assert "is at step 1 of 5 already" in run(config, tmp_path / "run", "--steps", "1")
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 1
    (tmp_path / "run" / STATES).rename(tmp_path / "aside")
    log = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    assert "holds a model, but no state to go on from" in run(config, tmp_path / "run")
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == log
    config.write_text(TINY.replace("seed = 3", "seed = 4"))
    text = run(config, tmp_path / "run")
    assert "holds a run with other settings (seed)" in text
    assert "Traceback" not in text


def test_a_state_that_a_kill_cut_off_is_passed_over_and_removed(tmp_path):
    for step, text in ((9, "{}"), (10, "{}"), (11, '{"half')):
        (tmp_path / STATES / f"checkpoint-{step}").mkdir(parents=True)
        (tmp_path / STATES / f"checkpoint-{step}" / "trainer_state.json").write_text(text)
    (tmp_path / STATES / "checkpoint-12").mkdir()
    assert last_state(tmp_path).name == "checkpoint-10"
    assert sorted(path.name for path in (tmp_path / STATES).iterdir()) == ["checkpoint-10", "checkpoint-9"]
    assert last_state(tmp_path / "nothing") is None


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A folder with a tiny random model, the teacher's episodes, and the paper's settings of the cold start.

    In float32 and with small views: a processor without bfloat16 units would take minutes for a step.
    """
    from mini_o3.models.nano import new_nano, save_checkpoint

    folder = tmp_path_factory.mktemp("coldstart")
    model, tokenizer = new_nano(5)
    save_checkpoint(model, tokenizer, folder / "tiny", {})
    paper = (CONFIGS / "sft_7b.toml").read_text()
    small = paper.replace("bf16 = true", "bf16 = false").replace(
        "max_pixels = 2_000_000", "max_pixels = 50_000"
    )
    assert len(set(small.splitlines()) - set(paper.splitlines())) == 2
    (folder / "small.toml").write_text(small)
    for args in (
        ("probe", "make", "--level", "easy", "--count", "5", "--seed", "3", "--out", "probes"),
        ("eval", "--tasks", "probes", "--policy", "teacher", "--out", "episodes"),
    ):
        done = mini_o3(*args, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


SMALL = ("train", "sft", "--config", "small.toml", "--start", "tiny", "--episodes", "episodes")


@pytest.fixture(scope="module")
def imitated(recorded):
    """The folder after two steps of training, and what was said."""
    done = mini_o3(*SMALL, "--steps", "2", "--out", "run", cwd=recorded)
    assert done.returncode == 0, done.stderr
    return recorded, done


@pytest.mark.slow
def test_the_papers_config_runs_on_a_tiny_model_and_leaves_its_vision_alone(imitated):
    folder, done = imitated
    assert "stopped at step 2 of 4" in done.stdout  # three rounds over five episodes, four at a time
    before, after = (
        load_file(path / "model.safetensors") for path in (folder / "tiny", folder / "run" / "model")
    )
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not any("visual" in name for name in changed)
    assert len(changed) > 0.9 * sum("visual" not in name for name in before)
    rows = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 2
    assert rows[-1]["samples"] in (4, 8)


def test_recorded_episodes_are_rendered_as_they_were_lived(recorded):
    """What SFT reads is what a rollout with these words would have put into the context: same ids, same mask,
    same views."""
    from mini_o3.episode import read_tasks
    from mini_o3.protocol import load_profile
    from mini_o3.sft.recorded import RecordedEpisodes
    from mini_o3.vision import load_picture

    folder = recorded
    profile = load_profile("nano")
    data = RecordedEpisodes.read(RENDERER, NANO_BUDGET, profile, 1, folder / "episodes")
    tasks = {task.id: task for task in read_tasks(folder / "probes")}
    episode = data.episodes[0]
    picture = load_picture(str(folder / episode.picture))
    lived = render_teacher(RENDERER, tasks[episode.task_id], picture, episode.limits, episode.seed)
    [sample] = [data._render(episode, picture)]
    assert RENDERER.decode(sample.ids) == RENDERER.decode(lived.ids)
    assert [view.tobytes() for view in sample.views] == [view.tobytes() for view in lived.views]
    assert [weight > 0 for weight in sample.learn] == [weight > 0 for weight in lived.learn]


def test_a_folder_without_answered_episodes_is_refused(tmp_path):
    from mini_o3.protocol import load_profile
    from mini_o3.sft.recorded import RecordedEpisodes

    with pytest.raises(UserError, match="no answered episodes there"):
        RecordedEpisodes.read(RENDERER, NANO_BUDGET, load_profile("nano"), 1, tmp_path)


def test_a_checkpoint_that_is_not_there_is_refused(tmp_path):
    done = mini_o3(
        "train",
        "sft",
        "--config",
        CONFIGS / "sft_7b.toml",
        "--start",
        "nowhere",
        "--out",
        "run",
        cwd=tmp_path,
    )
    assert (done.returncode, "nowhere: no such model directory" in done.stderr) == (2, True)


def test_a_pair_touches_and_nothing_else_seems_to():
    asked = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        _, things = crowd(rng, Image.new("RGB", (336, 336)), few=3, pair=True)
        seen = eye.look(things, (336, 336), Rect(0, 0, 336, 336))
        first, second = (next(s for s in seen if s.thing is thing) for thing in things[:2])
        assert first.shape_shows <= (eye.neighbour(seen, first) is second)
        for other in seen:
            if other not in (first, second):
                assert eye.neighbour(seen, other) is None, seed
        words = eye.describe(seen, first.thing.colour, what_touches=True)
        if eye.central(seen, first.thing.colour) is first and first.shape_shows:
            place = f"{eye.spot_words(second.spot)} {second.thing.colour} {second.thing.shape}"
            assert words.endswith(f" at {eye.spot_words(first.spot)} beside {place}."), (seed, words)
            asked += 1
    assert asked >= 20


def test_an_episode_that_is_too_long_ends_with_the_last_turn_that_fits(recorded):
    from mini_o3.protocol import load_profile
    from mini_o3.sft.recorded import RecordedEpisodes
    from mini_o3.vision import load_picture

    folder = recorded
    whole = RecordedEpisodes.read(RENDERER, NANO_BUDGET, load_profile("nano"), 1, folder / "episodes")
    learnt_whole = [one for one in whole.episodes if all(turn.learn for turn in one.turns)]
    episode = max(learnt_whole, key=lambda episode: episode.num_turns)
    assert episode.num_turns >= 3
    picture = load_picture(str(folder / episode.picture))
    full = whole._render(episode, picture)
    ends = [n + 1 for n, learnt in enumerate(full.learn) if learnt and not (full.learn[n + 1 :] or [0])[0]]
    assert len(ends) == episode.num_turns
    for limit, kept in ((ends[1], 2), (ends[1] - 1, 1), (ends[-1], len(ends)), (5, 0)):
        short = replace(whole, context_tokens=limit)._render(episode, picture)
        end = ends[kept - 1] if kept else 0
        assert short.ids == (full.ids if kept == len(ends) else full.ids[:end])
        assert len(short.learn) == len(short.ids)
        assert len(short.views) == kept  # the picture, and what each turn before the last was answered with


@pytest.mark.slow
def test_two_processes_share_the_rounds_and_leave_one_model(imitated):
    folder, _ = imitated
    done = two_processes(*SMALL, "--out", "both", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [json.loads(line) for line in (folder / "both" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 2  # three rounds over five episodes, four at a time on each
    assert last_state(folder / "both").name == "checkpoint-2"
    said = {path.parent.name: path.read_text() for path in (folder / "logs").rglob("stdout.log")}
    assert ("step 2/2" in said["0"], "step" in said["1"]) == (True, False)
    again = mini_o3(*SMALL, "--out", "both", "--steps", "2", cwd=folder)
    assert "is at step 2 of 4 already" in again.stdout  # one process alone would take four


@pytest.mark.slow
def test_a_model_older_than_the_last_state_is_written_anew(imitated):
    """As a kill leaves it that comes between the two."""
    folder, _ = imitated
    model, head = folder / "run" / "model", folder / "run" / "cell_head.safetensors"
    kept = {name: value.clone() for name, value in load_file(model / "model.safetensors").items()}
    kept_head = head.read_bytes()
    again = (*SMALL, "--out", "run")
    shutil.copy(folder / "tiny" / "model.safetensors", model / "model.safetensors")
    head.unlink()
    for settings in ('{"step": 1}', '{"st', None):
        (model / "mini_o3.json").write_text(settings) if settings else shutil.rmtree(model)
        done = mini_o3(*again, "--steps", "2", cwd=folder)
        assert "is at step 2 of 4 already" in done.stdout, done.stderr
        found = load_file(model / "model.safetensors")
        assert all(torch.equal(kept[name], found[name]) for name in kept)
        assert head.read_bytes() == kept_head


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (("epochs = 3", "epochs = 3\nworkers = 1"), "gone.jpg"),
        (
            ("adam_lr = 1e-5", "adam_lr = 1e30"),
            r"the loss is (nan|inf) in step \d; .* lower the learning rate",
        ),
    ],
    ids=["a picture that is not there", "a rate that is too high"],
)
def test_what_goes_wrong_in_training_ends_it_with_one_line_though_workers_make_the_data(
    recorded, tmp_path, edit, said
):
    folder = recorded
    (tmp_path / "small.toml").write_text(
        (folder / "small.toml").read_text().replace(*edit).replace("warmup_share = 0.1", "")
    )
    shutil.copytree(folder / "episodes", tmp_path / "episodes")
    shutil.copytree(folder / "probes", tmp_path / "probes")
    if said == "gone.jpg":
        rows = (tmp_path / "episodes" / "episodes.jsonl").read_text().splitlines()
        changed = [{**json.loads(row), "picture": "probes/gone.jpg"} for row in rows]
        (tmp_path / "episodes" / "episodes.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in changed)
        )
    done = mini_o3(
        "train",
        "sft",
        "--config",
        "small.toml",
        "--start",
        folder / "tiny",
        "--episodes",
        "episodes",
        "--out",
        "run",
        cwd=tmp_path,
    )
    assert done.returncode == 2, done.stderr
    assert re.search(said, done.stderr)
    assert len(done.stderr.strip().splitlines()) == 1


def test_settings_that_cannot_be_run_claim_no_folder(recorded, tmp_path):
    folder = recorded
    for more in (("--start", "nowhere"), ("--start", folder / "tiny", "--episodes", "nowhere")):
        done = mini_o3("train", "sft", "--config", folder / "small.toml", *more, "--out", "run", cwd=tmp_path)
        assert (done.returncode, "nowhere" in done.stderr) == (2, True), done.stderr
        assert not (tmp_path / "run" / "config.json").exists()

"""Evaluations as people run them: in one piece or in several, killed, with a judge that is down, compared,
controlled."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time

import pytest
from fake_endpoint import Endpoint, says, status
from helpers import answer, command, environment, mini_o3, recording, zoom
from PIL import Image

from mini_o3.episode import SearchTask, read_tasks
from mini_o3.evaluate.lenses import lens_of
from mini_o3.evaluate.protocol import Protocol, read_protocol, tasks_hash
from mini_o3.evaluate.shards import shard
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, read_jsonl
from mini_o3.presets import presets
from mini_o3.probes.shapes.build import make_probes
from mini_o3.vision import InMemory, PixelBudget, Rect

SEED = 500_001_153  # small pictures


@pytest.fixture(scope="module")
def probes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate") / "probes"
    make_probes("easy", 6, SEED, folder)
    return folder


@pytest.fixture(scope="module")
def whole(probes):
    out = probes.parent / "whole"
    done = evaluate(probes, out)
    assert done.returncode == 0, done.stderr
    return out


def evaluate(probes, out, *args, policy="teacher"):
    return mini_o3("eval", "--tasks", probes, "--policy", policy, "--out", out, *args, cwd=out.parent)


def report(out):
    return json.loads((out / "report.json").read_text())


def test_the_report_says_what_was_measured_and_by_which_protocol(probes, whole):
    found = report(whole)
    assert (found["accuracy"], found["tasks"], found["unjudged"]) == (1.0, 6, 0)
    protocol = found["protocol"]
    assert protocol["tasks_hash"] == tasks_hash(read_tasks(probes))
    assert protocol["profile"].startswith("nano@")
    assert (protocol["turns"], protocol["samples"], protocol["temperature"], protocol["judge"]) == (
        32,
        1,
        0.0,
        "auto",
    )
    text = (whole / "report.md").read_text()
    assert "accuracy 100.0%" in text
    assert "| tasks_hash |" in text


def test_three_shards_merged_are_the_whole_byte_for_byte(probes, whole, tmp_path):
    shards = []
    for part in ("2/3", "1/3", "3/3"):
        shards.append(tmp_path / part[0])
        done = evaluate(probes, shards[-1], "--shard", part)
        assert done.returncode == 0, done.stderr
    done = mini_o3("eval", "merge", *shards, "--out", tmp_path / "merged", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("report.json", "report.md"):
        assert (tmp_path / "merged" / name).read_bytes() == (whole / name).read_bytes()
    twice = mini_o3("eval", "merge", shards[0], shards[0], shards[1], "--out", tmp_path / "b", cwd=tmp_path)
    assert (twice.returncode, "without 3/3" in twice.stderr) == (2, True)
    foreign = mini_o3("eval", "merge", shards[0], whole, "--out", tmp_path / "b", cwd=tmp_path)
    assert foreign.returncode == 2


def test_judged_again_gives_the_same_report(whole, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    (copy / "verdicts.jsonl").unlink()
    assert mini_o3("judge", "run", copy, cwd=tmp_path).returncode == 0
    assert mini_o3("eval", "report", copy, cwd=tmp_path).returncode == 0
    for name in ("verdicts.jsonl", "report.json", "report.md"):
        assert (copy / name).read_bytes() == (whole / name).read_bytes()


def test_shards_keep_questions_on_one_picture_together():
    tasks = [SearchTask(f"{number % 4}.png", f"What {number}?") for number in range(12)]
    parts = [shard(tasks, f"{index}/3") for index in (1, 2, 3)]
    assert sorted(task.id for part in parts for task in part) == sorted(task.id for task in tasks)
    pictures = [{task.picture for task in part} for part in parts]
    assert sum(map(len, pictures)) == 4
    for spec in ("0/3", "4/3", "a/3", "3", "1/0", ""):
        with pytest.raises(UserError, match="expected i/n"):
            shard(tasks, spec)


def test_a_judge_that_is_down_leaves_all_unjudged_and_a_later_one_fills_them_in(probes, tmp_path):
    """Answers differ from the truth in words, so that the rule leaves them to the model."""
    tasks = read_tasks(probes)[:2]
    for task in tasks:
        append_jsonl(
            tmp_path / "said.jsonl",
            {"task_id": task.id, "turns": [{"text": answer(f"it is surely {task.answer}")}]},
        )
    # Four attempts at each answer as it comes, and once more at the end; no pause is asked for.
    down = [status(503, retry_after="0")] * 16
    with Endpoint(*down, says('{"verdict": "correct"}'), says('{"verdict": "correct"}')) as endpoint:
        judge = f"exact+llm:{endpoint.url}#judge,attempts=4"
        args = ("--limit", 2, "--judge", judge, "--concurrent", 1)
        first = evaluate(probes, tmp_path / "out", *args, policy=f"replay:{tmp_path / 'said.jsonl'}")
        assert first.returncode == 0, first.stderr
        assert "2 OF 2 EPISODES UNJUDGED" in first.stdout
        assert report(tmp_path / "out")["accuracy"] is None
        episodes = (tmp_path / "out" / "episodes.jsonl").read_bytes()
        again = mini_o3("judge", "run", tmp_path / "out", "--judge", judge, cwd=tmp_path)
        assert again.returncode == 0, (again.stdout, again.stderr)
        assert mini_o3("eval", "report", tmp_path / "out", cwd=tmp_path).returncode == 0
    found = report(tmp_path / "out")
    assert found["unjudged"] == 0
    assert (tmp_path / "out" / "episodes.jsonl").read_bytes() == episodes


def test_a_killed_evaluation_goes_on_and_ends_as_if_it_had_not_been(probes, whole, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        command("eval", "--tasks", probes, "--policy", "teacher", "--out", out),
        cwd=whole.parent,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and len(read_jsonl(out / "episodes.jsonl")) < 2:
        time.sleep(0.005)
    process.kill()
    process.wait()
    before = read_jsonl(out / "episodes.jsonl")
    assert (
        mini_o3("eval", "--tasks", probes, "--policy", "teacher", "--out", out, cwd=whole.parent).returncode
        == 0
    )
    assert read_jsonl(out / "episodes.jsonl")[: len(before)] == before
    assert len(read_jsonl(out / "episodes.jsonl")) == 6
    assert (out / "report.json").read_bytes() == (whole / "report.json").read_bytes()
    other = evaluate(probes, out, "--turns", 12)
    assert (other.returncode, "other settings (turns)" in other.stderr) == (2, True)


def test_tasks_and_policy_may_be_named_from_another_folder(probes, tmp_path):
    recording(tmp_path / "one.jsonl", answer("nothing"))
    recording(tmp_path / "two.jsonl", answer("something"))
    out = tmp_path / "out"
    absolute = evaluate(probes, out, policy=f"replay:{tmp_path / 'one.jsonl'}")
    assert absolute.returncode == 0, absolute.stderr
    relative = ["eval", "--tasks", os.path.relpath(probes, tmp_path), "--out", out, "--policy"]
    again = mini_o3(*relative, "replay:one.jsonl", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    other = mini_o3(*relative, "replay:two.jsonl", cwd=tmp_path)
    assert (other.returncode, "other settings (policy)" in other.stderr) == (2, True)


def test_a_comparison_names_what_differs_before_any_number(probes, whole, tmp_path):
    recording(tmp_path / "wrong.jsonl", answer("nothing of the kind"))
    done = evaluate(probes, tmp_path / "other", "--turns", 12, policy=f"replay:{tmp_path / 'wrong.jsonl'}")
    assert done.returncode == 0, done.stderr
    said = mini_o3("eval", "diff", whole, tmp_path / "other", cwd=tmp_path).stdout.splitlines()
    assert said[0].startswith("the protocols differ in")
    assert "  turns: 32 -> 12" in said
    assert any("difference -100.0 points" in line and "worse on 6" in line for line in said)
    assert said.index("  turns: 32 -> 12") < next(i for i, line in enumerate(said) if "100.0%" in line)
    same = mini_o3("eval", "diff", whole, whole, cwd=tmp_path).stdout
    assert same.startswith("the protocols are the same\n6 tasks in both")
    assert "difference +0.0 points" in same


def test_controls_show_other_things_and_stand_in_the_report(probes, tmp_path):
    """The teacher knows where things are, so what it is shown does not matter to it; one turn is too few for
    it."""
    done = evaluate(probes, tmp_path / "out", "--limit", 2, "--faithfulness", "--check-curve", 2)
    assert done.returncode == 0, done.stderr
    rows = report(tmp_path / "out")["faithfulness"]
    assert {name: row["accuracy"] for name, row in rows.items()} == {
        "as_it_is": 1.0,
        "no_tool": 0.0,
        "nothing_seen": 1.0,
        "observations_black": 1.0,
        "observations_swapped": 1.0,
    }
    assert "2 of 2 episodes end as the long ones stood then" in done.stdout
    assert json.loads((tmp_path / "out" / "curve_check.json").read_text())["differing"] == []


def test_what_a_lens_shows(tmp_path):
    colours = {"a.png": (255, 0, 0), "b.png": (0, 0, 255)}
    for name, colour in colours.items():
        Image.new("RGB", (300, 200), colour).save(tmp_path / name)
    tasks = [SearchTask(str(tmp_path / name), "What?") for name in ("a.png", "a.png", "b.png")]
    original = InMemory(Image.new("RGB", (300, 200), (255, 0, 0)))
    rect, budget = Rect(0, 0, 150, 100), PixelBudget()

    def colour(views, number):
        view = lens_of(views, tasks)(tasks[0])(original, rect, budget, number)
        assert view.size == budget.fit(150, 100)
        return view.getpixel((5, 5))

    shown = {views: [colour(views, 0), colour(views, 1)] for views in ("honest", "black", "blind", "swapped")}
    red, blue, black = (255, 0, 0), (0, 0, 255), (0, 0, 0)
    assert shown == {
        "honest": [red, red],
        "black": [red, black],
        "blind": [black, black],
        "swapped": [red, blue],
    }


def test_the_shipped_protocols(tmp_path):
    assert set(presets("protocols")) == {"paper", "official-readme", "greedy", "released"}
    paper = read_protocol("paper")
    assert (paper.turns, paper.samples, paper.temperature, paper.max_pixels) == (32, 32, 1.0, 2_000_000)
    sources = ("visual_probe_hard", "hrbench_4k", "mme_realworld")
    assert [paper.samples_for(SearchTask("a", "q", source=name)) for name in sources] == [32, 8, 1]
    released = read_protocol("official-readme")
    assert (released.limits.turns, released.limits.images, released.limits.context_tokens) == (12, 12, 30768)
    assert released.limits.void_retries == 0
    assert read_protocol("paper", turns=6, samples=2).model_dump() == paper.model_dump() | {
        "turns": 6,
        "samples": 2,
    }
    (tmp_path / "mine.toml").write_text("turns = 4\n")
    assert read_protocol(str(tmp_path / "mine.toml")) == Protocol(turns=4)
    with pytest.raises(
        UserError, match=r"neither a file nor a preset.* greedy, official-readme, paper, released"
    ):
        read_protocol("mine")
    with pytest.raises(UserError, match="greedy episodes on one task are all the same"):
        read_protocol("greedy", samples=4)
    (tmp_path / "bad.toml").write_text("turn = 4\n")
    with pytest.raises(UserError, match=r"bad\.toml: turn: "):
        read_protocol(str(tmp_path / "bad.toml"))


def test_a_look_that_was_recorded_plays_the_same_under_a_smaller_limit(probes, tmp_path):
    recording(
        tmp_path / "r.jsonl", zoom(0, 0, 0.5, 0.5), zoom(0, 0, 0.4, 0.4), zoom(0, 0, 0.3, 0.3), answer("red")
    )
    args = ("--limit", 2, "--turns", 3, "--check-curve", 2)
    done = evaluate(probes, tmp_path / "out", *args, policy=f"replay:{tmp_path / 'r.jsonl'}")
    assert done.returncode == 0, done.stderr
    assert report(tmp_path / "out")["stops"] == {"turn_limit": 2}


def test_a_real_model_without_its_tool_is_asked_directly(probes, tmp_path):
    """The endpoint answers in plain words; only the direct dialect takes them for an answer."""
    truth = read_tasks(probes)[0].answer
    with Endpoint(*[says(truth)] * 20) as endpoint:
        policy = f"api:{endpoint.url}#m"
        done = evaluate(
            probes, tmp_path / "out", "--limit", 1, "--max-pixels", 30000, "--faithfulness", policy=policy
        )
        assert done.returncode == 0, done.stderr
        systems = [request.body["messages"][0]["content"] for request in endpoint.requests]
    rows = report(tmp_path / "out")["faithfulness"]
    assert {name: row["accuracy"] for name, row in rows.items()} == {
        "as_it_is": 0.0,
        "no_tool": 1.0,
        "question_alone": 1.0,
        "observations_black": 0.0,
        "observations_swapped": 0.0,
    }
    assert "grounding" in systems[0]
    assert "grounding" not in systems[-1]


def test_a_policy_that_fails_at_everything_is_said_in_one_line_and_asked_again_later(probes, tmp_path):
    spec = "api:http://127.0.0.1:9/v1#nobody"
    done = mini_o3(
        "eval",
        "--tasks",
        probes,
        "--policy",
        spec,
        "--limit",
        "2",
        "--turns",
        "3",
        "--out",
        "dead",
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"error: --policy {spec}: failed at every task (")
    assert "Traceback" not in done.stderr
    assert "2 OF 2 EPISODES UNJUDGED" in done.stdout


def test_what_others_report_stands_beside_on_a_known_benchmark(tmp_path):
    Image.new("RGB", (300, 200)).save(tmp_path / "a.png")
    task = SearchTask("a.png", "What?", "red", source="vstar")
    (tmp_path / "tasks").mkdir()
    append_jsonl(tmp_path / "tasks" / "tasks.jsonl", task.to_dict())
    shutil.copy(tmp_path / "a.png", tmp_path / "tasks" / "a.png")
    recording(tmp_path / "r.jsonl", answer("red"))
    done = evaluate(tmp_path / "tasks", tmp_path / "out", policy=f"replay:{tmp_path / 'r.jsonl'}")
    assert done.returncode == 0, done.stderr
    rows = report(tmp_path / "out")["published"]
    assert {row["benchmark"] for row in rows} == {"vstar"}
    assert {"Mini-o3 7B": 88.2, "GPT-4o": 65.2}.items() <= {
        row["system"]: row["value"] for row in rows
    }.items()
    assert all(row["source"] for row in rows)
    assert "88.2 (Avg@32)" in (tmp_path / "out" / "report.md").read_text()

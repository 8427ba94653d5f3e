"""The task in inspect_ai itself. Opt-in: it lives in an environment of its own.

python3 -m venv ENV && ENV/bin/pip install inspect_ai pydantic typer httpx Pillow numpy pyarrow
ENV/bin/pip install --no-deps -e .
MINI_O3_INSPECT_PYTHON=ENV/bin/python pytest tests/interop/test_inspect_plugin.py
"""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path

import pytest
from helpers import environment, recording, zoom

from mini_o3.kit.files import read_jsonl, to_json
from mini_o3.probes.shapes.build import make_probes

PYTHON = os.environ.get("MINI_O3_INSPECT_PYTHON")
pytestmark = pytest.mark.skipif(
    not PYTHON, reason="MINI_O3_INSPECT_PYTHON does not name a python with inspect_ai 0.3.285"
)


@pytest.fixture(scope="module")
def probes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inspect") / "probes"
    make_probes("easy", 3, 500_001_153, folder)
    return folder


def inspect(*args, cwd):
    """`inspect ARGS`; what it has logged last."""
    done = subprocess.run(
        [Path(str(PYTHON)).parent / "inspect", *args, "--display", "plain"],
        cwd=cwd,
        text=True,
        capture_output=True,
        env=environment(INSPECT_LOG_DIR=str(cwd / "logs"), INSPECT_LOG_FORMAT="json"),
        timeout=250,
    )
    logs = sorted((cwd / "logs").glob("*.json"), key=lambda path: path.stat().st_mtime)
    assert logs, done.stdout + done.stderr
    return json.loads(logs[-1].read_text()), done


def evaluate(probes, cwd, *args, **settings):
    words = [word for name, value in settings.items() for word in ("-T", f"{name}={value}")]
    return inspect(
        "eval", "mini_o3/visual_search", "-T", f"tasks={probes}", *words, "--model", "none", *args, cwd=cwd
    )


def metrics(log):
    return {name: metric["value"] for name, metric in log["results"]["scores"][0]["metrics"].items()}


def test_epochs_are_samples_and_the_log_shows_every_view(probes, tmp_path):
    log, _ = evaluate(
        probes, tmp_path, "--epochs", "2", "--log-images", policy="teacher", temperature=1.0, turns=20
    )
    assert (log["status"], metrics(log)) == ("success", {"accuracy": 1.0, "stderr": 0.0})
    assert sorted((s["id"], s["epoch"], s["metadata"]["episode"]["seed"]) for s in log["samples"]) == sorted(
        (task["id"], epoch, epoch - 1) for task in read_jsonl(probes / "tasks.jsonl") for epoch in (1, 2)
    )
    for sample in log["samples"]:
        episode, score = sample["metadata"]["episode"], sample["scores"]["judged"]
        assert (score["value"], score["answer"]) == ("C", sample["target"])
        assert score["metadata"]["turns"] == len(episode["turns"])
        roles = [message["role"] for message in sample["messages"]]
        assert roles == ["system", *["user", "assistant"] * len(episode["turns"])]
        parts = [
            part for message in sample["messages"] for part in message["content"] if message["role"] == "user"
        ]
        views = [part["image"] for part in parts if part["type"] == "image"]
        assert len(views) == 1 + sum("observation" in turn for turn in episode["turns"])
    assert "token_ids" not in to_json(log)


def test_what_nobody_could_judge_is_unscored_and_what_ran_over_is_wrong(probes, tmp_path):
    rows = read_jsonl(probes / "tasks.jsonl")
    del rows[0]["answer"]
    rows[0].pop("id")
    for row in rows:
        row["picture"] = str(probes / row["picture"])
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    (tasks / "tasks.jsonl").write_text("".join(to_json(row) + "\n" for row in rows))
    cut = recording(tmp_path / "cut.jsonl", zoom(0, 0, 0.5, 0.5), zoom(0, 0, 0.4, 0.4))
    log, _ = evaluate(tasks, tmp_path, policy=f"replay:{cut}", turns=2)
    scores = {sample["target"]: sample["scores"]["judged"] for sample in log["samples"]}
    assert math.isnan(float(scores[""]["value"]))
    assert (scores[""]["reason"], scores[rows[1]["answer"]]["value"]) == ("no_expected_answer", "I")
    assert scores[rows[1]["answer"]]["explanation"] == "no answer: turn_limit"
    assert log["results"]["scores"][0]["scored_samples"] == 2
    log, _ = evaluate(
        tasks, tmp_path, policy=f"replay:{cut}", turns=5
    )  # the recording ends: the policy fails
    assert log["status"] == "success"
    assert all(math.isnan(float(sample["scores"]["judged"]["value"])) for sample in log["samples"])
    assert {sample["scores"]["judged"]["reason"] for sample in log["samples"]} == {"policy_failed"}


def test_a_log_is_judged_again_without_asking_again(probes, tmp_path):
    log, _ = evaluate(probes, tmp_path, policy="teacher")
    (path,) = (tmp_path / "logs").glob("*.json")
    log["samples"][0]["metadata"]["episode"]["answer"] = "something else"
    path.write_text(json.dumps(log))
    again, done = inspect(
        "score", str(path), "--scorer", "mini_o3/judged", "--action", "overwrite", "--overwrite", cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert metrics(again)["accuracy"] == pytest.approx(2 / 3)


def test_greedy_epochs_and_unusable_arguments_are_refused(probes, tmp_path):
    log, _ = evaluate(probes, tmp_path, "--epochs", "2", policy="teacher")
    assert (log["status"], "greedy episodes on one task" in log["error"]["message"]) == ("error", True)

"""Random kills: whatever is stopped at any moment ends, run again, as if it had not been.

Nothing is lost, doubled or different. `make kills` kills a hundred times; `make test` twice.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers import command, environment, mini_o3

from mini_o3.kit.files import read_jsonl
from mini_o3.probes.shapes.build import make_probes

KILLS = 20  # of each verb
SEED = 500_001_153  # small pictures
TRAINING = """
stage = "perception"
seed = 3
steps = 4
scenes = 1
cells_only = 1
warmup = 1
photos = false
threads = 1
workers = 0
log_every = 1
save_minutes = 0.00001
"""


@dataclass
class Verb:
    """A command that writes to a folder, what is in the folder before it, and what it comes to."""

    args: Callable[[Path], tuple[Any, ...]]
    result: Callable[[Path], Any]
    before: Callable[[Path], None] = lambda out: None


def timeless(value):
    """JSON without what differs from run to run: how long things took."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in ("seconds", "revision")}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def by_key(path):
    """The rows of a file by task and seed; none is there twice."""
    rows = read_jsonl(path)
    found = {(row["task_id"], row["seed"]): timeless(row) for row in rows}
    assert len(found) == len(rows)
    return found


def hashes(folder):
    """Every file but locks and what is hidden."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def measured(out):
    report = timeless(json.loads((out / "report.json").read_text()))
    return report, by_key(out / "episodes.jsonl"), by_key(out / "verdicts.jsonl")


def collected(out):
    return by_key(out / "episodes.jsonl"), by_key(out / "kept" / "episodes.jsonl")


def trained(out):
    rows = [timeless(row) for row in read_jsonl(out / "metrics.jsonl")]
    return hashes(out / "model")["model.safetensors"], [row["step"] for row in rows]


@pytest.fixture(scope="module")
def verbs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    probes, config = folder / "probes", folder / "tiny.toml"
    make_probes("easy", 8, SEED, probes)
    config.write_text(TRAINING)
    asked = ("--tasks", probes, "--policy", "teacher")
    answered = folder / "answered"
    assert mini_o3("eval", *asked, "--out", answered, cwd=folder).returncode == 0

    def unjudged(out):
        shutil.copytree(answered, out, ignore=shutil.ignore_patterns("verdicts.jsonl", "report.*", ".lock"))

    return {
        "eval": Verb(lambda out: ("eval", *asked, "--out", out), measured),
        "collect": Verb(
            lambda out: ("collect", *asked, "--samples", 1, "--rounds", 1, "--exemplars", "", "--out", out),
            collected,
        ),
        "judge": Verb(
            lambda out: ("judge", "run", out, "--judge", "exact"),
            lambda out: by_key(out / "verdicts.jsonl"),
            unjudged,
        ),
        "probe": Verb(
            lambda out: ("probe", "make", "shapes", "--level", "easy", "--count", 30, "--out", out), hashes
        ),
        "train": Verb(lambda out: ("train", "perception", "--config", config, "--out", out), trained),
    }


def check(verb, folder, kills, seed):
    """Kill at random moments, run to the end, compare; in new folders until there were `kills` kills."""
    rng, unbroken = random.Random(seed), folder / "unbroken"
    verb.before(unbroken)
    began = time.monotonic()
    done = mini_o3(*verb.args(unbroken), cwd=folder)
    assert done.returncode == 0, done.stderr
    whole, wanted = time.monotonic() - began, verb.result(unbroken)
    killed = rounds = 0
    while killed < kills:
        out, rounds = folder / f"broken-{rounds}", rounds + 1
        verb.before(out)
        for _ in range(min(4, kills - killed)):
            running = subprocess.Popen(
                command(*verb.args(out)),
                cwd=folder,
                env=environment(OMP_NUM_THREADS="1"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                running.wait(rng.uniform(0.3, 1.0) * whole)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
                killed += 1
        done = mini_o3(*verb.args(out), cwd=folder)
        assert done.returncode == 0, done.stderr
        assert verb.result(out) == wanted, f"round {rounds}, seed {seed}"
        shutil.rmtree(out)
        assert rounds < 10 * kills, "it ends before it can be killed"


def test_a_few_kills(verbs, tmp_path):
    check(verbs["eval"], tmp_path, 2, seed=1)


@pytest.mark.slow
@pytest.mark.kill
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["eval", "collect", "judge", "probe", "train"])
def test_many_kills(verbs, tmp_path, name):
    check(verbs[name], tmp_path, KILLS, seed=sum(map(ord, name)))

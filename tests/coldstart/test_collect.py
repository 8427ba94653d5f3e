"""Collecting against a real endpoint that fails: nothing is lost, nothing is done twice, everything ends
somewhere."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections import Counter

import pytest
from helpers import command, environment, mini_o3

from mini_o3.episode import Episode, read_tasks
from mini_o3.kit.fake_endpoint import Endpoint
from mini_o3.kit.files import read_jsonl
from mini_o3.policies.fake_endpoint import Faults, Player
from mini_o3.probes.shapes.build import make_probes

SEED = 500_001_153  # small pictures


@pytest.fixture(scope="module")
def probes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probes")
    make_probes("easy", 4, SEED, folder)
    return folder


def collect(probes, url, out, *more, cwd):
    return mini_o3(
        "collect",
        "--tasks",
        probes,
        "--policy",
        f"api:{url}#fake",
        "--out",
        out,
        "--max-pixels",
        30000,
        *more,
        cwd=cwd,
    )


def accounts(out):
    """Outcomes of episodes and tasks, once their counts have been compared with the report."""
    report = json.loads((out / "report.json").read_text())
    outcomes, tasks = read_jsonl(out / "outcomes.jsonl"), read_jsonl(out / "tasks_outcomes.jsonl")
    for rows, counts in ((outcomes, report["episodes"]), (tasks, report["tasks"])):
        assert Counter((row["status"], row["reason"] or row["status"]) for row in rows) == Counter(
            {(status, reason): n for status, reasons in counts.items() for reason, n in reasons.items()}
        )
    return outcomes, tasks


def test_a_collection_killed_three_times_ends_as_one_that_was_not(probes, tmp_path):
    """A fifth of the calls fail, some turns are malformed, some answers wrong; kills come at random
    moments."""
    rng, out = random.Random(5), tmp_path / "out"
    player = Player(read_tasks(probes), Faults(fail=0.2, malformed=0.05, wrong=0.3))
    options = ("--samples", 2, "--rounds", 2, "--concurrent", 3, "--exemplars", "shipped")
    with Endpoint(answer=player, keep=False) as endpoint:
        for _ in range(3):
            size = len(read_jsonl(out / "episodes.jsonl"))
            process = subprocess.Popen(
                command(
                    "collect",
                    "--tasks",
                    probes,
                    "--policy",
                    f"api:{endpoint.url}#fake",
                    "--out",
                    out,
                    "--max-pixels",
                    30000,
                    *options,
                ),
                cwd=tmp_path,
                env=environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while process.poll() is None and len(read_jsonl(out / "episodes.jsonl")) <= size:
                time.sleep(0.02)
            time.sleep(rng.uniform(0, 0.5))
            process.kill()
            process.wait()
        kept_before = {(row["task_id"], row["seed"]): row for row in read_jsonl(out / "episodes.jsonl")}
        assert kept_before
        done = collect(probes, endpoint.url, out, *options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        again = collect(probes, endpoint.url, out, *options, cwd=tmp_path)
    rows = [Episode.from_dict(row) for row in read_jsonl(out / "episodes.jsonl")]
    finished = [(row.task_id, row.seed) for row in rows if row.stop != "policy_error"]
    assert len(set(finished)) == len(finished)  # nothing twice
    for row in kept_before.values():
        if row["stop"] != "policy_error":
            assert row in read_jsonl(out / "episodes.jsonl")  # nothing lost
    outcomes, tasks = accounts(out)
    assert len({(row["task_id"], row["seed"]) for row in outcomes}) == len(outcomes) >= 8
    assert {row["task_id"] for row in tasks} == {task.id for task in read_tasks(probes)}
    assert {row["status"] for row in outcomes} >= {"kept", "dropped"}
    kept = read_jsonl(out / "kept" / "episodes.jsonl")
    assert {(row["task_id"], row["seed"]) for row in kept} == {
        (row["task_id"], row["seed"]) for row in outcomes if row["status"] == "kept"
    }
    assert all(row["answer"] == row["expected"] for row in kept)
    # a second round only for what yielded nothing in the first
    firsts = {row["task_id"] for row in outcomes if row["seed"] < 1000 and row["reason"] in ("", "per_task")}
    assert all(row["task_id"] not in firsts for row in outcomes if row["seed"] >= 1000)
    assert again.stdout == done.stdout  # starting once more changes nothing


def test_a_prompt_holds_exemplars_and_the_kept_conversation_does_not(probes, tmp_path):
    with Endpoint(answer=Player(read_tasks(probes), Faults())) as endpoint:
        done = collect(probes, endpoint.url, tmp_path / "out", "--samples", 1, "--rounds", 1, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        systems = {request.body["messages"][0]["content"] for request in endpoint.requests}
    assert "kept 4 of 4 episodes, on 4 of 4 tasks" in done.stdout
    assert all("Example 3. Question:" in text and "Example 4." not in text for text in systems)
    assert len(systems) > 1  # drawn anew for every episode
    rows = read_jsonl(tmp_path / "out" / "kept" / "episodes.jsonl")
    assert all(len(row["meta"]["exemplars"]) == 3 for row in rows)


def test_a_budget_is_not_overspent_and_a_larger_one_goes_on(probes, tmp_path):
    options = ("--samples", 2, "--rounds", 1, "--concurrent", 2)
    with Endpoint(answer=Player(read_tasks(probes), Faults())) as endpoint:
        poor = collect(probes, endpoint.url, tmp_path / "out", *options, "--max-requests", 12, cwd=tmp_path)
        assert len(endpoint.requests) == 12
        assert poor.returncode == 6, poor.stderr
        assert "raise --max-requests to go on" in poor.stderr
        outcomes, tasks = accounts(tmp_path / "out")
        assert Counter(row["status"] for row in outcomes)["failed"] >= 1
        assert {row["status"] for row in tasks} >= {"failed"}
        rich = collect(probes, endpoint.url, tmp_path / "out", *options, "--max-requests", 500, cwd=tmp_path)
    assert "of 8 episodes, on 4 of 4 tasks" in rich.stdout
    outcomes, tasks = accounts(tmp_path / "out")
    assert len(outcomes) == 8
    assert {row["reason"] for row in outcomes} <= {
        "",
        "repeated_zoom",
    }  # a second pass looks at the same things
    assert {row["status"] for row in tasks} == {"kept"}


def test_an_endpoint_that_is_down_fails_every_task_and_loses_nothing(probes, tmp_path):
    with Endpoint() as endpoint:
        url = endpoint.url
    # nobody listens there any more; a refused connection is tried again, so a single attempt is not enough
    done = collect(
        probes, url, tmp_path / "out", "--samples", 1, "--rounds", 1, "--concurrent", 8, cwd=tmp_path
    )
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert "failed in every episode (" in last
    assert "ConnectError" in last
    assert "kept 0 of 4 episodes" in done.stdout
    assert "4 failed (4 policy): the next start takes them up again" in done.stdout
    _, tasks = accounts(tmp_path / "out")
    assert {(row["status"], row["reason"]) for row in tasks} == {("failed", "policy")}


def test_the_teacher_and_a_config_file_work_without_any_endpoint(probes, tmp_path):
    (tmp_path / "c.toml").write_text(
        f'tasks = "{probes}"\npolicy = "teacher"\nsamples = 3\nrounds = 1\n[select]\nper_task = 1\n'
    )
    done = mini_o3("collect", "--config", "c.toml", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    outcomes, _ = accounts(tmp_path / "out")
    assert len(outcomes) == 12
    assert Counter(row["task_id"] for row in outcomes if row["status"] == "kept") == {
        t.id: 1 for t in read_tasks(probes)
    }
    assert "per task" in (tmp_path / "out" / "report.md").read_text()
    other = mini_o3("collect", "--config", "c.toml", "--out", "out", "--samples", 2, cwd=tmp_path)
    assert (other.returncode, "holds a run with other settings (samples)" in other.stderr) == (2, True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--policy", "teacher", "--out", "o"), "--tasks: is missing"),
        (("--tasks", "nowhere", "--policy", "teacher", "--out", "o"), "nowhere/tasks.jsonl: no such file"),
        (("--tasks", "PROBES", "--policy", "teacher"), "--out: is missing"),
        (("--tasks", "PROBES", "--policy", "teacher", "--out", "o", "--judge", "psychic"), "psychic"),
        (
            (
                "--tasks",
                "PROBES",
                "--policy",
                "api:http://127.0.0.1:9/v1#m",
                "--out",
                "o",
                "--exemplars",
                "no/*.md",
            ),
            "no/*.md",
        ),
    ],
)
def test_bad_input_is_one_line(probes, tmp_path, options, says):
    done = mini_o3(
        "collect", *(str(probes) if option == "PROBES" else option for option in options), cwd=tmp_path
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_two_collections_do_not_work_on_one_folder_at_the_same_time(probes, tmp_path):
    player = Player(read_tasks(probes), Faults(slow=1.0, seconds=3.0))
    with Endpoint(answer=player, keep=False) as endpoint:
        first = subprocess.Popen(
            command(
                "collect",
                "--tasks",
                probes,
                "--policy",
                f"api:{endpoint.url}#fake",
                "--out",
                tmp_path / "out",
                "--max-pixels",
                30000,
            ),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while first.poll() is None and not (tmp_path / "out" / "config.json").exists():
            time.sleep(0.02)
        second = collect(probes, endpoint.url, tmp_path / "out", cwd=tmp_path)
        first.kill()
        first.wait()
    assert (second.returncode, "another process is at work there" in second.stderr) == (2, True)


def test_a_port_that_is_taken_is_one_line(probes, tmp_path):
    with Endpoint() as endpoint:
        done = mini_o3(
            "fake-endpoint", "--tasks", probes, "--port", endpoint.server.server_port, cwd=tmp_path
        )
    assert done.returncode == 2
    assert "cannot be listened on" in done.stderr
    assert done.stderr.count("\n") == 1

"""`mini-o3 find` as its users run it: killed in the middle, interrupted, and what scripts get."""

import json
import signal
import subprocess
import time

import pytest
from fake_endpoint import Endpoint, says, waits
from helpers import answer, command, environment, mini_o3, refused
from searching import picture


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(12):
        picture(number).save(tmp_path / f"photos/{number}.png")
    return tmp_path


def searched(folder):
    path = folder / "hits/episodes.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line)["picture"] for line in lines if line.endswith("\n")]


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_only_what_was_in_flight_is_lost(photos, signum):
    with Endpoint(answer=lambda _: waits(0.2, says(answer("a small sign")))) as endpoint:
        args = (
            "find",
            "a sign",
            "photos",
            "--policy",
            f"api:{endpoint.url}#m",
            "--out",
            "hits",
            "--concurrent",
            2,
        )
        process = subprocess.Popen(
            command(*args), cwd=photos, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        while process.poll() is None and len(searched(photos)) < 4:
            time.sleep(0.01)
        process.send_signal(signum)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == (130 if signum == signal.SIGINT else -signal.SIGKILL)
        assert b"Traceback" not in stderr
        before, asked = searched(photos), len(endpoint.requests)
        assert 4 <= len(before) < 12
        assert asked <= len(before) + 2  # at most what was in flight
        if signum == signal.SIGINT:
            told = [json.loads(line) for line in (photos / "hits/hits.jsonl").read_text().splitlines()]
            assert sorted(row["picture"] for row in told) == sorted(before)
        again = mini_o3(*args, cwd=photos)
        assert again.returncode == 0, again.stderr
        assert len(endpoint.requests) - asked == 12 - len(before)
    assert sorted(searched(photos)) == sorted(f"photos/{number}.png" for number in range(12))
    assert len((photos / "hits/hits.jsonl").read_text().splitlines()) == 12


def test_scripts_get_one_line_and_a_status(photos):
    with Endpoint(says(answer("not there"))) as endpoint:
        result = mini_o3(
            *("find", "a sign", "photos/1.png", "--policy", f"api:{endpoint.url}#m", "--json"), cwd=photos
        )
    assert result.returncode == 3
    (line,) = result.stdout.splitlines()
    told = json.loads(line)
    assert told["status"] == "not_found"
    assert told["counts"] == {"not_found": 1}
    assert told["results"][0]["picture"] == "photos/1.png"
    assert told["complete"] is True


def test_bad_input_is_one_line(photos):
    refused(mini_o3("find", "my keys", "photos", cwd=photos), "QUERY 'my keys': nano only knows")
    refused(mini_o3("find", "red star", "nowhere", cwd=photos), "nowhere: no such file or folder")
    refused(
        mini_o3("find", "red star", "photos", "--pages", "some", cwd=photos), "--pages some: choose one of"
    )

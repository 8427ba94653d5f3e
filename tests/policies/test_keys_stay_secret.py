"""Keys are in no file and in no message, whatever an endpoint answers and whichever command asks it."""

from __future__ import annotations

import base64
import itertools
import json
import subprocess

import pytest
from fake_endpoint import Endpoint, says, status
from helpers import answer, command, environment, recording, zoom
from PIL import Image

from mini_o3.episode import SearchTask
from mini_o3.kit.files import append_jsonl

KEY, JUDGE_KEY = "sk-proj-Zq81/xY+very=secret", 'sk-judge-7f"quoted\\key'
HEADER, BODY, PASSWORD, QUERY = "hdr-4410-secret", "bdy-9932-secret", "hunter-22-secret", "qry-5550-secret"
SECRETS = (KEY, JUDGE_KEY, HEADER, BODY, PASSWORD, QUERY)


def echo(request):
    """All that came, as a careless server would repeat it."""
    kind, _, sent = request.headers.get("authorization", "").partition(" ")
    plain = base64.b64decode(sent).decode() if kind == "Basic" else sent
    return f"{plain} {sent} {request.headers} {request.path} {request.body.get('api_key')}"


def careless():
    count = itertools.count()

    def reply(request):
        said, turn = echo(request), next(count) % 5
        if turn == 0:
            return status(401, f"Incorrect API key provided: {said}")
        if turn == 1:
            return says(zoom(0, 0, 0.5, 0.5, thought=said))
        if turn == 2:
            return status(500, said)
        return says(answer(said) if turn == 3 else said)

    return reply


@pytest.fixture
def folder(tmp_path):
    Image.new("RGB", (300, 200), "red").save(tmp_path / "a.png")
    (tmp_path / "tasks").mkdir()
    for number in range(3):
        task = SearchTask(str(tmp_path / "a.png"), f"What {number}?", "x")
        append_jsonl(tmp_path / "tasks" / "tasks.jsonl", task.to_dict())
    recording(tmp_path / "said.jsonl", answer("y"), task_id="*")
    return tmp_path


def everything(folder):
    """All that is written below a folder, as text and as JSON has it."""
    return "".join(path.read_text(errors="replace") for path in sorted(folder.rglob("*")) if path.is_file())


def test_no_command_prints_or_writes_a_key(folder):
    options = ("--endpoint", f"header.X-Api-Key={HEADER}", "--endpoint", f"body.api_key={BODY}")
    quick = ("--endpoint", "attempts=2", "--endpoint", "pause=0")
    with Endpoint(answer=careless()) as endpoint:
        host = endpoint.url.removeprefix("http://")
        url = f"http://me:{PASSWORD}@{host}?api_key={QUERY}"
        bare = f"http://{host}?api_key={QUERY}"  # a name and password take the place of the key
        policy, tasks = ("--policy", f"api:{url}#m"), ("--tasks", "tasks")
        judge = f"llm:{bare}#j"
        commands = [
            (
                "ask",
                "a.png",
                "What?",
                "--policy",
                f"api:{bare}#m",
                *options,
                *quick,
                "--out",
                "asked",
                "--json",
            ),
            ("ask", "a.png", "What?", *policy, *options, *quick, "--out", "shown", "--stream"),
            ("eval", *tasks, *policy, *options, *quick, "--out", "measured", "--judge", f"exact+{judge}"),
            ("collect", *tasks, *policy, *options, *quick, "--out", "got", "--judge", judge, "--rounds", 1),
            ("judge", "run", "measured", "--judge", judge, "--out", "v.jsonl", *options, *quick),
            ("report", "measured"),
            ("doctor", f"api:{bare}#m", *options, *quick, "--short"),
        ]
        env = environment(OPENAI_API_KEY=KEY, MINI_O3_JUDGE_API_KEY=JUDGE_KEY)
        printed = []
        for words in commands:
            done = subprocess.run(
                command(*words), cwd=folder, env=env, capture_output=True, text=True, timeout=120
            )
            assert "Traceback" not in done.stderr, done.stderr
            printed.append(done.stdout + done.stderr)
    headers = [request.headers for request in endpoint.requests]
    assert f"Bearer {KEY}" in {found["authorization"] for found in headers}
    assert f"Bearer {JUDGE_KEY}" in {found["authorization"] for found in headers}
    assert any(found.get("x-api-key") == HEADER for found in headers)
    (folder / "tasks" / "tasks.jsonl").unlink()
    found = "\n".join(printed) + everything(folder)
    assert "[secret]" in found  # what came back was quoted
    for value in SECRETS:
        for form in (value, json.dumps(value)[1:-1], base64.b64encode(f"me:{value}".encode()).decode()):
            assert form not in found, (form, found[max(0, found.find(form) - 200) : found.find(form) + 60])

"""The command line as people meet it: real processes, real files, one clear line when something is wrong.

Only `hf:` and `nano` import torch (seconds); everything here but one row of a table stays away from them.
"""

from __future__ import annotations

import json
import re
import signal
import struct
import subprocess
import threading
import time
import zlib
from pathlib import Path

import pytest
from fake_endpoint import Endpoint, completion, says, sends, status, stays_silent, waits
from helpers import answer, command, environment, mini_o3, recording, refused, zoom
from PIL import Image

from mini_o3 import asking
from mini_o3.episode import Episode, StopReason, read_tasks
from mini_o3.episode.task import SearchTask
from mini_o3.policies.replay import Replay
from mini_o3.policies.spec import PolicySpec
from mini_o3.probes.shapes.build import make_probes
from mini_o3.protocol import source_name
from mini_o3.show.result import EXIT_CODES

SEED = 500_001_153  # four probes in a row that are small: 1.8 to 2.5 megapixels


def make(out, count=4, seed=SEED):
    return mini_o3(
        *("probe", "make", "shapes", "--level", "easy", "--count", count, "--seed", seed, "--out", out),
        cwd=out.parent,
    )


def start(*args, cwd):
    """A running command whose Ctrl-C works, wherever the tests were started from."""
    return subprocess.Popen(
        command(*args),
        cwd=cwd,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(condition, process, seconds=120):
    """Until `condition` holds; fails when the process ends first, or takes longer than `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def asleep(pid):
    """Whether a process waits for something, as `input` does; on systems without /proc it is given a second
    for that."""
    stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    if not stats:
        time.sleep(1)
    return all(stat.rpartition(")")[2].split()[0] == "S" for stat in stats)


def files(folder):
    """Every file by name, but for what a killed process left half-written beside them."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


@pytest.fixture(scope="module")
def probes(tmp_path_factory):
    """Four easy probes, made by the command line."""
    folder = tmp_path_factory.mktemp("made") / "probes"
    made = make(folder)
    assert (made.returncode, made.stdout.split()[:3]) == (0, ["4", "probes", "in"]), made.stderr
    return folder


@pytest.fixture(scope="module")
def first(probes):
    return read_tasks(probes)[0]


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (320, 240), "navy").save(path)
    return path


# --- what cannot be used is refused in one line ---


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def huge_png():
    """A header that promises 60,000 x 60,000 pixels, and no pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def broken_jpeg(folder):
    path = folder / "whole.jpg"
    Image.effect_noise((400, 400), 80).save(path, "JPEG")
    return path.read_bytes()[:4000]


BAD_PICTURES = {
    "text.jpg": (lambda folder: b"not a picture at all", "not a picture"),
    "cut.jpg": (broken_jpeg, "damaged or cut off"),
    "empty.png": (lambda folder: b"", "empty"),
    "huge.png": (lambda folder: huge_png(), "150,000,000"),
    "missing.png": (None, "no such file"),
}


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_ask_refuses_a_file_that_is_not_a_usable_picture(tmp_path, name):
    content, about = BAD_PICTURES[name]
    if content:
        (tmp_path / name).write_bytes(content(tmp_path))
    said = recording(tmp_path / "said.jsonl", answer("5"))
    refused(
        mini_o3("ask", name, "What?", "--policy", f"replay:{said}", "--out", "out", cwd=tmp_path), name, about
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("size", "about"), [((1, 1), "too small"), ((27, 500), "too small"), ((30, 6000), "too thin")]
)
def test_ask_refuses_a_picture_with_impossible_sides(tmp_path, size, about):
    Image.new("RGB", size).save(tmp_path / "odd.png")
    said = recording(tmp_path / "said.jsonl", answer("5"))
    result = mini_o3("ask", "odd.png", "What?", "--policy", f"replay:{said}", "--out", "out", cwd=tmp_path)
    refused(result, "odd.png", f"{size[0]} x {size[1]}", about)
    assert not (tmp_path / "out").exists()


def test_ask_refuses_a_directory(tmp_path):
    refused(
        mini_o3("ask", ".", "What?", "--policy", "teacher", "--out", "out", cwd=tmp_path), "is a directory"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("question", "about"),
    [("", "is empty"), (" \n", "is empty"), ("why " * 2500, "10,000 characters; at most 4,000")],
)
def test_ask_refuses_a_question_that_is_empty_or_endless(photo, question, about):
    result = mini_o3("ask", photo, question, "--policy", "teacher", "--out", "out", cwd=photo.parent)
    refused(result, "QUESTION", about)
    assert not (photo.parent / "out").exists()


@pytest.mark.parametrize(
    ("policy", "named"),
    [
        ("hf:/nope", ["/nope", "no such model directory"]),  # imports torch
        ("replay:", ["--policy replay:", "missing"]),
        ("oracle", ["--policy oracle", "no such policy", "teacher"]),
        ("replay:gone.jsonl", ["gone.jsonl", "no such file"]),
        ("replay:photo.png", ["photo.png", "not an episode record"]),
        ("api:http://127.0.0.1:9/v1", ["--policy api:http://127.0.0.1:9/v1", "api:URL#MODEL"]),
        ("api:127.0.0.1:9/v1#m", ["--policy api:127.0.0.1:9/v1#m", "api:URL#MODEL"]),
        ("teacher", ["--policy teacher", "tasks.jsonl is missing"]),
    ],
)
def test_ask_refuses_a_policy_that_cannot_be_built(photo, policy, named):
    refused(mini_o3("ask", photo, "What?", "--policy", policy, "--out", "out", cwd=photo.parent), *named)
    assert not (photo.parent / "out").exists()


@pytest.mark.parametrize("pixels", [10, -5])
def test_ask_refuses_a_view_smaller_than_one_image_token(photo, pixels):
    said = recording(photo.parent / "said.jsonl", answer("5"))
    result = mini_o3(
        "ask",
        photo,
        "What?",
        "--policy",
        f"replay:{said}",
        "--max-pixels",
        pixels,
        "--out",
        "out",
        cwd=photo.parent,
    )
    refused(result, f"--max-pixels {pixels}", "at least 784")
    assert not (photo.parent / "out").exists()


def test_ask_refuses_an_output_folder_that_is_a_file(photo):
    said = recording(photo.parent / "said.jsonl", answer("5"))
    result = mini_o3("ask", photo, "What?", "--policy", f"replay:{said}", "--out", photo, cwd=photo.parent)
    refused(result, "photo.png", "--out")


def test_ask_refuses_a_question_the_teacher_does_not_know_and_leaves_nothing_behind(tmp_path, first):
    result = mini_o3(
        "ask", first.picture, "Who is this?", "--policy", "teacher", "--out", "out", cwd=tmp_path
    )
    (line,) = result.stderr.splitlines()
    assert result.returncode == 2
    assert line.startswith("error: --policy teacher: no probe asks 'Who is this?'")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["ask"], "picture"),
        (["ask", "a.png"], "question"),
        (["ask", "a.png", "What?", "--nope"], "--nope"),
        (["ask", "a.png", "What?", "--turns", "0"], "--turns"),
        (["ask", "a.png", "What?", "--max-pixels", "big"], "--max-pixels"),
        (["probe", "make", "shapes", "--level", "easy"], "--count"),
        (["eval", "diff"], "first"),
        (["fly"], "fly"),
    ],
)
def test_a_command_that_is_not_understood_is_refused_with_usage(tmp_path, args, named):
    result = mini_o3(*args, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Usage:" in result.stderr
    assert named in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["ask"],
        ["probe", "make"],
        ["eval"],
        ["eval", "merge"],
        ["collect"],
        ["tasks"],
        ["judge", "run"],
        ["report"],
    ],
)
def test_every_command_explains_itself(tmp_path, args):
    result = mini_o3(*args, "--help", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert "Usage:" in result.stdout


@pytest.mark.parametrize(
    ("name", "question", "code"),
    [("caf\udce9.png", "What?", 0), ("photo.png", "What\udcff?", 2), ("gone\udce9.png", "What?", 2)],
    ids=["a picture's name", "the question", "a missing picture's name"],
)
def test_bytes_that_are_not_text_never_give_a_traceback(photo, name, question, code):
    """From another encoding: a picture may have any name, a question has to be text."""
    said = recording(photo.parent / "said.jsonl", answer("5"))
    if code == 0:
        photo.rename(photo.parent / name)
    args = command("ask", name, question, "--policy", f"replay:{said}", "--out", "out")
    result = subprocess.run(args, cwd=photo.parent, env=environment(), capture_output=True)
    assert b"Traceback" not in result.stderr
    assert result.returncode == code
    assert (photo.parent / "out").exists() == (code == 0)


# --- ask ---


@pytest.fixture(scope="module")
def asked(first, tmp_path_factory):
    """One probe asked of the teacher: (what the command gave back, its output folder `out`)."""
    folder = tmp_path_factory.mktemp("asked")
    return (
        mini_o3("ask", first.picture, first.question, "--policy", "teacher", "--out", "out", cwd=folder),
        folder / "out",
    )


def test_ask_prints_every_turn_the_answer_and_the_evidence_and_writes_record_and_page(first, asked):
    result, out = asked
    assert (result.returncode, result.stderr) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == ["episode.html", "episode.json", "episodes.jsonl"]
    found = Episode.from_dict(json.loads((out / "episode.json").read_text()))
    lines = result.stdout.splitlines()
    width, height = first.size
    assert lines[0] == f"{first.picture}: {width} x {height} px; policy teacher"
    assert lines[1] == f"question: {first.question}"
    assert [line for line in lines if line.startswith("turn ")] == [
        f"turn {n + 1}" for n in range(found.num_turns)
    ]
    assert [line for line in lines if line.startswith("  think  ")] == [
        f"  think  {turn.thought}" for turn in found.turns
    ]
    zooms = [turn for turn in found.turns if turn.rect]
    assert zooms
    assert [line for line in lines if line.startswith("  zoom   ")] == [
        f"  zoom   [{', '.join(f'{v:.2f}' for v in turn.action.region.xyxy)}] of"
        f" {source_name(turn.action.region.frame)}"
        for turn in zooms
    ]
    assert [line for line in lines if line.startswith("  sees   ")] == [
        f"  sees   observation_{n}: {turn.rect.width} x {turn.rect.height} px of the original, shown as 168"
        " x 168"
        for n, turn in enumerate(zooms, start=1)
    ]
    last = zooms[-1].rect
    assert lines[-4:] == [
        f"  answer {first.answer}",
        f"answer    {first.answer}",
        f"evidence  x {last.left}..{last.right}, y {last.top}..{last.bottom} of {width} x {height} px",
        "open out/episode.html",
    ]


def test_the_record_of_ask_says_what_happened_and_can_be_played_again(tmp_path, first, asked):
    _, out = asked
    data = json.loads((out / "episode.json").read_text())
    (line,) = (out / "episodes.jsonl").read_text().splitlines()
    assert json.loads(line) == data
    found = Episode.from_dict(data)
    assert (found.answer, found.stop, found.policy) == (first.answer, StopReason.ANSWERED, "teacher")
    assert any(found.evidence.overlap(target) > 0.8 for target in first.targets)
    replay = f"replay:{out / 'episodes.jsonl'}"
    result = mini_o3("ask", first.picture, first.question, "--policy", replay, "--out", "again", cwd=tmp_path)
    assert result.returncode == 0
    again = Episode.from_dict(json.loads((tmp_path / "again" / "episode.json").read_text()))
    assert [turn.rect for turn in again.turns] == [turn.rect for turn in found.turns]


def test_the_page_of_ask_needs_nothing_else_numbers_every_zoom_and_escapes_the_question(photo):
    turns = zoom(0.5, 0.5, 1, 1), zoom(0, 0, 0.5, 0.5, "observation_1"), answer("5")
    said = recording(photo.parent / "said.jsonl", *turns)
    result = mini_o3("ask", photo, '<b>&"', "--policy", f"replay:{said}", "--out", "out", cwd=photo.parent)
    assert result.returncode == 0
    page = (photo.parent / "out" / "episode.html").read_text(encoding="utf-8")
    assert "http://" not in page
    assert "https://" not in page
    assert re.findall(r'<g class="box" data-turn="(\d+)">', page) == ["1", "2"]
    assert "<h1>&lt;b&gt;&amp;&quot;</h1>" in page
    assert '<b>&"' not in page


def test_ask_json_prints_the_record_as_one_line_and_nothing_else(tmp_path, first):
    result = mini_o3(
        "ask", first.picture, first.question, "--policy", "teacher", "--json", "--out", "out", cwd=tmp_path
    )
    assert (result.returncode, result.stderr) == (0, "")
    (line,) = result.stdout.splitlines()
    assert Episode.from_dict(json.loads(line)).answer == first.answer
    found, record = json.loads(line), json.loads((tmp_path / "out" / "episode.json").read_text())
    assert found["status"] == "answered"
    assert found["evidence"]["fractions"] == record["evidence"]
    del record["evidence"]
    assert {key: found[key] for key in record} == record


def test_ask_json_prints_nothing_else_when_a_person_plays(photo):
    result = mini_o3(
        "ask",
        photo,
        "What?",
        "--policy",
        "human",
        "--json",
        "--out",
        "out",
        cwd=photo.parent,
        stdin="answer 5\n",
    )
    assert result.returncode == 0
    (line,) = result.stdout.splitlines()
    assert Episode.from_dict(json.loads(line)).answer == "5"


def test_ask_gives_texts_in_any_language_back_unchanged(photo):
    question, said = "Wie heißt das Schild? 看板は？\u2028", "größer 🙂 \u2028 <ok>"
    path = recording(photo.parent / "said.jsonl", answer(said))
    result = mini_o3(
        "ask", photo, question, "--policy", f"replay:{path}", "--json", "--out", "out", cwd=photo.parent
    )
    assert result.returncode == 0
    found = Episode.from_dict(json.loads(result.stdout))
    assert (found.question, found.answer) == (question, said)


def test_ask_without_out_makes_a_folder_of_its_own(photo):
    said = recording(photo.parent / "said.jsonl", answer("5"))
    result = mini_o3("ask", photo, "What?", "--policy", f"replay:{said}", cwd=photo.parent)
    page = result.stdout.splitlines()[-1].removeprefix("open ")
    assert re.fullmatch(r"runs/ask/\d{8}-\d{6}/episode\.html", page)
    assert (photo.parent / page).is_file()


@pytest.mark.parametrize(
    ("turns", "limit", "code", "words"),
    [
        ([zoom(0, 0, 0.5, 0.5)] * 3, 2, 5, "no answer: the turns ran out; allow more of them"),
        (["I wonder"] * 3, 9, 1, "no answer: the policy kept writing neither a zoom nor an answer"),
        ([zoom(0, 0, 0.5, 0.5)], 9, 1, "no answer: the recording ends here"),
    ],
)
def test_ask_without_an_answer_says_why_and_still_writes_the_record(photo, turns, limit, code, words):
    said = recording(photo.parent / "said.jsonl", *turns)
    result = mini_o3(
        "ask",
        photo,
        "What?",
        "--policy",
        f"replay:{said}",
        "--turns",
        limit,
        "--out",
        "out",
        cwd=photo.parent,
    )
    assert (result.returncode, result.stderr) == (code, "")
    assert words in result.stdout.splitlines()
    assert result.stdout.splitlines()[-1] == "open out/episode.html"
    assert len(list((photo.parent / "out").iterdir())) == 3


@pytest.mark.parametrize(("said", "code"), [("red", 0), ("not there", 3), ("I cannot tell", 4)])
def test_the_exit_status_says_what_came_of_it(photo, said, code):
    path = recording(photo.parent / "said.jsonl", answer(said))
    result = mini_o3(
        "ask", photo, "What?", "--policy", f"replay:{path}", "--json", "--out", "out", cwd=photo.parent
    )
    assert result.returncode == code
    assert json.loads(result.stdout)["answer"] == said


def test_tokens_of_an_endpoint_become_money_by_a_table_of_prices(photo):
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 100_000}
    (photo.parent / "prices.toml").write_text("[m]\nprompt = 2.0\ncompletion = 10.0\n")
    with Endpoint(sends(completion(answer("red"), usage=usage))) as endpoint:
        args = ("ask", photo, "What?", "--policy", f"api:{endpoint.url}#m", "--out", "out", "--json")
        result = mini_o3(*args, "--prices", "prices.toml", cwd=photo.parent)
    found = json.loads(result.stdout)
    assert found["usage"] == {"prompt": 1_000_000, "completion": 100_000, "total": 1_100_000}
    assert found["cost"] == 3.0


def test_a_malformed_turn_is_shown_with_its_reason(photo):
    said = recording(photo.parent / "said.jsonl", zoom(0.5, 0, 0.2, 1), answer("5"))
    result = mini_o3("ask", photo, "What?", "--policy", f"replay:{said}", "--out", "out", cwd=photo.parent)
    assert (
        "  error  empty_box: The box is empty: x0 must be less than x1, and y0 less than y1."
        in result.stdout.splitlines()
    )


def test_a_person_can_play_on_the_terminal(photo):
    lines = "zoom 0.5 0.5 1 1\nanswer 5\n"
    result = mini_o3(
        "ask", photo, "What?", "--policy", "human", "--out", "out", cwd=photo.parent, stdin=lines
    )
    assert result.returncode == 0
    assert "answer    5" in result.stdout.splitlines()
    assert (
        "the whole picture (308 x 252): out/view_0.png" in result.stderr.splitlines()
    )  # the talk is not the output
    assert result.stderr.splitlines().count(">") == 2
    assert {"view_0.png", "view_1.png", "episode.html"} <= {
        path.name for path in (photo.parent / "out").iterdir()
    }


@pytest.mark.parametrize("lines", ["quit\n", ""])
def test_a_person_who_leaves_ends_the_search(photo, lines):
    result = mini_o3(
        "ask", photo, "What?", "--policy", "human", "--out", "out", cwd=photo.parent, stdin=lines
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "no answer: the person left" in result.stdout


def test_ask_over_an_endpoint_reports_its_refusal(photo):
    with Endpoint(status(400, "no pictures, please")) as endpoint:
        result = mini_o3(
            "ask", photo, "What?", "--policy", f"api:{endpoint.url}#m", "--out", "out", cwd=photo.parent
        )
    assert result.returncode == 1
    where = f"{endpoint.url}/chat/completions"
    told = f"note: questions and views of the pictures go to {where}, without EXIF and location\n"
    assert result.stderr == told
    assert f"no answer: {endpoint.url}/chat/completions: status 400" in result.stdout
    assert "no pictures, please" in result.stdout


def test_an_interrupted_search_keeps_what_was_seen(photo):
    with Endpoint(says(zoom(0, 0, 0.5, 0.5)), stays_silent(60.0)) as endpoint:
        process = start(
            "ask", photo, "What?", "--policy", f"api:{endpoint.url}#m", "--out", "out", cwd=photo.parent
        )
        wait_for(lambda: len(endpoint.requests) == 2, process)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "no answer: interrupted after 1 turns" in stdout
    found = Episode.from_dict(json.loads((photo.parent / "out" / "episode.json").read_text()))
    assert (found.stop, found.num_zooms) == (StopReason.INTERRUPTED, 1)


def by_seed(*behaviours):
    """An endpoint that gives each search, known by its seed, its own reply."""
    return Endpoint(answer=lambda request: behaviours[request.body["seed"]])


def ask(photo, endpoint, *options):
    return mini_o3(
        "ask", photo, "What?", "--policy", f"api:{endpoint.url}#m", "--out", "out", *options, cwd=photo.parent
    )


def told(endpoint):
    """What is said on standard error before the first request."""
    where = f"{endpoint.url}/chat/completions"
    return f"note: questions and views of the pictures go to {where}, without EXIF and location\n"


def rows_of(photo):
    return [json.loads(line) for line in (photo.parent / "out" / "episodes.jsonl").read_text().splitlines()]


def test_several_searches_vote_and_the_first_of_the_winners_stands_for_them(photo):
    red, late, green, blue = (says(answer(text)) for text in ("red", "The  Green.", "green", "blue"))
    with by_seed(red, waits(0.5, late), green, blue, status(400, "no more")) as endpoint:
        result = ask(photo, endpoint, "--samples", 5)
        sent = [request.body for request in endpoint.requests]
    assert (result.returncode, result.stderr) == (0, told(endpoint))
    assert sorted((body["seed"], body["temperature"]) for body in sent) == [(seed, 1.0) for seed in range(5)]
    rows = rows_of(photo)
    assert [row["seed"] for row in rows] == list(range(5))
    assert [row.get("answer") for row in rows] == ["red", "The  Green.", "green", "blue", None]
    kept = json.loads((photo.parent / "out" / "episode.json").read_text())
    votes = kept["meta"].pop("votes")
    assert (votes, kept["meta"].pop("ended"), kept["meta"].pop("failed")) == (
        {"The  Green.": 2, "red": 1, "blue": 1},
        5,
        1,
    )
    assert kept == rows[1]
    assert kept["meta"] == {"samples": 5, "temperature": 1.0}
    lines = result.stdout.splitlines()
    for seed, said in enumerate(["red (1 turn)", "The Green. (1 turn)", "green (1 turn)", "blue (1 turn)"]):
        assert any(
            re.fullmatch(rf"search [1-5] of 5 \(seed {seed}\): {re.escape(said)}", line) for line in lines
        )
    assert "answer    The  Green." in lines
    line = "votes     of 5 searches: The Green.: 2, red: 1, blue: 1, failed: 1"
    assert line in lines
    assert line in (photo.parent / "out" / "episode.html").read_text()


def test_searches_go_on_side_by_side_but_not_all_at_once(photo):
    together, most, going, lock = threading.Barrier(8, timeout=60), 0, 0, threading.Lock()

    def count(handler):
        nonlocal most, going
        with lock:
            going += 1
            most = max(most, going)
        together.wait()  # nobody is answered before eight have asked
        with lock:
            going -= 1
        says(answer("red"))(handler)

    with Endpoint(*[count] * 16) as endpoint:
        result = ask(photo, endpoint, "--samples", 16)
    assert "votes     of 16 searches: red: 16" in result.stdout.splitlines()
    assert most == 8


def test_one_search_may_be_drawn_too(photo):
    with by_seed(says(answer("red"))) as endpoint:
        assert ask(photo, endpoint, "--temperature", 0.9).returncode == 0
        assert [request.body["temperature"] for request in endpoint.requests] == [0.9]
    assert rows_of(photo)[0]["meta"] == {"samples": 1, "temperature": 0.9}


def ask_here(photo, samples):
    spec = PolicySpec("hf:somewhere", temperature=0.5)
    return asking.ask(photo, "What?", spec, turns=4, samples=samples, out=photo.parent / "out")


def test_a_local_model_has_a_place_for_each_search_but_not_for_any_number(photo, monkeypatch):
    asked = []

    def choose(spec, **options):
        asked.append((spec.concurrency, spec.temperature))
        return Replay({"*": [answer("red")]})

    monkeypatch.setattr(asking, "load_policy", choose)
    ask_here(photo, 3)
    ask_here(photo, 64)
    assert asked == [(3, 0.5), (8, 0.5)]


def test_searches_that_all_fail_are_a_failure_and_one_that_only_ran_over_is_not(photo):
    with by_seed(status(400, "no"), status(400, "no")) as endpoint:
        result = ask(photo, endpoint, "--samples", 2, "--turns", 1)
    assert result.returncode == 1
    assert "votes     of 2 searches: failed: 2" in result.stdout.splitlines()
    with by_seed(status(400, "no"), says(zoom(0, 0, 0.5, 0.5))) as endpoint:
        result = ask(photo, endpoint, "--samples", 2, "--turns", 1)
    assert result.returncode == EXIT_CODES["stopped"]
    assert "no answer: the turns ran out; allow more of them" in result.stdout.splitlines()
    assert "votes     of 2 searches: no answer: 1, failed: 1" in result.stdout.splitlines()


def test_an_answer_of_many_lines_cannot_pass_for_other_votes(photo):
    said = "red\nvotes     of 9 searches: blue: 9\n" + "x" * 200
    with by_seed(says(answer(said)), says(answer(said)), says(answer("red"))) as endpoint:
        result = ask(photo, endpoint, "--samples", 3)
    (line,) = [line for line in result.stdout.splitlines() if line.endswith("red: 1")]
    assert line == "votes     of 3 searches: " + " ".join(said.split())[:80] + "...: 2, red: 1"


def start_voting(photo, endpoint, samples):
    """A vote under way whose first search has ended."""
    process = start(
        "ask",
        photo,
        "What?",
        "--policy",
        f"api:{endpoint.url}#m",
        "--samples",
        samples,
        "--out",
        "out",
        cwd=photo.parent,
    )
    while not (line := process.stdout.readline()).startswith(f"search 1 of {samples} (seed 0): red (1 turn)"):
        assert line, process.communicate()
    return process


def test_those_searches_vote_that_had_ended_when_it_was_interrupted(photo):
    with by_seed(says(answer("red")), stays_silent(60.0), stays_silent(60.0)) as endpoint:
        process = start_voting(photo, endpoint, 3)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stderr) == (
        130,
        told(endpoint) + "interrupted after 1 of 3 searches; these have voted\n",
    )
    assert "answer    red" in stdout.splitlines()
    assert "votes     of 1 searches (3 were asked for): red: 1" in stdout.splitlines()
    assert [row["seed"] for row in rows_of(photo)] == [0]


def test_searches_that_had_begun_when_they_were_interrupted_are_kept_as_far_as_they_came(photo):
    replies = {0: [stays_silent(60.0)], 1: [says(zoom(0, 0, 0.5, 0.5)), stays_silent(60.0)]}
    with Endpoint(answer=lambda request: replies[request.body["seed"]].pop(0)) as endpoint:
        process = start(
            "ask",
            photo,
            "What?",
            "--policy",
            f"api:{endpoint.url}#m",
            "--samples",
            2,
            "--out",
            "out",
            cwd=photo.parent,
        )
        wait_for(lambda: len(endpoint.requests) == 3, process)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stderr) == (130, told(endpoint) + "interrupted after 0 of 2 searches\n")
    assert (
        "no answer: interrupted after 1 turns; what was seen so far is in out; ask again to start over"
        in stdout
    )
    (row,) = rows_of(photo)
    assert (row["seed"], row["stop"], len(row["turns"])) == (1, "interrupted", 1)


def test_what_ended_is_kept_when_nobody_listens_any_more(photo):
    closed = threading.Event()

    def later(handler):
        assert closed.wait(60)
        says(answer("blue"))(handler)

    with by_seed(says(answer("red")), later) as endpoint:
        process = start_voting(photo, endpoint, 2)
        process.stdout.close()
        closed.set()
        stderr = process.stderr.read()
        process.wait(timeout=120)
    assert process.returncode not in (0, 130)
    assert "Traceback" not in stderr
    assert [row["answer"] for row in rows_of(photo)] == ["red", "blue"]
    assert (photo.parent / "out" / "episode.html").is_file()


def test_what_ended_is_kept_when_one_search_breaks(photo, monkeypatch):
    class Breaks(Replay):
        def open(self, request):
            if request.seed == 3:
                raise RuntimeError("no memory left")
            return super().open(request)

    monkeypatch.setattr(asking, "load_policy", lambda spec, **options: Breaks({"*": [answer("red")]}))
    with pytest.raises(RuntimeError, match="no memory left"):
        ask_here(photo, 4)
    assert [(row["seed"], row["answer"]) for row in rows_of(photo)] == [(0, "red"), (1, "red"), (2, "red")]


@pytest.mark.parametrize(
    ("policy", "options", "named"),
    [
        ("human", ("--samples", 3), ("--samples", "human does not draw")),
        ("replay:said.jsonl", ("--samples", 3), ("--samples", "replay:said.jsonl does not draw")),
        ("teacher", ("--temperature", 0.5), ("--temperature", "teacher does not draw")),
        (
            "api:http://127.0.0.1:9/v1#m",
            ("--samples", 3, "--temperature", 0),
            ("--samples", "a temperature above 0"),
        ),
    ],
)
def test_searches_that_would_all_be_the_same_are_refused(photo, policy, options, named):
    result = mini_o3("ask", photo, "What?", "--policy", policy, *options, "--out", "out", cwd=photo.parent)
    refused(result, *named)
    assert not (photo.parent / "out").exists()


def test_a_question_is_not_written_over_the_episodes_of_an_evaluation(photo):
    out = photo.parent / "out"
    out.mkdir()
    kept = recording(out / "episodes.jsonl", answer("5")).read_bytes()
    refused(
        mini_o3("ask", photo, "What?", "--policy", "human", "--out", "out", cwd=photo.parent),
        "out: holds episodes",
    )
    assert (out / "episodes.jsonl").read_bytes() == kept
    for said in ("answer 5\n", "answer 6\n"):  # the second takes the place of an earlier question
        asked = mini_o3(
            "ask", photo, "What?", "--policy", "human", "--out", "other", cwd=photo.parent, stdin=said
        )
        assert asked.returncode == 0


def test_a_person_can_leave_with_one_interrupt(photo):
    process = start("ask", photo, "What?", "--policy", "human", "--out", "out", cwd=photo.parent)
    try:
        shown = [""]
        while "".join(shown[-2:]) != ">\n":
            shown.append(process.stderr.read(1))
            assert shown[-1], "it ended by itself"
        wait_for(
            lambda: asleep(process.pid), process
        )  # a signal just before the read would be seen only after it
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 130
    finally:
        process.kill()
        process.communicate()


# --- probe make ---


def test_probe_make_writes_pictures_and_tasks(probes):
    rows = read_tasks(probes)
    assert [task.seed for task in rows] == [SEED, SEED + 1, SEED + 2, SEED + 3]
    assert [Path(task.picture).name for task in rows] == [f"easy_{SEED + n}.jpg" for n in range(4)]
    assert sorted(files(probes)) == sorted(
        [*(Path(task.picture).name for task in rows), "probes.json", "tasks.jsonl"]
    )
    assert [Image.open(task.picture).size for task in rows] == [task.size for task in rows]


def test_probe_make_gives_the_same_bytes_for_the_same_seed(probes, tmp_path):
    assert make(tmp_path / "again").returncode == 0
    assert files(tmp_path / "again") == files(probes)


def test_probe_make_gives_other_probes_for_another_seed(probes, tmp_path):
    assert make(tmp_path / "other", count=1, seed=SEED + 1).returncode == 0
    made, kept = files(tmp_path / "other"), files(probes)
    assert made["tasks.jsonl"] == kept["tasks.jsonl"].splitlines(keepends=True)[1]
    assert made[f"easy_{SEED + 1}.jpg"] == kept[f"easy_{SEED + 1}.jpg"]
    assert made[f"easy_{SEED + 1}.jpg"] != kept[f"easy_{SEED}.jpg"]


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--level", "extreme", "--count", 1], ["--level extreme", "hard"]),
        (["--level", "easy", "--count", 1, "--photos", "gone"], ["--photos gone", "no pictures"]),
    ],
)
def test_probe_make_refuses_what_it_does_not_know(tmp_path, args, named):
    refused(mini_o3("probe", "make", *args, "--out", "out", cwd=tmp_path), *named)
    assert list(tmp_path.iterdir()) == []


def test_probe_make_refuses_a_folder_with_other_probes(probes):
    before = files(probes)
    refused(
        mini_o3("probe", "make", "--level", "hard", "--count", 1, "--out", probes, cwd=probes),
        str(probes),
        "--out",
    )
    assert files(probes) == before


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_probe_make_goes_on_after_a_kill_as_if_there_had_been_none(tmp_path, signum):
    out, unbroken = tmp_path / "broken", tmp_path / "unbroken"
    args = "probe", "make", "--level", "easy", "--seed", SEED, "--out", out, "--count"
    process = start(*args, 100_000, cwd=tmp_path)
    wait_for(lambda: list(out.glob("easy_*.jpg")), process)
    process.send_signal(signum)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == (130 if signum == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in stderr
    rows = (out / "tasks.jsonl").read_text().splitlines() if (out / "tasks.jsonl").exists() else []
    for row in rows:
        task = SearchTask.from_dict(json.loads(row), out)
        assert Image.open(task.picture).size == task.size
    count = len(rows) + 2
    assert mini_o3(*args, count, cwd=tmp_path).returncode == 0
    make_probes("easy", count, SEED, unbroken)
    assert files(out) == files(unbroken)


def test_an_interrupt_is_acknowledged_in_one_line(tmp_path):
    process = start("probe", "make", "--level", "easy", "--count", 100_000, "--out", "out", cwd=tmp_path)
    wait_for(lambda: list((tmp_path / "out").glob("easy_*.jpg")), process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert stderr.splitlines()[-1].startswith("interrupted")


def test_probe_make_mends_a_line_that_was_cut_off(probes, tmp_path):
    out = tmp_path / "cut"
    out.mkdir()
    for name, content in files(probes).items():
        (out / name).write_bytes(content)
    whole = (out / "tasks.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    (out / "tasks.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][: len(lines[2]) // 2])
    assert make(out).returncode == 0
    assert (out / "tasks.jsonl").read_bytes() == whole
    assert len(read_tasks(out)) == 4


# --- eval ---


def test_eval_says_which_folder_is_missing(tmp_path):
    refused(mini_o3("eval", "--out", "o", cwd=tmp_path), "--tasks: is missing")
    refused(mini_o3("eval", "--tasks", "t", cwd=tmp_path), "--out: is missing")


def measure(probes, out, *args, policy="teacher"):
    return mini_o3("eval", "--tasks", probes, "--policy", policy, "--out", out, *args, cwd=out.parent)


def test_eval_of_the_teacher_reports_that_everything_is_right(probes, tmp_path):
    result = measure(probes, tmp_path / "out")
    assert result.returncode == 0
    assert "accuracy 100.0% +- 0.0 (39.8 to 100.0) on 4 tasks" in result.stdout.splitlines()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    expected = {
        "accuracy": 1.0,
        "stderr": 0.0,
        "tasks": 4,
        "unjudged": 0,
        "over_turn_rate": 0,
        "malformed_rate": 0,
    }
    assert {key: report[key] for key in expected} == expected
    assert report["stops"] == {"answered": 4}
    assert sum(family["tasks"] for family in report["families"].values()) == 4
    episodes = [json.loads(line) for line in (tmp_path / "out" / "episodes.jsonl").read_text().splitlines()]
    assert sorted(row["task_id"] for row in episodes) == sorted(task.id for task in read_tasks(probes))


def test_eval_counts_a_wrong_answer_as_wrong_and_a_failed_policy_as_unjudged(probes, tmp_path):
    rows = read_tasks(probes)
    path = tmp_path / "said.jsonl"
    said = [[answer(rows[0].answer)], [answer("nothing")], [zoom(0, 0, 0.5, 0.5)], [zoom(0, 0, 0.5, 0.5)] * 2]
    lines = [
        {"task_id": task.id, "turns": [{"text": text} for text in texts]}
        for task, texts in zip(rows, said, strict=True)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert measure(probes, tmp_path / "out", "--turns", 2, policy=f"replay:{path}").returncode == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["accuracy"], report["tasks"], report["unjudged"], report["over_turn_rate"]) == (
        0.3333,
        4,
        1,
        0.25,
    )
    assert report["stops"] == {"answered": 2, "policy_error": 1, "turn_limit": 1}
    lines[2]["turns"].append(
        {"text": answer(rows[2].answer)}
    )  # the policy can answer now; nobody else is asked again
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    before = (tmp_path / "out" / "episodes.jsonl").read_text().splitlines()
    assert measure(probes, tmp_path / "out", "--turns", 2, policy=f"replay:{path}").returncode == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["accuracy"], report["unjudged"]) == (0.5, 0)
    after = (tmp_path / "out" / "episodes.jsonl").read_text().splitlines()
    assert after[:4] == before
    assert [json.loads(line)["task_id"] for line in after[4:]] == [rows[2].id]


def test_eval_with_a_limit_asks_only_the_first_tasks(probes, tmp_path):
    assert measure(probes, tmp_path / "out", "--limit", 1).returncode == 0
    assert json.loads((tmp_path / "out" / "report.json").read_text())["tasks"] == 1


@pytest.fixture(scope="module")
def resumed(probes, tmp_path_factory):
    """An evaluation that was killed after two and a half lines and went on: (its folder, the two lines)."""
    out = tmp_path_factory.mktemp("resumed") / "out"
    assert measure(probes, out).returncode == 0
    lines = (out / "episodes.jsonl").read_bytes().splitlines(keepends=True)
    kept = b"".join(lines[:2])
    (out / "episodes.jsonl").write_bytes(kept + lines[2][: len(lines[2]) // 2])
    (out / "report.json").unlink()
    assert measure(probes, out).returncode == 0
    return out, kept


def test_eval_goes_on_after_a_kill_and_keeps_what_was_done(probes, resumed):
    out, kept = resumed
    assert json.loads((out / "report.json").read_text())["accuracy"] == 1.0
    after = (out / "episodes.jsonl").read_bytes()
    assert after.startswith(kept)
    whole = [line for line in after.splitlines() if line.endswith(b"}")]
    assert sorted(json.loads(line)["task_id"] for line in whole) == sorted(
        task.id for task in read_tasks(probes)
    )


def test_the_episodes_of_a_resumed_evaluation_can_be_played(probes, resumed):
    out, _ = resumed
    assert set(Replay.read(str(out / "episodes.jsonl")).scripts) == {task.id for task in read_tasks(probes)}


def test_eval_that_is_done_does_nothing_when_called_again(probes, resumed):
    out, _ = resumed
    before = files(out)
    assert measure(probes, out).returncode == 0
    assert files(out) == before


@pytest.mark.parametrize(
    ("args", "policy", "named"),
    [
        (["--turns", 5], "teacher", "(turns)"),
        (["--limit", 2], "teacher", "(limit, tasks_hash)"),
        ([], "human", "policy"),
    ],
)
def test_eval_refuses_a_folder_with_other_settings(probes, resumed, args, policy, named):
    out, _ = resumed
    before = files(out)
    refused(
        measure(probes, out, *args, policy=policy),
        f"{out}: holds an evaluation with other settings",
        named,
        "--out",
    )
    assert files(out) == before


@pytest.mark.parametrize(
    ("content", "named"),
    [(None, ["tasks.jsonl", "no such file"]), ("{}\n", ["tasks.jsonl, line 1", "not a task"])],
)
def test_eval_refuses_a_folder_without_tasks(tmp_path, content, named):
    if content is not None:
        (tmp_path / "tasks.jsonl").write_text(content)
    refused(mini_o3("eval", "--tasks", tmp_path, "--policy", "teacher", "--out", "out", cwd=tmp_path), *named)
    assert not (tmp_path / "out").exists()

"""`mini_o3.ask` from a program: what it takes, what it gives back, and that it leaves nothing behind."""

import asyncio
import html
import json
import logging
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from fake_endpoint import Endpoint, says, stays_silent
from helpers import answer, environment, recording, zoom
from PIL import Image

import mini_o3
from mini_o3.asking import NANO_ONLY_PROBES, READS_TEXT
from mini_o3.policies.replay import Replay
from mini_o3.probes.shapes import make_probe
from mini_o3.vision import Rect, as_picture

PICTURE = Image.new("RGB", (400, 300), "white")
SEARCH = [zoom(0.5, 0.5, 1, 1), answer("a kite")]


def replay():
    return Replay({"*": list(SEARCH)})


def test_a_path_a_picture_and_an_array_are_the_same_to_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    PICTURE.save("photo.png")
    given = ("photo.png", tmp_path / "photo.png", PICTURE, np.asarray(PICTURE))
    results = [mini_o3.ask(picture, "What flies there?", replay()) for picture in given]
    for result in results:
        assert (result.answer, result.evidence, result.status.value) == (
            "a kite",
            Rect(200, 150, 400, 300),
            "answered",
        )
        assert (result.episode.num_turns, result.page, result.folder) == (2, None, None)
    assert [result.episode.picture for result in results] == [
        "photo.png",
        str(given[1]),
        "picture.png",
        "picture.png",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]  # nothing was written


def test_nothing_is_printed_and_the_lines_can_be_heard(capfd):
    heard = []
    mini_o3.ask(PICTURE, "What flies there?", replay(), say=heard.append)
    assert capfd.readouterr() == ("", "")
    assert heard[:2] == ["picture.png: 400 x 300 px; policy replay", "question: What flies there?"]
    assert heard[-2:] == ["answer    a kite", "evidence  x 200..400, y 150..300 of 400 x 300 px"]


def test_it_shows_itself_as_the_page_of_the_search(tmp_path):
    result = mini_o3.ask(PICTURE, "What <flies> there?", replay(), out=tmp_path / "out")
    assert repr(result) == (
        "Asked(answer='a kite', evidence=Rect(left=200, top=150, right=400, bottom=300), status='answered',"
        " turns=2)"
    )
    shown = result._repr_html_()
    assert shown.startswith("<iframe ")
    inside = html.unescape(shown.partition('srcdoc="')[2].removesuffix('"></iframe>'))
    assert inside == result.to_html() == result.page.read_text()
    assert "What &lt;flies&gt; there?" in inside


def test_a_folder_gets_the_records_the_page_and_a_picture_without_a_file(tmp_path):
    result = mini_o3.ask(np.asarray(PICTURE), "What?", replay(), out=tmp_path / "out")
    names = ["episode.html", "episode.json", "episodes.jsonl", "picture.png"]
    assert sorted(path.name for path in result.folder.iterdir()) == names
    kept = mini_o3.Episode.from_dict(json.loads((tmp_path / "out" / "episode.json").read_text()))
    assert kept.answer == "a kite"
    assert as_picture(kept.picture).tobytes() == PICTURE.tobytes()


def test_several_searches_vote_and_all_are_there():
    policy = Replay({"*": [answer("a bird")]}, searches={("x", 1): []})
    result = mini_o3.ask(PICTURE, "What?", policy, samples=3)
    assert (result.answer, [one.seed for one in result.searches]) == ("a bird", [0, 1, 2])
    assert result.episode.meta == {"samples": 3, "ended": 3, "failed": 0, "votes": {"a bird": 3}}


def test_it_works_where_a_loop_is_running():
    async def notebook():
        return mini_o3.ask(PICTURE, "What?", replay()).answer

    assert asyncio.run(notebook()) == "a kite"


def test_an_error_in_a_running_loop_arrives():
    class Breaks(Replay):
        def open(self, request):
            raise RuntimeError("no memory left")

    async def notebook():
        mini_o3.ask(PICTURE, "What?", Breaks({"*": []}))

    with pytest.raises(RuntimeError, match="no memory left"):
        asyncio.run(notebook())


NOTEBOOK = """
import asyncio, sys
from PIL import Image
import mini_o3
from mini_o3.asking import Interrupted

async def cell():
    try:
        mini_o3.ask(Image.new("RGB", (400, 300)), "What?", sys.argv[1])
    except Interrupted as stopped:
        print(stopped.asked, flush=True)

loop = asyncio.new_event_loop()
loop.run_until_complete(cell())
"""


def test_an_interrupt_in_a_running_loop_ends_the_search_and_says_what_was_seen():
    asked = threading.Event()

    def silent(handler):
        asked.set()
        stays_silent(60.0)(handler)

    with Endpoint(says(zoom(0, 0, 0.5, 0.5)), silent) as endpoint:
        process = subprocess.Popen(
            [sys.executable, "-c", NOTEBOOK, f"api:{endpoint.url}#m"],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert asked.wait(60)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=50)
    assert stdout == "Asked(answer=None, evidence=None, status='failed', turns=1)\n", stderr
    assert time.monotonic() - began < 50  # it did not wait for the endpoint


def test_nano_says_that_a_photograph_is_nothing_for_it(caplog):
    probe = make_probe(500_000_120, "easy", size=(1400, 1400))
    right = mini_o3.ask(probe.picture, probe.task.question)
    assert (right.answer, caplog.records) == (probe.task.answer, [])
    with caplog.at_level(logging.WARNING, "mini_o3"):
        mini_o3.ask(PICTURE, "Where is the cat?", turns=1)
        assert [record.message for record in caplog.records] == [NANO_ONLY_PROBES]
        mini_o3.ask(PICTURE, "What does the sign say?", turns=1)
    assert [record.message for record in caplog.records] == [NANO_ONLY_PROBES] * 2 + [READS_TEXT]


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (17, "picture: is of type int; give a path, a Pillow picture or an array"),
        ("no_such_file.png", "no_such_file.png: no such file; check the path"),
        (np.zeros((40, 40, 7), np.uint8), "picture: is an array of 40 x 40 x 7 uint8"),
        (np.zeros((40, 40), complex), "picture: is an array of 40 x 40 complex128"),
        (np.full((40, 40), 2.5), "picture: is an array of floats; they must lie between 0 and 1"),
        (np.zeros((0, 40, 3), np.uint8), "picture: is an array of 0 x 40 x 3 uint8"),
        (Image.new("RGB", (5, 5)), "picture: 5 x 5 is too small"),
        (Image.new("RGB", (6000, 30)), "picture: 6000 x 30 is too thin"),
    ],
)
def test_a_picture_that_cannot_be_used_is_refused_in_one_line(picture, message):
    with pytest.raises(mini_o3.UserError) as refused:
        mini_o3.ask(picture, "What?", replay())
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("  ", "question: is empty; say what you want to know"),
        ("x" * 4001, "question: has 4,001 characters; at most 4,000 are taken"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(question, message):
    with pytest.raises(mini_o3.UserError, match=message):
        mini_o3.ask(PICTURE, question, replay())


@pytest.mark.parametrize(
    ("values", "pixel"),
    [
        (np.full((40, 40), 200, np.uint8), (200, 200, 200)),
        (np.full((40, 40, 1), 200, np.uint8), (200, 200, 200)),
        (np.full((40, 40, 3), (10, 20, 30), np.uint8), (10, 20, 30)),
        (np.full((40, 40, 4), (10, 20, 30, 0), np.uint8), (255, 255, 255)),  # transparency is laid on white
        (np.full((40, 40), True), (255, 255, 255)),
        (np.full((40, 40, 3), 65535, np.uint16), (255, 255, 255)),
        (np.full((40, 40, 3), 0.2, np.float32), (51, 51, 51)),
        (np.full((40, 40), np.nan), (0, 0, 0)),
    ],
)
def test_arrays_of_every_kind_become_the_colours_they_mean(values, pixel):
    picture = as_picture(values)
    assert (picture.mode, picture.size, picture.getpixel((39, 39))) == ("RGB", (40, 40), pixel)


def test_a_picture_with_an_orientation_is_turned_upright():
    turned = Image.new("RGB", (60, 40))
    turned.getexif()[0x0112] = 6
    assert as_picture(turned).size == (40, 60)


def test_a_recording_named_in_words_is_played(tmp_path):
    file = recording(tmp_path / "episodes.jsonl", *SEARCH)
    spec = mini_o3.PolicySpec(f"replay:{file}")
    assert (
        mini_o3.ask(PICTURE, "What?", spec).answer
        == mini_o3.ask(PICTURE, "What?", f"replay:{file}").answer
        == "a kite"
    )

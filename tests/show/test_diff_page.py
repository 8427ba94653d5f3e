"""Large pages stay small, tasks that flipped stand side by side, unlabelled answers are a table."""

from __future__ import annotations

import csv
import re
from types import SimpleNamespace

import pytest
from helpers import answer, play, zoom
from PIL import Image

from mini_o3.episode import SearchTask
from mini_o3.episode.policy import Reply
from mini_o3.evaluate.evaluation import run_evaluation
from mini_o3.evaluate.metrics import Judged, summarise
from mini_o3.evaluate.report import summary_lines
from mini_o3.judge.verdict import CORRECT, INCORRECT, unjudged
from mini_o3.policies.replay import Replay
from mini_o3.protocol import load_profile
from mini_o3.show import browser
from mini_o3.show.diff_page import flips, write_diff
from mini_o3.show.report_charts import Point, curve_chart, histogram
from mini_o3.show.report_page import write_page
from mini_o3.vision import PixelBudget


def row(folder, n, verdict, seed=0, words="red"):
    path = folder / f"{n}.png"
    if not path.exists():
        Image.effect_noise((200, 150), 90).convert("RGB").save(path)
    task = SearchTask(str(path), f"Which colour has {n} <b>?", "red")
    episode = play(Replay({"*": [zoom(0, 0, 0.5, 0.5), answer(words)]}), Image.open(path), task, seed=seed)
    return Judged(task, episode, verdict)


def test_pictures_that_have_no_room_lie_beside_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr(browser, "PICTURE_BYTES", 60_000)
    monkeypatch.setattr(browser, "CROP_BYTES", 30_000)
    monkeypatch.setattr(browser, "_FIRST", 3)
    rows = [row(tmp_path, n, INCORRECT) for n in range(8)]
    out = tmp_path / "my report.html"
    said = write_page(out, rows, summarise(rows), title="t", protocol={})
    text = out.read_text()
    assert out.stat().st_size < 60_000 + 30_000 + 40_000
    beside = sorted(path.name for path in (tmp_path / "my report_files").iterdir())
    assert f"{len(beside)} pictures in my report_files" in said
    assert f"{len(beside)} pictures lie in my report_files beside this page" in text
    assert "picture-7.jpg" in beside
    assert "picture-0.jpg" not in beside
    assert '<script type="text/plain" id="picture-7">my%20report_files/picture-7.jpg</script>' in text
    assert "img-src data: 'self' file:;" in text
    write_page(out, rows[:1], summarise(rows[:1]), title="t", protocol={})
    assert list((tmp_path / "my report_files").iterdir()) == []  # of the earlier page nothing is left
    assert "img-src data:;" in out.read_text()


def test_flipped_tasks_stand_side_by_side(tmp_path):
    right, wrong = CORRECT, INCORRECT
    first = [
        row(tmp_path, n, verdict) for n, verdict in enumerate([right, wrong, right, right, unjudged("x")])
    ]
    second = [
        row(tmp_path, n, verdict, words="blue")
        for n, verdict in enumerate([wrong, right, right, right, wrong])
    ]
    found = flips(first, second)
    assert [(flip.before.task.picture[-5], flip.is_better) for flip in found] == [("0", False), ("1", True)]
    said = write_diff(tmp_path / "d.html", ("a", "b<i>"), ["difference -3"], found)
    text = (tmp_path / "d.html").read_text()
    assert said.endswith("d.html: 2 of 2 tasks that flipped")
    assert "1 became wrong, 1 became right" in text
    assert re.findall(r'class="side (\w+)"', text) == ["right", "wrong", "wrong", "right"]
    assert "answer: blue" in text
    assert "<b>?" not in text
    assert "b<i>" not in text


def test_several_samples_flip_by_their_majority(tmp_path):
    first = [row(tmp_path, 0, verdict, seed) for seed, verdict in enumerate([CORRECT, CORRECT, INCORRECT])]
    second = [row(tmp_path, 0, verdict, seed) for seed, verdict in enumerate([CORRECT, INCORRECT, INCORRECT])]
    (flip,) = flips(first, second)
    assert (flip.before.episode.seed, flip.after.episode.seed, flip.is_better) == (0, 1, False)
    assert flips(first, first) == []


def test_what_has_no_expected_answer_is_a_table(tmp_path):
    class Always:
        name, budget, profile, context_tokens = "always", PixelBudget(), load_profile("search"), None

        def open(self, request):
            async def reply(messages):
                return Reply(answer('=red {"bbox_2d": [0.1, 0.2, 0.3, 0.4]}'), confidence=0.75)

            return SimpleNamespace(reply=reply, close=lambda: None)

    Image.new("RGB", (100, 100)).save(tmp_path / "a.png")
    (tmp_path / "tasks.jsonl").write_text('{"picture": "a.png", "question": "Which colour?"}\n')
    report = run_evaluation(tmp_path, Always(), tmp_path / "out")
    said = summary_lines(report)
    assert said[0] == "1 tasks without expected answers: 1 answered; every answer is in answers.csv"
    assert not any("accuracy" in line for line in said)
    (found,) = csv.DictReader((tmp_path / "out" / "answers.csv").open())
    assert found == {
        "picture": "a.png",
        "question": "Which colour?",
        "sample": "0",
        "status": "answered",
        "answer": "'=red",  # no spreadsheet runs it
        "box": "10 20 30 40",
        "evidence": "answer",
        "confidence": "0.75",
    }
    assert "accuracy" not in (tmp_path / "out" / "report.md").read_text().splitlines()[2]


@pytest.mark.parametrize(
    ("counts", "ticks"), [([3], ["0", "1", "2", "3"]), ([7, 23], ["0", "5", "10", "15", "20"])]
)
def test_ticks_stand_at_true_values(counts, ticks):
    drawn = histogram([Point(str(n), float(count)) for n, count in enumerate(counts)], label="l", axis="a")
    assert re.findall(r'class="row">(\d+)<', drawn) == ticks
    lines = [float(y) for y in re.findall(r'class="grid" d="M46 ([\d.]+)H', drawn)]
    most = max(counts)
    assert lines == [pytest.approx(12 + 198 * (1 - int(tick) / most), abs=0.06) for tick in ticks]


def test_the_axis_of_a_curve_is_to_scale():
    drawn = curve_chart([Point(str(n), 0.5) for n in (1, 2, 4, 8, 16, 32)], label="l", axis="a")
    xs = [float(x) for x in re.findall(r'class="dot" cx="([\d.]+)"', drawn)]
    assert (xs[3] - xs[2]) / (xs[5] - xs[0]) == pytest.approx(4 / 31, abs=0.002)
    names = re.findall(r'<text x="[\d.]+" y="224" class="name">(\d+)<', drawn)
    assert names[0] == "1"
    assert names[-1] == "32"
    assert "2" not in names  # would lie on the 1

"""The page of an evaluation: its figures, what it holds of episodes, what filters and keys do, and that texts
stay texts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from helpers import answer, mini_o3, play, zoom
from PIL import Image

from mini_o3.episode import Limits, SearchTask
from mini_o3.evaluate.metrics import Judged, summarise
from mini_o3.evaluate.protocol import Protocol, manifest
from mini_o3.evaluate.run import evaluate
from mini_o3.judge import CORRECT, INCORRECT, make_judge, unjudged
from mini_o3.policies.replay import Replay
from mini_o3.show import browser, report_page
from mini_o3.show.report_charts import Point, bar_chart, curve_chart, histogram
from mini_o3.vision import Region

EVIL = "</script><img src=x onerror=alert(1)><!--<script>\u2028'\"&amp;"
SIZE = (800, 400)
DOM = Path(__file__).with_name("dom.js")


class Page(HTMLParser):
    """A page as a browser reads it: elements in order, and the text of those with an id."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self.open = [], {}, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "input"):
            self.open.append((tag, dict(attrs).get("id")))

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, name in self.open:
            if name:
                self.texts[name] = self.texts.get(name, "") + data

    @property
    def episodes(self):
        return json.loads(self.texts["episodes"])

    @property
    def scripts(self):
        """Script elements that a browser would run."""
        return [attrs for tag, attrs in self.elements if tag == "script" and "type" not in attrs]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two pictures that JPEG cannot make small."""
    folder = tmp_path_factory.mktemp("pictures")
    noise = np.random.default_rng(0)
    for name in ("one", "two"):
        Image.fromarray(noise.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)).save(
            folder / f"{name}.png"
        )
    return folder


def judged(pictures, name, texts, verdict, question, turns=6, **task):
    asked = SearchTask(str(pictures / f"{name}.png"), question, "x", size=SIZE, **task)
    picture = Image.open(asked.picture).convert("RGB")
    return Judged(asked, play(Replay({"*": texts}), picture, asked, limits=Limits(turns=turns)), verdict)


@pytest.fixture(scope="module")
def rows(pictures):
    look = zoom(0.5, 0.5, 1.0, 1.0)
    target = {"targets": (Region(0.25, 0.5, 0.5, 0.75),)}
    return [
        judged(pictures, "one", [answer("x")], CORRECT, "Which sign?", family="sign", **target),
        judged(
            pictures,
            "one",
            [look, zoom(0, 0, 0.5, 0.5, "observation_1"), answer("y")],
            INCORRECT,
            "Which tree?",
            family="tree",
        ),
        judged(pictures, "two", [look, look], INCORRECT, "Which star?", 2, family="star"),
        judged(pictures, "two", ["hm", "hm", "hm"], INCORRECT, "Which Moon?", family="star"),
        judged(
            pictures,
            "two",
            ["hm", answer("z")],
            unjudged("judge failed: no answer"),
            "Which sun?",
            family="star",
        ),
    ]


def written(rows, out, **options):
    protocol = options.pop("protocol", {"policy": "nano", "temperature": 1.0})
    said = report_page.write_page(
        out,
        rows,
        {**summarise(rows), **options.pop("more", {})},
        title=options.pop("title", "A report"),
        protocol=protocol,
        **options,
    )
    return Page(out.read_text(encoding="utf-8")), said


def test_headline_charts_and_protocol(rows, tmp_path):
    control = {"accuracy": 0.125, "stderr": 0.03}
    page, said = written(
        rows, tmp_path / "r.html", more={"faithfulness": {"as_it_is": control, "no_tool": control}}
    )
    assert "accuracy" in page.texts["figures"]
    assert "25.0%" in page.texts["figures"]
    assert "1 of 5 (1 judge failed)" in page.texts["figures"]
    charts = [name for name in page.texts if name.startswith("chart-")]
    assert charts == ["chart-curve", "chart-turns", "chart-families", "chart-faithfulness", "chart-endings"]
    assert "12.5% ± 3.0" in page.texts["chart-faithfulness"]
    assert "star (3)" in page.texts["chart-families"]
    assert ("table", {"class": "protocol"}) in page.elements
    assert said.startswith(f"{tmp_path / 'r.html'}: 5 of 5 episodes, ")


def test_the_page_asks_nothing_of_anybody(rows, tmp_path):
    page, _ = written(rows, tmp_path / "r.html")
    wanted = [
        attrs.get(key, "")
        for _, attrs in page.elements
        for key in ("src", "href", "data", "action", "srcset")
    ]
    assert not any(wanted)
    assert not any(tag in ("link", "iframe", "object", "base", "form") for tag, _ in page.elements)
    assert len(page.scripts) == 1
    policy = next(
        attrs["content"] for _, attrs in page.elements if attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe-inline" not in policy.partition("script-src")[2]


def test_episodes_boxes_targets_and_pictures_that_are_shared(rows, tmp_path):
    page, _ = written(rows, tmp_path / "r.html")
    by_question = {episode["question"]: episode for episode in page.episodes}
    tree, sign = by_question["Which tree?"], by_question["Which sign?"]
    assert [turn.get("box") for turn in tree["turns"]] == [[400, 200, 800, 400], [400, 200, 600, 300], None]
    assert tree["turns"][1]["zoom"] == "[0, 0, 0.5, 0.5] of observation_1"
    assert tree["turns"][2]["answer"] == "y"
    assert sign["targets"] == [[200, 200, 400, 300]]
    assert [by_question[f"Which {what}?"]["tags"] for what in ("sign", "tree", "star", "Moon", "sun")] == [
        ["right"],
        ["wrong"],
        ["wrong", "over-turn"],
        ["wrong", "void", "malformed"],
        ["unjudged", "malformed"],
    ]
    whole = {name: text for name, text in page.texts.items() if name.startswith("picture-")}
    assert sorted(whole) == [f"picture-{n}" for n in range(5)]
    assert sum(text.startswith("data:image/jpeg;base64,") for text in whole.values()) == 2
    assert {text for text in whole.values() if not text.startswith("data:")} <= set(whole)
    assert page.texts[f"crop-{tree['n']}-2"].startswith("data:image/jpeg;base64,")


def test_the_wrong_ones_come_first_and_what_is_left_out_is_said(rows, tmp_path):
    page, _ = written(rows, tmp_path / "r.html", most=4)
    assert [episode["tags"][0] for episode in page.episodes] == ["wrong", "wrong", "wrong", "unjudged"]
    assert page.texts["extent"].startswith("4 of 5 episodes are on this page; 1 are left out")


def test_what_a_model_writes_stays_text(pictures, tmp_path):
    said = [f"<think>{EVIL}", f"<think>ok</think><answer>{EVIL}</answer>"]
    rows = [judged(pictures, "one", said, INCORRECT, EVIL, category=EVIL)]
    page, _ = written(rows, tmp_path / "r.html", title=EVIL, protocol={EVIL: EVIL}, figures={EVIL: [EVIL]})
    assert len(page.scripts) == 1
    assert not any(tag == "img" or any(key.startswith("on") for key in attrs) for tag, attrs in page.elements)
    (episode,) = page.episodes
    assert episode["question"] == EVIL
    assert episode["turns"][0]["text"] == said[0]
    assert episode["turns"][1]["answer"] == EVIL
    assert not re.search(r"[<>&\u2028]", page.texts["episodes"])


def test_lone_surrogates_are_written(pictures, tmp_path):
    page, _ = written([judged(pictures, "one", [answer("\udce4")], INCORRECT, "q?")], tmp_path / "r.html")
    assert page.episodes[0]["answer"] == "\udce4"


def test_pictures_keep_to_their_budget_and_missing_ones_do_not_matter(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(browser, "PICTURE_BYTES", 60_000)  # less than one of them at full size
    monkeypatch.setattr(browser, "CROP_BYTES", 3_000)
    gone = rows[0]._replace(episode=play(Replay({"*": [answer("x")]}), Image.new("RGB", SIZE)))
    page, _ = written([*rows, gone], tmp_path / "r.html")
    urls = {name: len(text) for name, text in page.texts.items() if text.startswith("data:")}
    assert sum(size for name, size in urls.items() if name.startswith("picture-")) <= 60_000
    assert sum(size for name, size in urls.items() if name.startswith("crop-")) <= 3_000
    assert "pictures are not on this page" in (tmp_path / "r.html").read_text()
    assert len(page.episodes) == 6


def test_views_that_were_changed_give_no_crops(rows, tmp_path):
    page, _ = written(rows, tmp_path / "r.html", protocol={"views": "black"})
    assert not any(name.startswith("crop-") for name in page.texts)
    assert "no crops" in page.texts["extent"]


def test_long_texts_are_cut_to_what_a_page_may_hold(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(browser, "_TEXT_CHARACTERS", 0)
    page, _ = written(
        [judged(pictures, "one", [answer("x", "w" * 5000)], CORRECT, "q?")], tmp_path / "r.html"
    )
    assert (
        page.episodes[0]["turns"][0]["thought"] == "w" * 300 + " [4700 more characters are not on this page]"
    )


def test_charts_put_values_and_errors_where_they_belong():
    chart = curve_chart([Point("1", 0.0), Point("2", 1.0, 0.25), Point("4", None)], label="l", axis="a")
    dots = re.findall(r'<circle class="dot" cx="([\d.]+)" cy="([\d.]+)"', chart)
    bottom, top = float(dots[0][1]), float(dots[1][1])
    error = re.search(r'class="error" d="M[\d.]+ ([\d.]+)V([\d.]+)"', chart)
    assert len(dots) == 2
    assert float(error[1]) == top  # nothing reaches above one
    assert float(error[2]) - top == pytest.approx((bottom - top) / 4)
    heights = re.findall(
        r'class="bar"[^>]* height="([\d.]+)"', histogram([Point("1", 5), Point("2", 10)], label="l", axis="a")
    )
    assert float(heights[1]) == 2 * float(heights[0])
    bars = bar_chart([Point("<b>", 0.5, 0.1), Point("unknown", None)], label="l")
    assert "<b>" not in bars
    assert "50.0% ± 10.0" in bars
    assert "not known" in bars


def run_script(page, text, hash, *steps):
    """What the page's own script shows at `#hash`, and then after every step."""
    elements = [
        {"tag": tag, "attrs": attrs, "text": page.texts.get(attrs.get("id"), "") if tag == "script" else ""}
        for tag, attrs in page.elements
        if attrs.get("id") or attrs.get("class") == "tag"
    ]
    script = re.search(r"<script>(.*?)</script>", text, re.S)[1]
    given = {"elements": elements, "script": script, "hash": hash, "steps": steps}
    done = subprocess.run(["node", DOM], input=json.dumps(given), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(shutil.which("node") is None, reason="runs the page's script in node")
def test_filters_and_keys(rows, tmp_path):
    page, _ = written(rows, tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    start, right, malformed, turns, words, none, back, down, step, two = run_script(
        page,
        text,
        "#filter=wrong",
        {"hash": "#filter=right"},
        {"hash": "#filter=wrong,malformed"},
        {"hash": "#least=2&greatest=2"},
        {"type": ["words", "SUN"]},
        {"type": ["words", "nowhere"]},
        {"hash": "#filter=wrong"},
        {"key": "ArrowUp"},
        {"key": "ArrowRight"},
        {"key": "ArrowDown"},
    )

    def where(seen, key="listed"):
        assert all(line.endswith(".png, sample 0") for line in seen[key])
        return [line.partition("]")[0] + "]" for line in seen[key]]

    assert start["listed"][0] == "Which tree?  [3]one.png, sample 0"
    assert where(start) == ["Which tree?  [3]", "Which star?  [2]", "Which Moon?  [3]"]
    assert start["count"] == "3 of 5 episodes"
    assert start["question"] == "Which tree?"
    assert start["boxes"] == ["2", "1"]  # the chosen turn is drawn last
    assert start["images"] == ["data:image/"]
    assert where(right, "chosen") == ["Which sign?  [1]"]
    assert where(right) == ["Which sign?  [1]"]
    assert right["targets"] == ["200"]
    assert where(malformed) == ["Which Moon?  [3]"]
    assert where(turns) == ["Which star?  [2]", "Which sun?  [2]"]
    assert where(words) == ["Which sun?  [2]"]
    assert "words=SUN" in words["hash"]
    assert (none["listed"], none["question"], none["turns"]) == ([], "", [])
    assert down["question"] == "Which tree?"  # nothing stands above the first
    assert (back["current"], step["current"]) == (0, 1)
    assert step["boxes"] == ["1", "2"]
    assert "shown as" in step["turns"][1]
    assert (two["question"], two["current"]) == ("Which star?", 0)


@pytest.mark.skipif(shutil.which("node") is None, reason="runs the page's script in node")
def test_the_script_makes_no_markup_of_texts(pictures, tmp_path):
    page, _ = written([judged(pictures, "one", [EVIL, answer(EVIL)], INCORRECT, EVIL)], tmp_path / "r.html")
    (seen,) = run_script(page, (tmp_path / "r.html").read_text(encoding="utf-8"), "")
    assert seen["question"] == EVIL
    assert EVIL in seen["turns"][0]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_filters_in_a_browser(rows, tmp_path):
    written(rows, tmp_path / "r.html")
    done = subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=2000",
            "--dump-dom",
            f"file://{tmp_path / 'r.html'}#filter=wrong,over-turn",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    page = Page(done.stdout)
    assert page.texts["count"] == "1 of 5 episodes"
    assert page.texts["question"] == "Which star?"
    assert [attrs["data-turn"] for _, attrs in page.elements if attrs.get("class") == "box"] == ["1"]


def test_the_command_on_an_evaluation(rows, pictures, tmp_path):
    tasks = [row.task for row in rows[:2]]
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "tasks.jsonl").write_text(
        "".join(json.dumps(task.to_dict()) + "\n" for task in tasks)
    )
    policy, protocol, judge = Replay({"*": [answer("x")]}), Protocol(), make_judge("auto")
    made = manifest(protocol, policy, "replay:x", tasks, str(tmp_path / "tasks"), judge)
    evaluate(tasks, policy, protocol, judge, tmp_path / "run", manifest=made)
    done = mini_o3("report", "run", "--most", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("run/report.html: 1 of 2 episodes")
    page = Page((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
    assert page.texts["picture-0"].startswith("data:image/jpeg;base64,")
    assert page.episodes[0]["targets"] == [[200, 200, 400, 300]]
    assert "100.0%" in page.texts["figures"]

"""The pages in a real browser. They need playwright and Debian's chromium."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from helpers import answer, zoom
from web_client import png

from mini_o3.probes.shapes.generate import make_probe

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None and os.environ.get("CI"):
    pytest.fail("chromium is missing; install it with: apt-get install chromium", pytrace=False)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]
SHOTS = Path(__file__).parents[2] / "docs" / "screenshots"
AXE = os.environ.get("MINI_O3_AXE")  # path of axe.min.js, which is not part of this repository


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1400, "height": 900}, reduced_motion="reduce")
    opened = context.new_page()
    opened.faults = []
    opened.on("console", lambda told: opened.faults.append(told.text) if told.type == "error" else None)
    opened.on("pageerror", lambda error: opened.faults.append(str(error)))
    yield opened
    context.close()


def drop(page, picture=None):
    page.set_input_files("#file", {"name": "p.png", "mimeType": "image/png", "buffer": png(picture)})
    page.wait_for_selector(".stage canvas")


def ask(page, question="Which colour does the star have?"):
    page.fill("#question", question)
    page.press("#question", "Enter")


def on_screen(page, number):
    """The box of a turn as it is drawn now, in pixels of the original."""
    return page.evaluate(
        """number => {
            const stage = document.querySelector('.stage'), osd = stage.viewer.osd;
            const drawn = document.querySelector(`.box[data-turn="${number}"]`).getBoundingClientRect();
            const home = stage.getBoundingClientRect();
            const at = (x, y) => osd.viewport.viewerElementToImageCoordinates(
                new OpenSeadragon.Point(x - home.left, y - home.top));
            const a = at(drawn.left, drawn.top), b = at(drawn.right, drawn.bottom);
            return [a.x, a.y, b.x, b.y];
        }""",
        number,
    )


def test_a_whole_search_with_boxes_where_they_belong_before_and_after_zooming(serve, page):
    served = serve([zoom(0.25, 0.5, 0.75, 1.0), zoom(0, 0, 0.5, 0.5, "observation_1"), answer("orange")])
    page.goto(served.url)
    drop(page)
    ask(page)
    page.wait_for_selector(".verdict.answered")
    assert "orange" in page.inner_text(".verdict")
    assert page.locator(".turn").count() == 3
    assert page.get_attribute('.box[data-turn="1"]', "data-box") == "200,300,600,600"
    for move in ("", "viewport.zoomTo(4, null, true)", "viewport.goHome(true)"):
        if move:
            page.evaluate(f"document.querySelector('.stage').viewer.osd.{move}")
        page.wait_for_timeout(300)
        for number, box in ((1, (200, 300, 600, 600)), (2, (200, 300, 400, 450))):
            assert on_screen(page, number) == pytest.approx(box, abs=3), (move, number)
    assert page.faults == []


def test_a_person_draws_a_box_and_the_policy_goes_on(serve, page):
    served = serve(["wait", answer("blue")])
    page.goto(served.url)
    drop(page)
    ask(page)
    page.wait_for_selector("#take-over:not([disabled])")
    page.click("#take-over")
    stage = page.locator(".stage").bounding_box()
    page.mouse.move(stage["x"] + stage["width"] * 0.4, stage["y"] + stage["height"] * 0.4)
    page.mouse.down()
    page.mouse.move(stage["x"] + stage["width"] * 0.6, stage["y"] + stage["height"] * 0.6, steps=5)
    page.mouse.up()
    page.wait_for_selector(".verdict.answered")
    assert "by you" in page.inner_text('.turn[data-n="1"]')
    box = [int(value) for value in page.get_attribute('.box[data-turn="1"]', "data-box").split(",")]
    assert on_screen(page, 1) == pytest.approx(box, abs=3)
    assert 250 < box[0] < 400 < box[2] < 550


def test_stop_and_what_did_not_end_with_an_answer_look_like_what_they_are(serve, page):
    served = serve(["wait"])
    page.goto(served.url)
    drop(page)
    ask(page)
    page.click("button:has-text('Stop'):not([disabled])")
    page.wait_for_selector(".verdict.failed")
    assert "stopped by the user" in page.inner_text(".verdict")
    for turns, status, words in (
        ([answer("not there")], "not_found", "Not there"),
        (["fail"], "failed", "the endpoint is down"),
        ([zoom(0, 0, 0.5, 0.5)] * 2, "stopped", "Stopped by a limit"),
    ):
        served.policy.turns[:] = turns
        page.fill("input[type=number]", "2")
        ask(page)
        page.wait_for_selector(f".verdict.{status}")
        assert words in page.inner_text(".verdict")


def test_nothing_that_is_said_becomes_markup(serve, page):
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    served = serve([zoom(0, 0, 0.5, 0.5, thought=evil), answer(evil, thought=evil)])
    page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    page.goto(served.url)
    drop(page)
    ask(page, evil)
    page.wait_for_selector(".verdict.answered")
    page.goto(f"{served.url}/#/runs")
    page.click("a.run")
    page.click(".item")
    page.wait_for_selector(".turn")
    assert evil in page.inner_text(".verdict")
    assert page.locator("main img[src=x]").count() == 0
    assert page.faults == []


def test_hits_come_first_and_a_click_shows_their_search(serve, page):
    served = serve([answer("not there"), zoom(0.25, 0.5, 0.75, 1.0), answer("red")], most_searches=1)
    page.goto(f"{served.url}/#/find")
    files = [{"name": f"{name}.png", "mimeType": "image/png", "buffer": png()} for name in ("one", "two")]
    page.set_input_files("#files", files)
    page.fill("#query", "the red star")
    page.press("#query", "Enter")
    page.wait_for_selector("[role=status]:has-text('2 of 2 pictures, found in 1')")
    assert "two.png" in page.inner_text(".hit >> nth=0")
    page.click(".hit >> nth=0")
    page.wait_for_selector("dialog .verdict.answered")
    assert page.locator("dialog .turn").count() == 2
    assert page.faults == []


def thousand(folder, count=1000):
    folder.mkdir(parents=True)
    (folder / "p.png").write_bytes(png())
    with (folder / "episodes.jsonl").open("w") as file:
        for number in range(count):
            row = {
                "task_id": f"t{number}",
                "picture": "p.png",
                "question": f"Question {number}?",
                "size": [800, 600],
                "policy": "script",
                "profile": "search@0",
                "limits": {"turns": 6, "images": None, "context_tokens": None, "void_retries": 2},
                "seed": 0,
                "shown": [800, 600],
                "stop": "answered" if number % 3 else "turn_limit",
                **({"answer": "red"} if number % 3 else {}),
                "turns": [{"text": answer("red"), "action": {"answer": "red"}, "seconds": 0.1}],
            }
            file.write(json.dumps(row) + "\n")


def test_a_long_list_holds_only_the_rows_that_are_seen(serve, page, tmp_path):
    thousand(tmp_path / "runs" / "long", 10_000)
    served = serve(runs=(tmp_path / "runs",))
    page.goto(f"{served.url}/#/runs")
    page.click("a.run")
    page.wait_for_selector(".item")
    assert page.locator(".item").count() < 60
    page.evaluate("document.querySelector('.list').scrollTop = 46 * 8000")
    page.wait_for_selector(".item:has-text('Question 8003?')")
    assert page.locator(".item").count() < 60
    page.click("button:has-text('over-turn')")
    page.wait_for_selector(".item:has-text('Question 3?')")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.wait_for_selector(".item.now:has-text('Question 6?')")
    assert page.faults == []


def test_a_server_that_is_started_anew_is_said(serve, page):
    served = serve(["wait"])
    page.goto(served.url)
    drop(page)
    ask(page)
    page.wait_for_selector("#take-over:not([disabled])")
    served.stop()
    serve(port=int(served.url.rpartition(":")[2]))
    page.wait_for_selector(".verdict.failed:has-text('started anew'), .verdict.failed:has-text('shut down')")
    ask(page)
    page.wait_for_selector(".verdict.answered")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 400])
def test_every_view_is_drawn_and_has_no_serious_fault_of_access(serve, browser, tmp_path, scheme, width):
    thousand(tmp_path / "runs" / "evaluation", 40)
    training = tmp_path / "runs" / "training"
    training.mkdir()
    rows = ({"step": step, "reward": step / (step + 5), "entropy": 1 / (step + 1)} for step in range(40))
    (training / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    picture = make_probe(500_000_001, "easy").picture.resize((1600, 1200))
    served = serve(
        [zoom(0.5, 0.2, 0.9, 0.6), zoom(0.2, 0.2, 0.7, 0.7, "observation_1"), answer("orange")],
        runs=(tmp_path / "runs",),
    )
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    views = {}
    page.goto(served.url)
    page.wait_for_selector(".drop")
    views["welcome"] = shot(page, f"welcome-{scheme}-{width}", tmp_path)
    drop(page, picture)
    ask(page, "Which colour does the star have?")
    page.wait_for_selector(".verdict.answered")
    views["search"] = shot(page, f"search-{scheme}-{width}", tmp_path)
    for name, address, ready in (
        ("runs", "#/runs", "a.run"),
        ("list", "#/runs", ".item"),
        ("training", "#/trainings", ".chart"),
    ):
        page.goto(f"{served.url}/{address}")
        page.wait_for_selector("a.run")
        if ready != "a.run":
            page.click("a.run:has-text('evaluation')" if name == "list" else "a.run")
        page.wait_for_selector(ready)
        views[name] = shot(page, f"{name}-{scheme}-{width}", tmp_path)
    assert all(not serious for serious in views.values()), views
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    context.close()


def shot(page, name, folder):
    """A picture of the page, and what axe-core finds serious in it, if it is there."""
    page.wait_for_timeout(400)
    into = SHOTS if os.environ.get("MINI_O3_SHOTS") else folder
    into.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=into / f"{name}.png")
    if not AXE:
        return []
    page.evaluate(Path(AXE).read_text())
    found = page.evaluate("axe.run()")["violations"]
    return [
        (one["id"], [node["html"][:120] for node in one["nodes"]][:3])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]

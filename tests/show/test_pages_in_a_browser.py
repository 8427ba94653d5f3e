"""Pages in a real browser: nothing overflows, axe-core finds nothing serious, pictures are made to look at.

`make test-pages` runs this; without playwright and Chromium it is skipped. Screenshots go to the folder that
the environment variable MINI_O3_SCREENSHOTS names, else to a temporary one.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from helpers import answer, play, zoom
from PIL import Image, ImageDraw

from mini_o3.episode import Episode, Limits, SearchTask
from mini_o3.evaluate.answers import are_labelled
from mini_o3.evaluate.calibration import calibration
from mini_o3.evaluate.certainty import certainty
from mini_o3.evaluate.metrics import Judged, summarise
from mini_o3.judge.verdict import CORRECT, INCORRECT, unjudged
from mini_o3.policies.replay import Replay
from mini_o3.show.diff_page import flips, write_diff
from mini_o3.show.page import episode_page
from mini_o3.show.report_page import write_page
from mini_o3.vision import Region

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]
SIZES = {"wide": (1400, 900), "narrow": (400, 800)}


def picture(path, seed):
    made = Image.new("RGB", (1200, 800), (205, 214, 190))
    pen = ImageDraw.Draw(made)
    for n in range(60):
        x, y = (n * 173 + seed * 31) % 1150, (n * 97 + seed * 17) % 760
        pen.ellipse((x, y, x + 34, y + 34), fill=((n * 40) % 255, (n * 90) % 255, 120))
    made.save(path)
    return made


def search(folder, n, right, seed=0, labelled=True):
    path = folder / f"street_{n}.png"
    made = Image.open(path).convert("RGB") if path.exists() else picture(path, n)
    task = SearchTask(
        str(path),
        f"What is written on the small sign to the left of the entrance number {n}?",
        "open" if labelled else None,
        category=("signs", "colours")[n % 2],
        targets=(Region(0.52, 0.5, 0.6, 0.62),) if labelled else (),
    )
    turns = [zoom(0.4, 0.3, 0.8, 0.8, thought="It may be near the middle."), "I am not sure what to do."]
    turns += [zoom(0.3, 0.4, 0.6, 0.7, source="observation_1")] * (n % 3)
    turns.append(answer("open" if right else "closed for the holidays"))
    if n % 7 == 6:
        turns = turns[:1] * 3
    limits = Limits(turns=3 if n % 7 == 6 else 32)
    episode = play(Replay({"*": turns}), made, task, seed=seed, limits=limits)
    sure = {"confidence": 0.95 - 0.08 * (n % 9) - (0 if right else 0.1)}
    episode = Episode.from_dict(episode.to_dict() | {"meta": sure})
    verdict = (
        unjudged("judge failed: no answer") if n == 3 or not labelled else CORRECT if right else INCORRECT
    )
    return Judged(task, episode, verdict)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    rows = [search(folder, n, right=n % 3 != 1) for n in range(24)]
    other = [search(folder, n, right=n % 4 != 1) for n in range(24)]
    bare = [search(folder, n, right=n % 3 != 1, labelled=False) for n in range(6)]
    made = {}
    for name, some in (("report", rows), ("answers", bare)):
        made[name] = folder / f"{name}.html"
        report = {**summarise(some), **certainty(some), "calibration": calibration(some)}
        if not report["calibration"] or not are_labelled(some):
            del report["calibration"]
        write_page(
            made[name], some, report, title="Evaluation street signs", protocol={"turns": 32, "judge": "auto"}
        )
    made["diff"] = folder / "diff.html"
    write_diff(
        made["diff"],
        ("first", "second"),
        ["the protocols are the same", "24 tasks in both"],
        flips(rows, other),
    )
    made["episode"] = folder / "episode.html"
    made["episode"].write_text(episode_page(rows[0].episode, Image.open(rows[0].episode.picture)))
    return made


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["report", "answers", "diff", "episode"])
def test_a_page_is_readable(pages, browser, tmp_path, name, size, scheme):
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.goto(pages[name].as_uri())
    folder = Path(os.environ.get("MINI_O3_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}-{size}-{scheme}.png", full_page=True)
    assert errors == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width  # nothing to scroll sideways
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(246, 246, 248)", "dark": "rgb(23, 23, 27)"}[scheme]
    found = axe.Axe().run(page).response["violations"]
    page.close()
    serious = [
        one["id"] + ": " + one["nodes"][0]["html"][:200]
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_the_evidence_and_the_list_are_there(pages, browser):
    page = browser.new_page()
    page.goto(pages["report"].as_uri() + "#filter=right")
    assert page.locator("#list li:visible").first.inner_text().endswith("street_0.png, sample 0")
    page.locator("#list li:visible").first.click()
    assert page.locator("rect.evidence").count() == 1
    assert page.locator("rect.target").count() == 1
    assert page.locator("#picture g.box").count() >= 1
    page.close()

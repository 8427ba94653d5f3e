"""Figures on what is not there, against figures worked out by hand."""

import pytest
from helpers import answer, mini_o3, play, zoom
from PIL import Image

from mini_o3.episode import NOT_THERE, Limits, SearchTask
from mini_o3.evaluate.absent import agreement_auroc, auroc, not_there
from mini_o3.evaluate.metrics import Judged
from mini_o3.judge import judge_exact
from mini_o3.policies.replay import Replay
from mini_o3.probes.shapes.truth import Goal, Thing, Truth
from mini_o3.vision import Region

PICTURE = Image.new("RGB", (400, 300))
THINGS = (
    Thing("red", "star", "1", Region(0.10, 0.10, 0.14, 0.14)),
    Thing("red", "cross", "2", Region(0.70, 0.70, 0.74, 0.74)),
    Thing("blue", "star", "3", Region(0.70, 0.10, 0.74, 0.14)),
)
GOAL = Goal("digit", colour="red", shape="heart")


def row(name, said, expected, *, looks=(), seed=0, absent="", limit=8):
    truth = Truth(GOAL, THINGS, absent).to_dict() if absent else {}
    task = SearchTask(f"{name}.png", "What?", expected, truth=truth)
    turns = [*looks, answer(said)] if said is not None else [zoom(0.1, 0.1, 0.6, 0.6)] * limit
    found = play(Replay({"*": turns}), PICTURE, task, limits=Limits(turns=limit), seed=seed)
    return Judged(task, found, judge_exact(found, expected))


LOOKS = (zoom(0.05, 0.05, 0.2, 0.2), zoom(0.65, 0.65, 0.8, 0.8))
ROWS = [
    row("a", "3", "3"),
    row("b", "Not there.", "3", looks=LOOKS),
    row("c", "it is not visible", "3", looks=LOOKS[:1] * 5),
    row("d", "4", "3"),
    row("e", NOT_THERE, NOT_THERE, looks=LOOKS, absent="wrong_shape"),
    row("f", "It is not there", NOT_THERE, looks=LOOKS[:1], absent="wrong_shape"),
    row("g", "5", NOT_THERE, absent="wrong_colour"),
    row("h", None, NOT_THERE, absent="wrong_colour"),
]


def test_the_figures_of_eight_tasks():
    found = not_there(ROWS)
    assert found["tasks"] == {"present": 4, "absent": 4}
    assert [found[name]["accuracy"] for name in ("present", "absent", "mean")] == [0.25, 0.5, 0.375]
    assert found["kinds"]["wrong_shape"]["accuracy"] == 1.0
    assert found["kinds"]["wrong_colour"]["accuracy"] == 0.0
    assert {limit: figure["accuracy"] for limit, figure in found["false_not_found"].items()} == {
        "1": 0.0,
        "2": 0.0,
        "3": 0.25,
        "4": 0.25,
        "6": 0.5,
        "8": 0.5,
    }
    assert found["candidates_told"] == {"claims": 0.75, "true": 0.75, "false": None}
    assert found["turns_mean"] == pytest.approx((3 + 6 + 3 + 2) / 4)
    assert found["auroc"] is None


def test_the_agreement_of_samples_tells_right_from_wrong():
    rows = [
        *(row("a", said, "3", seed=seed) for seed, said in enumerate(("3", "3", "3"))),
        *(row("b", said, "3", seed=seed) for seed, said in enumerate(("1", "2", "2"))),
        *(row("c", said, NOT_THERE, seed=seed) for seed, said in enumerate(("not there", "not found", "1"))),
    ]
    assert agreement_auroc(rows) == 0.75  # against the wrong one, c is level and a is ahead
    assert agreement_auroc(rows[:3]) is None


def test_auroc_counts_ties_as_half():
    assert auroc([(0.9, True), (0.1, False)]) == 1.0
    assert auroc([(0.1, True), (0.9, False)]) == 0.0
    assert auroc([(0.5, True), (0.5, False)]) == 0.5
    assert auroc([(0.5, True)]) is None


def test_a_report_says_what_was_found_to_be_absent(tmp_path):
    made = mini_o3(
        *("probe", "make", "shapes", "--level", "easy", "--count", 4, "--seed", 500_001_153),
        *("--absent", 0.5, "--out", "probes"),
        cwd=tmp_path,
    )
    assert made.returncode == 0, made.stderr
    done = mini_o3(
        "eval", "--tasks", "probes", "--policy", "teacher", "--turns", 32, "--out", "out", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert "| mean of the two | 100.0% " in text
    assert "| candidates looked at before it was called absent | 100.0% |" in text

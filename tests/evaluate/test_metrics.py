"""Accuracy, its error and the curve over turn limits, against figures worked out by hand."""

import statistics

import pytest
from helpers import answer, play, zoom
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mini_o3.episode import Limits, SearchTask
from mini_o3.evaluate.certainty import certainty
from mini_o3.evaluate.metrics import (
    Judged,
    curve,
    localisation,
    majority,
    mean_over_tasks,
    over_samples,
    rates,
    summarise,
)
from mini_o3.evaluate.statistics import Value
from mini_o3.judge import CORRECT, INCORRECT, unjudged
from mini_o3.policies.replay import Replay
from mini_o3.vision import Region

PICTURE = Image.new("RGB", (400, 300))


def judged(name, turns, verdict, limit=8):
    """An episode on task `name` that looks `turns - 1` times and then answers; with the turns used up it
    never does."""
    said = [zoom(0.1, 0.1, 0.6, 0.6)] * (turns - 1) + [answer("x")]
    task = SearchTask(f"{name}.png", "What?", "x", family=name[0])
    return Judged(task, play(Replay({"*": said}), PICTURE, task, limits=Limits(turns=limit)), verdict)


RIGHT, WRONG = CORRECT, INCORRECT
ROWS = [
    judged("a1", 1, RIGHT),
    judged("a1", 3, WRONG),
    judged("a2", 4, RIGHT),
    judged("a2", 8, RIGHT),
    judged("b1", 9, WRONG),
    judged("b1", 2, unjudged("judge failed")),
]


def one(task, value, cluster=None):
    return Value(task, cluster or task, value)


def test_the_mean_is_over_tasks_and_so_is_its_error():
    values = [one("a", 1.0), one("a", 0.0), one("b", 1.0), one("c", 0.0)]
    assert mean_over_tasks(values) == (0.5, round(0.5 / 3**0.5, 4))
    assert mean_over_tasks([one("a", 1.0)]) == (1.0, None)
    assert mean_over_tasks([]) == (None, None)


def test_questions_on_one_picture_are_one_cluster():
    """Two pictures with two questions each, both right on one and both wrong on the other: as uncertain as
    two questions."""
    values = [one("a", 1.0, "p"), one("b", 1.0, "p"), one("c", 0.0, "q"), one("d", 0.0, "q")]
    assert mean_over_tasks(values) == (0.5, 0.5)
    assert mean_over_tasks([one("a", 1.0), one("c", 0.0)]) == (0.5, 0.5)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([0.0, 1.0])), min_size=2, max_size=40))
def test_with_one_episode_per_task_it_is_the_usual_error(values):
    alone = [one(str(index), value) for index, (_, value) in enumerate(values)]
    mean, error = mean_over_tasks(alone)
    found = [value for _, value in values]
    assert mean == pytest.approx(statistics.mean(found), abs=1e-4)
    assert error == pytest.approx(statistics.stdev(found) / len(found) ** 0.5, abs=1e-4)


def test_what_was_not_judged_is_counted_and_not_scored():
    assert rates(ROWS) == {"accuracy": 0.5, "stderr": 0.2887, "tasks": 3, "episodes": 6, "unjudged": 1}
    assert rates(ROWS[-1:]) == {"accuracy": None, "stderr": None, "tasks": 1, "episodes": 1, "unjudged": 1}


def test_an_answer_counts_from_the_limit_at_which_it_came_in_time():
    assert {limit: point["accuracy"] for limit, point in curve(ROWS).items()} == {
        "1": 0.1667,
        "2": 0.1667,
        "3": 0.1667,
        "4": 0.3333,
        "6": 0.3333,
        "8": 0.5,
    }
    assert list(curve([])) == ["0"]


def test_the_curve_at_a_limit_is_what_an_evaluation_at_that_limit_measures():
    for limit in (1, 2, 4, 8):
        short = [judged(f"t{n}", n, RIGHT if n <= limit else WRONG, limit) for n in range(1, 9)]
        long = [judged(f"t{n}", n, RIGHT) for n in range(1, 9)]
        assert curve(long, (1, 2, 4, 8))[str(limit)]["accuracy"] == rates(short)["accuracy"]


def test_the_summary():
    summary = summarise(ROWS)
    assert summary["turns_mean_correct"] == pytest.approx(13 / 3, abs=1e-3)
    assert summary["stops"] == {"answered": 5, "turn_limit": 1}
    assert summary["over_turn_rate"] == round(1 / 6, 4)
    assert summary["families"]["a"]["accuracy"] == 0.75
    assert summary["families"]["b"]["episodes"] == 2
    assert summary["unjudged_reasons"] == {"judge failed": 1}
    assert summary["turns_histogram"] == {"1": 1, "2": 1, "3": 1, "4": 1, "8": 2}
    assert summary["samples"] == 2


def said(task, seed, text, verdict, **fields):
    return Judged(
        task := SearchTask(f"{task}.png", "What?", "x", **fields),
        play(Replay({"*": [text]}), PICTURE, task, seed=seed, limits=Limits(turns=1)),
        verdict,
    )


def test_pass_and_majority_at_k():
    rows = [
        said("a", 0, answer("Red."), WRONG),
        said("a", 1, answer("x"), RIGHT),
        said("a", 2, answer("red"), WRONG),
        said("b", 0, answer("y"), WRONG),
        said("b", 1, answer("x"), RIGHT),
        said("b", 2, answer("X"), RIGHT),
        said("c", 0, answer("x"), RIGHT),
        said("c", 1, answer("y"), WRONG),
        said("c", 2, "nothing", WRONG),
        said("d", 0, "nothing", WRONG),
        said("d", 1, answer("x"), unjudged("judge failed")),
    ]
    assert [value.value for value in over_samples(rows, any)] == [1.0, 1.0, 1.0, 0.0]
    assert [value.value for value in majority(rows)] == [0.0, 1.0, 1.0, 0.0]  # of equals the earliest counts
    assert summarise(rows)["pass_at_k"]["accuracy"] == 0.75
    assert summarise(rows)["maj_at_k"]["accuracy"] == 0.5
    assert rates(rows)["accuracy"] == pytest.approx((1 / 3 + 2 / 3 + 1 / 3 + 0) / 4, abs=1e-4)


def test_rotations_of_a_question_are_scored_together():
    rows = [said(f"a{i}", 0, answer("x"), RIGHT, group="a") for i in range(4)]
    rows += [said(f"b{i}", 0, answer("x"), WRONG if i else RIGHT, group="b") for i in range(4)]
    assert summarise(rows)["groups"] == {"groups": 2, "mean": 0.625, "consistent": 0.5}


def test_what_was_located_is_set_against_what_was_right():
    task = SearchTask("a.png", "What?", "x", targets=(Region(0.2, 0.2, 0.3, 0.3), Region(0.7, 0.7, 0.8, 0.8)))
    first, second = zoom(0.1, 0.1, 0.4, 0.4), zoom(0.6, 0.6, 0.9, 0.9)
    whole, half = zoom(0.0, 0.0, 1.0, 1.0), zoom(0.6, 0.6, 0.75, 0.9)

    def row(*looks, verdict):
        return Judged(task, play(Replay({"*": [*looks, answer("x")]}), PICTURE, task), verdict)

    rows = [
        row(first, second, verdict=RIGHT),
        row(first, second, verdict=WRONG),
        row(first, verdict=RIGHT),
        row(whole, verdict=RIGHT),
        row(first, half, verdict=WRONG),
    ]
    assert localisation(rows) == {
        "episodes": 5,
        "located": 0.4,
        "located_right": 0.2,
        "located_wrong": 0.2,
        "missed_right": 0.4,
        "missed_wrong": 0.2,
    }


def test_a_category_is_scored_at_each_of_its_depths():
    rows = [
        said("a", 0, answer("x"), RIGHT, category="Reasoning/OCR/signs"),
        said("b", 0, answer("y"), WRONG, category="Reasoning/OCR"),
        said("c", 0, answer("x"), RIGHT, category="Perception/OCR"),
    ]
    assert {name: part["accuracy"] for name, part in summarise(rows)["categories"].items()} == {
        "Perception": 1.0,
        "Perception/OCR": 1.0,
        "Reasoning": 0.5,
        "Reasoning/OCR": 0.5,
        "Reasoning/OCR/signs": 1.0,
    }


def alike(picture, question, verdict, seed=0, **fields):
    """A look at nearly everything, then an answer."""
    task = SearchTask(picture, question, "x", **fields)
    said = [zoom(0.1, 0.1, 0.9, 0.9), answer("x")]
    return Judged(task, play(Replay({"*": said}), PICTURE, task, seed=seed, limits=Limits(turns=4)), verdict)


def test_no_figure_takes_what_was_not_judged_for_wrong():
    targets, lost = (Region(0.2, 0.2, 0.3, 0.3),), unjudged("judge failed")
    rows = [
        alike("a.png", "What?", verdict, seed, targets=targets)
        for seed, verdict in enumerate((lost, RIGHT, RIGHT))
    ]
    assert {point["accuracy"] for point in curve(rows, (2,)).values()} == {1.0}
    assert (
        [value.value for value in over_samples(rows, all)]
        == [value.value for value in majority(rows)]
        == [1.0]
    )
    assert {name: localisation(rows)[name] for name in ("episodes", "located_right")} == {
        "episodes": 2,
        "located_right": 1.0,
    }


def test_every_error_of_a_summary_takes_questions_on_one_picture_together():
    rows = [alike(f"{p}.png", q, RIGHT if p == "p" else WRONG) for p in "pq" for q in ("One?", "Two?")]
    assert rates(rows)["stderr"] == curve(rows)["4"]["stderr"] == summarise(rows)["maj_at_k"]["stderr"] == 0.5


def test_rates_of_endings_are_of_their_endings():
    task, look = SearchTask("a.png", "What?", "x"), zoom(0, 0, 0.5, 0.5)
    said = ([look, look], [look, look], ["hm"], ["hm", answer("x")])
    limits = (Limits(turns=2), Limits(turns=2), Limits(void_retries=0), Limits())
    played = [
        play(Replay({"*": texts}), PICTURE, task, limits=limit)
        for texts, limit in zip(said, limits, strict=True)
    ]
    found = summarise([Judged(task, episode, WRONG) for episode in played])
    assert [found[f"{name}_rate"] for name in ("void", "over_turn", "malformed")] == [0.25, 0.5, 0.5]


def test_a_report_says_how_sure_it_is_and_what_it_would_be_if_the_unjudged_were_wrong():
    found = certainty(ROWS)
    assert found["judged"] == 5
    assert found["worst_case"]["accuracy"] == pytest.approx((0.5 + 1 + 0) / 3, abs=1e-4)
    low, high = found["intervals"]["accuracy"]
    assert 0 <= low < rates(ROWS)["accuracy"] < high <= 1
    assert set(found["intervals"]["families"]) == {"a", "b"}
    assert [(k, figure["accuracy"], figure["tasks"]) for k, figure in found["pass_at"].items()] == [
        ("1", 0.5, 3),
        ("2", 1.0, 2),
    ]
    assert "worst_case" not in certainty([row for row in ROWS if row.verdict.is_judged])

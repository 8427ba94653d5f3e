"""Accuracy, its error and the curve over turn limits, against figures worked out by hand."""

import statistics

import pytest
from helpers import answer, play, zoom
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mini_o3.episode import Limits, SearchTask
from mini_o3.evaluate.metrics import Judged, curve, mean_over_tasks, rates, summarise
from mini_o3.judge import CORRECT, INCORRECT, unjudged
from mini_o3.policies.replay import Replay

PICTURE = Image.new("RGB", (400, 300))


def judged(name, turns, verdict, limit=8):
    """An episode on task `name` that looks `turns - 1` times and then answers; with the turns used up it never does."""
    said = [zoom(0.1, 0.1, 0.6, 0.6)] * (turns - 1) + [answer("x")]
    task = SearchTask(f"{name}.png", "What?", "x", family=name[0])
    return Judged(task, play(Replay({"*": said}), PICTURE, task, limits=Limits(turns=limit)), verdict)


RIGHT, WRONG = CORRECT, INCORRECT
ROWS = [
    judged("a1", 1, RIGHT), judged("a1", 3, WRONG), judged("a2", 4, RIGHT), judged("a2", 8, RIGHT),
    judged("b1", 9, WRONG), judged("b1", 2, unjudged("judge failed")),
]  # fmt: skip


def test_the_mean_is_over_tasks_and_so_is_its_error():
    assert mean_over_tasks([("a", 1.0), ("a", 0.0), ("b", 1.0), ("c", 0.0)]) == (0.5, round(0.5 / 3**0.5, 4))
    assert mean_over_tasks([("a", 1.0)]) == (1.0, None)
    assert mean_over_tasks([]) == (None, None)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([0.0, 1.0])), min_size=2, max_size=40))
def test_with_one_episode_per_task_it_is_the_usual_error(values):
    alone = [(str(index), value) for index, (_, value) in enumerate(values)]
    mean, error = mean_over_tasks(alone)
    found = [value for _, value in values]
    assert mean == pytest.approx(statistics.mean(found), abs=1e-4)
    assert error == pytest.approx(statistics.stdev(found) / len(found) ** 0.5, abs=1e-4)


def test_what_was_not_judged_is_counted_and_not_scored():
    assert rates(ROWS) == {"accuracy": 0.5, "stderr": 0.2887, "tasks": 3, "episodes": 6, "unjudged": 1}
    assert rates(ROWS[-1:]) == {"accuracy": None, "stderr": None, "tasks": 1, "episodes": 1, "unjudged": 1}


def test_an_answer_counts_from_the_limit_at_which_it_came_in_time():
    assert {limit: point["accuracy"] for limit, point in curve(ROWS).items()} == {
        "1": 0.1667, "2": 0.1667, "3": 0.1667, "4": 0.3333, "6": 0.3333, "8": 0.5,
    }  # fmt: skip
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
    assert summary["over_turn"] == 1
    assert summary["families"]["a"]["accuracy"] == 0.75
    assert summary["families"]["b"]["episodes"] == 2

"""Rows of tasks that cannot be asked or judged are refused when they are read."""

import json

import pytest

from mini_o3.episode import read_tasks
from mini_o3.kit.errors import UserError

GOOD = {"picture": "a.png", "question": "Which?", "options": ["red", "blue"], "answer": "B"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"question": " "}, "question is empty"),
        ({"options": [str(n) for n in range(27)]}, "options are 27, at most 26"),
        ({"answer": "E"}, "answer E is the letter of none of the 2 options"),
        ({"answer": "(e)"}, "answer E is the letter of none of the 2 options"),
        ({"options": ["1", "2"], "answer": 1}, "answer is the number 1"),
        ({"options": ["1", "2"], "answer": 2.0}, "answer is the number 2.0"),
        ({"answer": float("nan")}, "answer is nan"),
        ({"options": [], "answer": float("inf")}, "answer is inf"),
    ],
)
def test_a_row_that_cannot_be_judged_is_refused_with_its_line(tmp_path, changes, named):
    rows = [GOOD, GOOD | {"question": "Which one?"} | changes]
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError) as refusal:
        read_tasks(tmp_path)
    assert f"tasks.jsonl, line 2: is not a task ({named}" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({}, "B"),
        ({"options": ["K", "M"], "answer": "M"}, "M"),
        ({"options": ["1", "7"], "answer": 7}, "7"),
        ({"options": [], "answer": 2}, "2"),
        ({"answer": None}, None),
    ],
)
def test_what_can_be_judged_is_taken(tmp_path, changes, answer):
    (tmp_path / "tasks.jsonl").write_text(json.dumps(GOOD | changes) + "\n")
    assert [task.answer for task in read_tasks(tmp_path)] == [answer]

"""The most frequent answer of several searches."""

import pytest

from mini_o3.judge import tally


@pytest.mark.parametrize(
    ("answers", "groups"),
    [
        (["red", "blue", "blue"], [[1, 2], [0]]),
        (["red", "blue", "green", "blue", "green"], [[1, 3], [2, 4], [0]]),  # of equals, who came first
        (["The Red.", "three", " red", "3", "a  RED"], [[0, 2, 4], [1, 3]]),
        ([None, "red", None, None], [[1]]),  # who says nothing has no vote, not a vote for nothing
        (["", None, ""], [[0, 2]]),
        ([None, None], []),
        ([], []),
    ],
)
def test_votes_are_counted_by_what_is_meant(answers, groups):
    assert tally(answers) == groups

"""Ticks lie at round values and lines at theirs."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mini_o3.show.line_chart import line_chart, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (3, 37, [0, 10, 20, 30, 40]),
        (0.061, 0.099, [0.06, 0.07, 0.08, 0.09, 0.1]),
        (0.0, 2e-16, [0.0, 5e-17, 1e-16, 1.5e-16, 2e-16]),
    ],
)
def test_ticks_are_round_and_hold_all_values(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_ticks_of_steps_are_whole_and_within_them():
    assert ticks(1, 3, whole=True) == [1, 2, 3]
    assert ticks(1, 40, whole=True) == [10, 20, 30, 40]
    assert ticks(7, 7, whole=True) == [7]


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
@example(0.0, 2.220446049250313e-16)
def test_ticks_are_few_even_and_around_the_values(one, other):
    low, high = min(one, other), max(one, other)
    found = ticks(low, high)
    size = max(abs(low), abs(high), 1e-9)
    assert 2 <= len(found) <= 8
    assert found[0] <= low + 1e-9 * size
    assert found[-1] >= high - 1e-9 * size


def test_a_line_rises_where_its_values_do():
    chart = line_chart({"reward": [(1, 0.0), (2, 0.5), (3, 1.0)]}, label="reward", is_share=True)
    places = re.search(r'points="([^"]+)"', chart)[1].split()
    assert [float(place.split(",")[1]) for place in places] == [200.0, 105.0, 10.0]
    assert "reward <b>1</b>" in chart


def test_values_that_are_no_numbers_are_left_out():
    chart = line_chart({"loss": [(1, 1.0), (2, float("nan")), (3, 2.0)]}, label="loss")
    assert len(re.search(r'points="([^"]+)"', chart)[1].split()) == 2

"""Agreement of two judges against figures worked out by hand, and the error of kappa against a numerical
delta method."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_o3.judge import CORRECT, INCORRECT, Kind, unjudged
from mini_o3.judge.agreement import agreement

LOST = unjudged("judge failed")


def pairs(a, b, c, d):
    """So many of correct/correct, correct/incorrect, incorrect/correct, incorrect/incorrect."""
    return [
        *[(CORRECT, CORRECT)] * a,
        *[(CORRECT, INCORRECT)] * b,
        *[(INCORRECT, CORRECT)] * c,
        *[(INCORRECT, INCORRECT)] * d,
    ]


def kappa_of(shares):
    a, b, c, d = shares
    total = sum(shares)
    raw, chance = (a + d) / total, ((a + b) * (a + c) + (c + d) * (b + d)) / total**2
    return (raw - chance) / (1 - chance)


def delta_error(counts):
    """The standard error by the delta method: gradient of kappa by differences, covariance of a
    multinomial."""
    total = sum(counts)
    shares, step = [count / total for count in counts], 1e-6
    gradient = []
    for index in range(4):
        up, down = list(shares), list(shares)
        up[index] += step
        down[index] -= step
        gradient.append((kappa_of(up) - kappa_of(down)) / (2 * step))
    mean = sum(g * p for g, p in zip(gradient, shares, strict=True))
    return math.sqrt(
        max(sum(p * (g - mean) ** 2 for g, p in zip(gradient, shares, strict=True)), 0.0) / total
    )


def test_a_table_worked_out_by_hand():
    found = agreement(pairs(20, 5, 10, 15))
    assert (found.both, found.raw) == (50, 0.7)
    assert found.kappa == pytest.approx(0.4)  # chance: 0.5 * 0.6 + 0.5 * 0.4 = 0.5
    assert found.stderr == pytest.approx(delta_error((20, 5, 10, 15)), abs=1e-6)
    assert found.stderr == pytest.approx(0.1272, abs=5e-4)


@given(st.tuples(*[st.integers(1, 60)] * 4))
def test_the_error_is_that_of_the_delta_method(counts):
    found = agreement(pairs(*counts))
    assert found.kappa == pytest.approx(kappa_of(counts))
    assert found.stderr == pytest.approx(delta_error(counts), abs=1e-5)


@given(st.tuples(*[st.integers(0, 20)] * 4))
def test_the_order_of_the_judges_does_not_matter(counts):
    one, other = agreement(pairs(*counts)), agreement([(b, a) for a, b in pairs(*counts)])
    assert (one.both, one.raw) == (other.both, other.raw)
    assert (one.kappa, one.stderr) == (pytest.approx(other.kappa), pytest.approx(other.stderr))


def test_full_agreement_chance_and_where_kappa_says_nothing():
    full = agreement(pairs(3, 0, 0, 7))
    assert (full.raw, full.kappa, full.stderr) == (1.0, 1.0, 0.0)
    assert agreement(pairs(4, 4, 4, 4)).kappa == 0.0
    one_word = agreement(pairs(9, 0, 0, 0))
    assert (one_word.raw, one_word.kappa, one_word.stderr) == (1.0, None, None)
    assert agreement(pairs(0, 5, 0, 0)).kappa == 0.0


def test_what_one_of_them_could_not_judge_is_counted_and_in_no_figure():
    found = agreement([*pairs(20, 5, 10, 15), (LOST, CORRECT), (INCORRECT, LOST), (LOST, LOST)])
    assert (found.both, found.raw, found.kappa) == (50, 0.7, pytest.approx(0.4))
    assert found.counts[Kind.UNJUDGED, Kind.CORRECT] == found.counts[Kind.INCORRECT, Kind.UNJUDGED] == 1
    assert sum(found.counts.values()) == 53
    assert set(found.counts) == set(itertools.product(Kind, Kind))
    assert agreement([(LOST, CORRECT)]).raw is None


def test_the_table_as_text():
    assert agreement([*pairs(20, 5, 10, 15), (LOST, CORRECT)]).table("exact", "llm:m@0") == [
        "rows: exact",
        "columns: llm:m@0",
        "",
        "                 correct   incorrect    unjudged",
        "correct               20           5           0",
        "incorrect             10          15           0",
        "unjudged               1           0           0",
    ]

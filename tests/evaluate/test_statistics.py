"""Intervals and tests hold what they promise, also near 0 and 1 and for few pictures."""

import math

import numpy as np
import pytest

from mini_o3.evaluate.statistics import (
    Value,
    exact_interval,
    incomplete_beta,
    paired_p,
    pass_at,
    share_interval,
    t_quantile,
    t_tails,
)


def test_quantiles_and_tails_are_those_of_the_tables():
    for freedom, wanted in [(1, 12.7062), (4, 2.7764), (24, 2.0639), (99, 1.9842), (499, 1.9647)]:
        assert t_quantile(freedom) == pytest.approx(wanted, abs=1e-4)
        assert t_tails(wanted, freedom) == pytest.approx(0.05, abs=1e-4)
    for a, b, x, wanted in [(2, 3, 0.4, 0.5248), (0.5, 0.5, 0.5, 0.5), (10, 1, 0.9, 0.9**10)]:
        assert incomplete_beta(a, b, x) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    ("right", "outcomes", "wanted"), [(0, 10, (0, 0.3085)), (5, 10, (0.1871, 0.8129)), (10, 10, (0.6915, 1))]
)
def test_exact_intervals_are_those_of_the_tables(right, outcomes, wanted):
    assert exact_interval(right, outcomes) == pytest.approx(wanted, abs=1e-4)


def outcomes(values, per=1, samples=1):
    """One value for each sample of each of `per` tasks of each picture."""
    return [Value(f"{n}.{t}", str(n), value) for n, value in enumerate(values) for t in range(per)] * samples


def test_all_wrong_and_all_right_have_an_interval():
    assert share_interval([]) is None
    for picture_count in (1, 5, 100):
        low, high = share_interval(outcomes([0.0] * picture_count))
        assert low == 0
        assert high == pytest.approx(1 - 0.025 ** (1 / picture_count), abs=1e-4)


def test_repeating_a_sample_or_asking_about_the_same_picture_adds_no_certainty():
    once = share_interval(outcomes([0.0, 1.0, 1.0, 1.0] * 10))
    assert share_interval(outcomes([0.0, 1.0, 1.0, 1.0] * 10, samples=5)) == once
    again = share_interval(outcomes([0.0, 1.0, 1.0, 1.0] * 10, per=5))
    assert again == pytest.approx(once, abs=0.01)


def test_the_interval_of_independent_outcomes_covers_the_truth():
    """No simulation: every outcome weighs as much as it is likely."""
    found = []
    for pictures in (25, 100, 500):
        ends = [share_interval(outcomes([1.0] * n + [0.0] * (pictures - n))) for n in range(pictures + 1)]
        for truth in (0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99, 0.996):
            likely = [
                math.comb(pictures, n) * truth**n * (1 - truth) ** (pictures - n) for n in range(pictures + 1)
            ]
            held = [low <= truth <= high for low, high in ends]
            found.append(sum(weight for weight, holds in zip(likely, held, strict=True) if holds))
    assert min(found) >= 0.93
    assert 0.94 <= np.mean(found) <= 0.98


def drawn(rng, pictures, per, samples, truth, alike):
    """Values of a policy whose chance differs from picture to picture, by a beta distribution."""
    strength = (1 - alike) / alike
    chance = rng.beta(truth * strength, (1 - truth) * strength, pictures)
    right = rng.random((pictures, per, samples)) < chance[:, None, None]
    return [
        Value(f"{n}.{t}", str(n), float(value))
        for n in range(pictures)
        for t in range(per)
        for value in right[n, t]
    ]


@pytest.mark.slow
def test_the_interval_of_outcomes_that_hang_together_covers_the_truth():
    rng, shares, doubt = np.random.default_rng(0), {}, {}
    settings = [(4, 1, 0.3), (1, 4, 0.5)]
    for pictures, times, more in ((25, 300, [(1, 32, 0.6)]), (100, 150, []), (500, 50, [])):
        for per, samples, alike in settings + more:
            for truth in (0.03, 0.3, 0.7, 0.9, 0.97, 0.996):
                ends = [
                    share_interval(drawn(rng, pictures, per, samples, truth, alike)) for _ in range(times)
                ]
                held = np.mean([low <= truth <= high for low, high in ends])
                shares[pictures, samples, truth] = held
                doubt[pictures, samples, truth] = 2.5 * math.sqrt(0.93 * 0.07 / times)
    assert 0.94 <= np.mean(list(shares.values())) <= 0.98
    for setting, held in shares.items():  # 93%, less what so few draws leave open
        assert held >= 0.93 - doubt[setting], setting


def test_the_test_of_few_pairs_is_the_sign_test():
    assert paired_p([0.0] * 30) == 1.0
    assert paired_p([1.0] * 5 + [0.0] * 40) == 2 / 2**5
    assert paired_p([1.0] * 8 + [-1.0]) == pytest.approx(2 * (1 + 9) / 2**9)
    assert paired_p([1.0, 1.0, -1.0, -1.0]) == 1.0
    assert paired_p([2.0] * 40 + [-1.0] * 2) < 1e-6


@pytest.mark.parametrize(("pictures", "times"), [(25, 2000), (100, 4000), (500, 2500)])
def test_two_equal_policies_are_seldom_called_different(pictures, times):
    rng = np.random.default_rng(1)
    for truth in (0.03, 0.3, 0.9, 0.996):
        chance = rng.beta(truth * 2, (1 - truth) * 2, (times, pictures))
        one, other = (rng.random((times, pictures)) < chance for _ in range(2))
        wrong = [paired_p(row) < 0.05 for row in one.astype(float) - other]
        assert np.mean(wrong) <= 0.06


def test_pass_at_k_is_the_mean_over_all_choices_of_k_samples():
    assert pass_at([(1, 4), (0, 4), (4, 4)], 2) == [0.5, 0.0, 1.0]
    assert pass_at([(1, 3), (1, 1)], 2) == [pytest.approx(2 / 3)]

"""What every rollout counts in an update, worked out by hand for every reading of the masking."""

import numpy as np
import pytest

from mini_o3.grpo.advantages import Masking, RolloutOutcome
from mini_o3.grpo.weights import rollout_weights


def right(tokens):
    return RolloutOutcome(1.0, tokens=tokens)


def wrong(tokens):
    return RolloutOutcome(0.0, tokens=tokens)


def over(tokens):
    return RolloutOutcome(0.0, over_turn=True, tokens=tokens)


#: Two of four ran over: the advantages are 1.5 and -0.5 over all, 0.7071 and -0.7071 over those that did not.
HALF = (right(10), wrong(20), over(30), over(40))
#: All four completed: the advantages are 0.8660 and -0.8660 either way.
WHOLE = (right(5), right(5), wrong(10), wrong(20))


@pytest.mark.parametrize(
    ("statistics", "normaliser", "token_mean", "of_half", "of_whole"),
    [
        ("all", "all", "rollout", (0.1875, -0.0625), 0.108253),  # 1.5 / (4 rollouts x 2 groups)
        ("all", "completed", "rollout", (0.375, -0.125), 0.108253),  # 1.5 / (2 x 2)
        ("all", "batch", "rollout", (0.25, -0.083333), 0.144338),  # 1.5 / (2 + 4)
        ("all", "completed", "batch", (0.025, -0.008333), 0.010825),  # 1.5 / (30 tokens x 2)
        ("all", "batch", "batch", (0.021429, -0.007143), 0.012372),  # 1.5 / (30 + 40)
        ("completed", "all", "rollout", (0.088388, -0.088388), 0.108253),
        ("completed", "completed", "rollout", (0.176777, -0.176777), 0.108253),
        ("completed", "batch", "rollout", (0.117851, -0.117851), 0.144338),
        ("completed", "completed", "batch", (0.011785, -0.011785), 0.010825),
        ("completed", "batch", "batch", (0.010102, -0.010102), 0.012372),
    ],
)
def test_every_reading_has_its_weights(statistics, normaliser, token_mean, of_half, of_whole):
    masking = Masking(statistics=statistics, normaliser=normaliser, token_mean=token_mean)
    half, whole = rollout_weights([HALF, WHOLE], masking)
    assert half == pytest.approx([*of_half, 0.0, 0.0], abs=1e-6)
    assert whole == pytest.approx([of_whole, of_whole, -of_whole, -of_whole], abs=1e-6)


@pytest.mark.parametrize("normaliser", ["all", "completed", "batch"])
def test_without_masking_every_rollout_counts(normaliser):
    [weights] = rollout_weights([HALF], Masking(over_turn=False, normaliser=normaliser))
    assert weights == pytest.approx([0.375, -0.125, -0.125, -0.125])


def test_the_released_reading_learns_from_right_answers_beside_rollouts_that_ran_over():
    group = (right(1), right(1), over(1), over(1))
    assert rollout_weights([group], Masking()) == [None]
    [weights] = rollout_weights([group], Masking(normaliser="all", variance="all"))
    assert weights == pytest.approx([0.216506, 0.216506, 0.0, 0.0], abs=1e-6)


@pytest.mark.parametrize("normaliser", ["all", "completed", "batch"])
def test_a_group_that_teaches_nothing_is_not_counted(normaliser):
    masking = Masking(normaliser=normaliser)
    nothing, some = rollout_weights([(right(1), right(1)), WHOLE], masking)
    assert nothing is None
    assert np.array_equal(some, rollout_weights([WHOLE], masking)[0])


def test_tokens_and_rollouts_are_not_counted_at_once():
    with pytest.raises(ValueError, match="choose one"):
        Masking(normaliser="all", token_mean="batch")

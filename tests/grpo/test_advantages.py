"""Over-turn masking, against figures worked out by hand and against a slow reference in plain Python."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_o3.grpo.advantages import Masking, RolloutOutcome, group_advantages
from mini_o3.grpo.config import GrpoConfig
from mini_o3.kit.config import read_config
from mini_o3.presets import preset

RIGHT, WRONG, OVER, VOID = (
    RolloutOutcome(1.0),
    RolloutOutcome(0.0),
    RolloutOutcome(0.0, over_turn=True),
    RolloutOutcome(0.0, void=True),
)


def test_a_group_of_16_with_8_over_turn_4_right_and_4_wrong():
    group = [OVER] * 8 + [RIGHT] * 4 + [WRONG] * 4
    found = group_advantages(group, Masking())
    assert found.advantages == pytest.approx([0.0] * 8 + [1.6771] * 4 + [-0.5590] * 4, abs=1e-4)
    assert found.completed.tolist() == [False] * 8 + [True] * 8
    assert found.normaliser == 8
    found = group_advantages(group, Masking(statistics="completed", normaliser="all"))
    assert found.advantages == pytest.approx([0.0] * 8 + [0.9354] * 4 + [-0.9354] * 4, abs=1e-4)
    assert found.normaliser == 16


def test_without_masking_running_out_of_turns_is_punished():
    found = group_advantages([RIGHT, OVER, OVER, OVER], Masking(over_turn=False))
    assert found.advantages == pytest.approx([1.5, -0.5, -0.5, -0.5])
    assert found.normaliser == 4


def test_void_rollouts_are_learnt_from_unless_asked_otherwise():
    group = [RIGHT, WRONG, VOID]
    assert group_advantages(group, Masking()).advantages[2] < 0
    masked = group_advantages(group, Masking(void=True))
    assert masked.advantages[2] == 0
    assert masked.normaliser == 2


@pytest.mark.parametrize(
    "group",
    [
        [RIGHT, RIGHT, RIGHT],
        [WRONG, WRONG],
        [RIGHT, RIGHT, OVER],  # they differ only because one ran out of turns
        [OVER, OVER],
        [RIGHT, WRONG, RolloutOutcome(None)],
    ],
)
def test_groups_that_teach_nothing_or_are_not_judged_are_dropped(group):
    assert group_advantages(group, Masking()) is None


def test_right_answers_beside_rollouts_that_ran_over_teach_something_if_asked_to():
    found = group_advantages([RIGHT, RIGHT, OVER, OVER], Masking(variance="all"))
    assert found.advantages == pytest.approx([0.8660, 0.8660, 0.0, 0.0], abs=1e-4)
    assert group_advantages([WRONG, WRONG, OVER], Masking(variance="all")) is None
    assert group_advantages([RIGHT, RIGHT, OVER], Masking(variance="all", statistics="completed")) is None


def test_a_cost_ranks_right_answers_but_does_not_make_a_group_worth_learning_from():
    quick, slow = RolloutOutcome(1.0, cost=0.1), RolloutOutcome(1.0, cost=0.2)
    found = group_advantages([quick, slow, WRONG, WRONG], Masking()).advantages
    assert found == pytest.approx([0.9646, 0.7615, -0.8630, -0.8630], abs=1e-4)
    assert group_advantages([quick, slow, slow], Masking(variance="all")) is None
    assert group_advantages([quick, slow, OVER], Masking(variance="all", statistics="completed")) is None
    beside_over_turn = group_advantages([quick, slow, OVER], Masking(variance="all")).advantages
    assert beside_over_turn[0] > beside_over_turn[1] > 0 == beside_over_turn[2]


ENDED = st.builds(
    RolloutOutcome,
    st.sampled_from([0.0, 0.25, 1.0]),
    st.sampled_from([0.0, 0.1, 0.25]),
    st.booleans(),
    st.booleans(),
)
SCOPES = st.sampled_from(["all", "completed"])
MASKING = st.builds(
    Masking, st.booleans(), st.booleans(), SCOPES, st.sampled_from(["all", "completed", "batch"]), SCOPES
)


@given(st.lists(ENDED, min_size=1, max_size=12), MASKING)
def test_equal_to_a_plain_reference(group, masking):
    kept = [r for r in group if not (r.over_turn and masking.over_turn) and not (r.void and masking.void)]
    found = group_advantages(group, masking)
    counted = kept if masking.statistics == "completed" else group
    differing = {r.reward for r in (kept if masking.variance == "completed" else group)}
    paid = [r.reward - r.cost for r in counted]
    if not kept or len(differing) < 2 or len({r.reward for r in counted}) < 2 or len(set(paid)) < 2:
        assert found is None
        return
    mean, spread = sum(paid) / len(paid), statistics.stdev(paid)
    for rollout, advantage, completed in zip(group, found.advantages, found.completed, strict=True):
        if (rollout.over_turn and masking.over_turn) or (rollout.void and masking.void):
            assert (advantage, completed) == (0.0, False)
        else:
            assert completed
            assert math.isclose(advantage, (rollout.reward - rollout.cost - mean) / spread, abs_tol=1e-9)
    assert found.normaliser == (len(group) if masking.normaliser == "all" else len(kept))
    assert np.isfinite(found.advantages).all()


def released_advantages(rewards, over):
    """As the released code computes them: the statistics of all, with what was masked set to zero later."""
    if np.std(rewards, ddof=1) < 1e-4:
        return None
    return np.where(over, 0.0, (rewards - np.mean(rewards)) / (np.std(rewards, ddof=1) + 1e-6))


def test_three_hundred_groups_are_those_of_the_release():
    config = read_config(preset("training", "grpo_7b"), GrpoConfig)
    assert config.masking == Masking(True, False, "all", "all", "all", "rollout")
    rng, kept, by_default = np.random.default_rng(3), 0, 0
    for _ in range(300):
        over = rng.random(16) < rng.choice([0.1, 0.5, 0.9])
        rewards = np.where(over, 0.0, rng.random(16) < rng.choice([0.0, 0.3, 0.7, 1.0]))
        group = [RolloutOutcome(float(r), over_turn=bool(o)) for r, o in zip(rewards, over, strict=True)]
        found, wanted = group_advantages(group, config.masking), released_advantages(rewards, over)
        by_default += found is not None and group_advantages(group, Masking()) is None
        if wanted is None:
            assert found is None
            continue
        kept += 1
        assert found.normaliser == 16
        assert found.advantages == pytest.approx(wanted, abs=3e-5)  # the release adds 1e-6 to the deviation
    assert kept > 150
    assert by_default > 20  # groups that it learns from, and our default does not

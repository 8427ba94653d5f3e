"""Groups of rotations: mean over groups, and all of a group right."""

from mini_o3.episode import SearchTask
from mini_o3.judge import CORRECT, INCORRECT, GroupScore, score_groups, unjudged


def rows(group, *verdicts, seed=0):
    return [
        (SearchTask(f"{group}{n}.png", "What?", "A", group=group), seed, verdict)
        for n, verdict in enumerate(verdicts)
    ]


RIGHT = [CORRECT] * 4
THREE = [CORRECT, CORRECT, INCORRECT, CORRECT]


def test_the_mean_and_the_strict_figure_are_over_groups():
    found = score_groups(
        [*rows("a", *RIGHT), *rows("b", *THREE), *rows("c", *[INCORRECT] * 4), *rows("d", *RIGHT)]
    )
    assert found == GroupScore(mean=0.6875, consistent=0.5, groups=4, left_out=0, sizes={4: 4})


def test_a_group_that_nobody_could_judge_whole_is_in_neither_figure():
    found = score_groups([*rows("a", *RIGHT), *rows("b", CORRECT, unjudged("down"), CORRECT, CORRECT)])
    assert found == GroupScore(mean=1.0, consistent=1.0, groups=1, left_out=1, sizes={4: 2})
    assert score_groups(rows("b", unjudged("down"))) == GroupScore(None, None, 0, 1, {1: 1})
    assert score_groups([]) == GroupScore(None, None, 0, 0, {})


def test_samples_are_groups_of_their_own_and_missing_rotations_show():
    found = score_groups([*rows("a", *RIGHT, seed=0), *rows("a", *THREE[:3], seed=1)])
    assert (found.groups, found.consistent, found.sizes) == (2, 0.5, {3: 1, 4: 1})


def test_tasks_without_a_group_stand_alone():
    alone = [(SearchTask(f"{n}.png", "What?", "A"), 0, verdict) for n, verdict in enumerate(THREE)]
    assert score_groups(alone) == GroupScore(0.75, 0.75, 4, 0, {1: 4})

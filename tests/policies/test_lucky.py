"""The teacher that guesses: how often, when, and that it is the teacher otherwise."""

from helpers import play

from mini_o3.episode import Limits
from mini_o3.policies.lucky import LuckyTeacher
from mini_o3.policies.teacher import Teacher
from mini_o3.probes.shapes import make_probe

PROBE = make_probe(7, "hard", size=(600, 600))


def episodes(guesses, count=40):
    policy = LuckyTeacher(Teacher([PROBE.task]), guesses)
    return [
        play(policy, PROBE.picture, PROBE.task, limits=Limits(turns=32), seed=seed) for seed in range(count)
    ]


def is_guess(episode):
    return episode.turns[-1].thought.endswith(f"not seen; answer {PROBE.task.answer}")


def test_guesses_come_in_the_sixth_turn_are_right_and_as_many_as_asked_for():
    found = episodes(0.5)
    guessed = [episode for episode in found if is_guess(episode)]
    assert 10 <= len(guessed) <= 30
    assert {episode.num_turns for episode in guessed} == {6}
    assert max(episode.num_turns for episode in found) > 6  # the others search on
    assert all(episode.answer == PROBE.task.answer for episode in found)


def test_what_is_found_in_the_sixth_turn_is_no_guess():
    found = episodes(1.0)
    assert all(episode.num_turns <= 6 for episode in found)
    assert any(is_guess(episode) for episode in found)
    teacher = [play(Teacher([PROBE.task]), PROBE.picture, PROBE.task, seed=seed) for seed in range(40)]
    for guesser, searcher in zip(found, teacher, strict=True):
        assert is_guess(guesser) == (searcher.num_turns > 6)


def test_without_guesses_it_is_the_teacher():
    teacher = [play(Teacher([PROBE.task]), PROBE.picture, PROBE.task, seed=seed) for seed in range(5)]
    assert [[turn.text for turn in e.turns] for e in episodes(0.0, 5)] == [
        [turn.text for turn in e.turns] for e in teacher
    ]

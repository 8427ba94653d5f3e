"""Patterns told from episodes that were played to show them, and from those of the teacher."""

from helpers import answer, play, zoom
from PIL import Image

from mini_o3.episode import Limits, SearchTask
from mini_o3.episode.patterns import PATTERNS, patterns, shares
from mini_o3.policies.replay import Replay
from mini_o3.policies.teacher import Teacher
from mini_o3.probes.shapes import make_probe

QUESTION = "What digit is on the red star?"


def shown(*turns, thought="hm", question=QUESTION):
    """The patterns of an episode with these turns and a final answer."""
    said = [*turns, answer("3", thought)]
    return patterns(play(Replay({"*": said}), Image.new("RGB", (1000, 1000)), SearchTask("x.png", question)))


def test_going_ever_deeper_is_depth_first():
    deep = [
        zoom(0, 0, 0.5, 0.5),
        zoom(0, 0, 0.5, 0.5, "observation_1"),
        zoom(0, 0, 0.5, 0.5, "observation_2"),
    ]
    assert shown(*deep) == {"depth_first"}
    assert shown(*deep[:2]) == set()  # a look at something found is nothing special
    apart = [deep[0], zoom(0.6, 0.6, 1, 1, "observation_1"), zoom(0, 0, 0.3, 0.3, "observation_1")]
    assert shown(*apart, zoom(0, 0, 0.5, 0.5, "observation_3")) == {"depth_first", "trial_and_error"}


def test_depth_is_what_is_inside_what_not_what_is_cut_from_what():
    nested = [zoom(0, 0, 0.8, 0.8), zoom(0, 0, 0.6, 0.6), zoom(0, 0, 0.3, 0.3)]
    assert shown(*nested) == {"depth_first"}
    whole = [zoom(0, 0, 1, 1), zoom(0, 0, 1, 1, "observation_1"), zoom(0, 0, 1, 1, "observation_2")]
    assert shown(*whole) == set()
    assert "depth_first" not in shown(
        zoom(0, 0, 0.5, 0.5), zoom(0.3, 0.3, 0.6, 0.6), zoom(0.5, 0.5, 0.7, 0.7)
    )


def test_looking_at_one_place_after_the_other_is_trial_and_error():
    assert shown(zoom(0, 0, 0.3, 0.3), zoom(0.6, 0.6, 0.9, 0.9)) == {"trial_and_error"}
    assert shown(zoom(0, 0, 0.3, 0.3), zoom(0.02, 0, 0.32, 0.3)) == set()  # twice at the same place


def test_coming_back_from_an_observation_is_backtracking():
    assert "backtracking" in shown(
        zoom(0, 0, 0.5, 0.5), zoom(0, 0, 0.5, 0.5, "observation_1"), zoom(0.5, 0.5, 1, 1)
    )
    assert "backtracking" not in shown(zoom(0, 0, 0.5, 0.5), zoom(0.5, 0.5, 1, 1))


def test_repairs_are_self_correction():
    assert shown(zoom(0.4, 0.4, 0.5, 0.5), zoom(0.3, 0.3, 0.7, 0.7)) == {
        "self_correction"
    }  # the same place, wider
    assert (
        shown(zoom(0.5, 0.4, 0.55, 0.5), zoom(0.4, 0.0, 1.0, 0.6)) == set()
    )  # the next quarter, which holds it
    assert shown(zoom(0.4, 0.4, 0.5, 0.5), "I do not know", zoom(0, 0, 0.2, 0.2)) >= {"self_correction"}
    assert (
        shown(zoom(0.45, 0.49, 0.55, 0.51), zoom(0.485, 0.46, 0.515, 0.54)) == set()
    )  # higher, but not around it
    for failed in (
        "I missed it",
        "Wait, I zoomed into the wrong area",
        "that is not it",
        "the text is cut off; back",
    ):
        assert shown(zoom(0.4, 0.4, 0.5, 0.5, thought=failed)) >= {"self_correction"}, failed
    for fine in ("nothing is cut off and I missed nothing", "no mistake here", "it is not cut off"):
        assert "self_correction" not in shown(zoom(0.4, 0.4, 0.5, 0.5, thought=fine)), fine


def test_naming_the_goal_again_is_goal_maintenance():
    assert shown(zoom(0, 0, 0.5, 0.5), thought="the red star shows a 3") == {"goal_maintenance"}
    assert shown(zoom(0, 0, 0.5, 0.5), thought="it is what the digit is") == set()  # words of every question
    assert shown(zoom(0, 0, 0.5, 0.5), thought="something red") == set()  # red things there are many
    assert shown(zoom(0, 0, 0.5, 0.5), thought="the bus again", question="Where is the bus?") == {
        "goal_maintenance"
    }
    vague = "What can you see behind the man?"
    assert shown(zoom(0, 0, 0.5, 0.5), thought="I can not make this out", question=vague) == set()
    options = "Where is the tall bus?\n(A) beside a blue ball (B) nowhere"
    assert shown(zoom(0, 0, 0.5, 0.5), thought="a dog with a blue ball", question=options) == set()


def test_each_of_the_teachers_patterns_is_found_in_its_episodes():
    probes = [make_probe(500_000_000 + n, "medium", family="digit", size=(1400, 1400)) for n in (2, 3, 11)]
    limits = Limits(turns=64)

    def found(pattern):
        return [
            patterns(
                play(
                    Teacher([probe.task], pattern=pattern),
                    probe.picture,
                    probe.task,
                    limits=limits,
                    seed=seed,
                )
            )
            for probe in probes
            for seed in range(4)
        ]

    deep = [
        play(Teacher([p.task], pattern="depth_first"), p.picture, p.task, limits=limits, seed=n)
        for p in probes
        for n in range(4)
    ]
    in_one_pass = [
        e for e in deep if not any(turn.thought.endswith(" again") for turn in e.turns)
    ]  # a second needs a level less
    assert len(in_one_pass) >= 6
    assert all("depth_first" in patterns(episode) for episode in in_one_pass)
    assert not any(
        "self_correction" in one for pattern in ("depth_first", "trial_and_error") for one in found(pattern)
    )
    assert any("trial_and_error" in one for one in found("trial_and_error"))
    assert any("self_correction" in one for one in found("self_correction"))
    assert all(
        "goal_maintenance" in one for pattern in ("depth_first", "trial_and_error") for one in found(pattern)
    )


def test_shares_are_of_episodes():
    probe = make_probe(500_000_002, "easy", family="digit", size=(1400, 1400))
    episodes = [play(Teacher([probe.task]), probe.picture, probe.task, seed=seed) for seed in range(4)]
    counted = shares(episodes)
    for name in PATTERNS:
        assert counted[name] == sum(name in patterns(episode) for episode in episodes) / 4
    assert counted["diversity"] == sum(len(patterns(episode)) for episode in episodes) / 4
    assert shares([])["diversity"] == 0


def test_the_goal_has_to_be_named_in_half_of_what_is_thought_after_the_first_turn():
    named, other = "the red star", "somewhere there"

    def is_kept(*thoughts):
        looks = (zoom(0, 0, 0.5, 0.5, thought=thought) for thought in thoughts[:-1])
        return "goal_maintenance" in shown(*looks, thought=thoughts[-1])

    assert is_kept(other, named, other)
    assert not is_kept(named, other, named, other, other)
    assert not is_kept(named, other)

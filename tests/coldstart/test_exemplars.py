"""Exemplars: the six that ship, the round trip of their format, what they do to a prompt."""

from __future__ import annotations

import pytest
from helpers import answer, play, zoom
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mini_o3.coldstart.exemplars import (
    Exemplar,
    Step,
    exemplar_of,
    format_exemplar,
    parse_exemplar,
    read_exemplars,
    with_exemplars,
)
from mini_o3.kit.errors import UserError
from mini_o3.policies.replay import Replay
from mini_o3.presets import PRESETS
from mini_o3.protocol import Answer, Zoom, load_profile
from mini_o3.vision import Region

SHIPPED = PRESETS / "exemplars"
SMALL = """# A short search

Question: What is on the hat?

Sees: A crowd. One person
  wears a hat.
Thinks: The hat is small.
Zooms: [0.1, 0.2, 0.3, 0.4] of original_image

Sees: A hat with a feather.
Thinks: It is a feather.
Answers: a feather
"""


def test_the_six_patterns_ship_and_each_ends_with_an_answer_after_several_looks():
    found = {exemplar.name: exemplar for exemplar in read_exemplars(str(SHIPPED / "*.md"))}
    assert sorted(found) == [
        "backtracking",
        "depth_first",
        "false_lead",
        "goal_maintenance",
        "self_correction",
        "trial_and_error",
    ]
    for exemplar in found.values():
        assert isinstance(exemplar.steps[-1].action, Answer)
        assert sum(isinstance(step.action, Zoom) for step in exemplar.steps) >= 3
    sources = [step.action.region.frame for step in found["depth_first"].steps[:-1]]
    assert sources == [0, 1, 2]  # into something, into a part of it, into a part of the part
    frames = [step.action.region.frame for step in found["backtracking"].steps[:-1]]
    assert frames == [0, 1, 0, 3]


def test_a_file_is_read_as_it_stands():
    exemplar = parse_exemplar(SMALL, "small")
    assert exemplar == Exemplar(
        "small",
        "A short search",
        "What is on the hat?",
        (
            Step("A crowd. One person wears a hat.", Zoom(Region(0.1, 0.2, 0.3, 0.4), "The hat is small.")),
            Step("A hat with a feather.", Answer("a feather", "It is a feather.")),
        ),
    )


FIELDS = ("Question:", "Sees:", "Thinks:", "Zooms:", "Answers:")
WORDS = (
    st.text(st.characters(codec="utf-8", exclude_characters="<>#"), min_size=1, max_size=40)
    .map(lambda text: " ".join(text.split()))
    .filter(lambda text: text and not text.startswith(FIELDS))
)
CUTS = st.lists(st.integers(0, 100), min_size=2, max_size=2, unique=True).map(sorted)


@st.composite
def exemplars(draw):
    steps = []
    for shown in range(draw(st.integers(0, 4))):
        (x0, x1), (y0, y1) = draw(CUTS), draw(CUTS)
        region = Region(x0 / 100, y0 / 100, x1 / 100, y1 / 100, draw(st.integers(0, shown)))
        steps.append(Step(draw(WORDS), Zoom(region, draw(WORDS))))
    steps.append(Step(draw(WORDS), Answer(draw(WORDS), draw(WORDS))))
    return Exemplar("x", draw(WORDS), draw(WORDS), tuple(steps))


@given(exemplars())
def test_format_and_parse_are_inverse(exemplar):
    assert parse_exemplar(format_exemplar(exemplar), "x") == exemplar


@given(st.text(max_size=200))
def test_any_text_is_an_exemplar_or_refused_with_a_reason(text):
    try:
        exemplar = parse_exemplar(text, "x")
    except ValueError as error:
        said = str(error)
    else:
        said = exemplar.question
    assert said


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("Question: What is on the hat?\n", "", "no 'Question:'"),
        ("Answers: a feather", "", "does not end with 'Answers:'"),
        ("[0.1, 0.2, 0.3, 0.4] of original_image", "[0.1, 0.2, 0.3] of original_image", "line 8"),
        ("of original_image", "of observation_1", "no observation_1 yet"),
        ("[0.1, 0.2, 0.3, 0.4]", "[0.3, 0.2, 0.1, 0.4]", "line 8"),
        ("Thinks: The hat is small.\n", "", "needs a 'Sees:' and a 'Thinks:'"),
        ("Thinks: It is a feather.", "Thinks: <answer>x</answer>", "protocol tag"),
    ],
)
def test_a_broken_file_is_refused_by_line(tmp_path, old, new, says):
    assert old in SMALL
    (tmp_path / "a.md").write_text(SMALL.replace(old, new))
    with pytest.raises(UserError, match=says) as refused:
        read_exemplars(str(tmp_path / "*.md"))
    assert "a.md" in str(refused.value)


def test_no_files_is_an_error_that_names_the_pattern(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        read_exemplars(str(tmp_path / "nowhere*.md"))


def test_exemplars_stand_in_the_system_text_in_the_words_of_the_protocol():
    profile, exemplar = load_profile("search"), parse_exemplar(SMALL, "small")
    told = with_exemplars(profile, [exemplar])
    assert told.system.startswith(profile.system)
    assert (
        '<think>The hat is small.</think><grounding>{"bbox_2d": [0.10, 0.20, 0.30, 0.40], "source":'
        ' "original_image"}' in (told.system)
    )
    assert "<think>It is a feather.</think><answer>a feather</answer>" in told.system
    assert told.system.index("What is on the hat?") < told.system.index("<think>The hat")
    assert (told.question, told.observation, told.correction) == (
        profile.question,
        profile.observation,
        profile.correction,
    )
    assert told.hash != profile.hash
    assert with_exemplars(profile, []) == profile


def test_a_kept_search_becomes_an_exemplar():
    picture = Image.new("RGB", (400, 300))
    episode = play(Replay({"*": [zoom(0.1, 0.2, 0.3, 0.4), answer("red")]}), picture)
    exemplar = exemplar_of(episode)
    assert [type(step.action) for step in exemplar.steps] == [Zoom, Answer]
    assert exemplar.question == episode.question
    assert parse_exemplar(format_exemplar(exemplar), exemplar.name) == exemplar
    assert exemplar_of(play(Replay({"*": ["nonsense", answer("red")]}), picture)) is None

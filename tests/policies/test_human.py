"""A person as the policy, played by a list of lines."""

from __future__ import annotations

import pytest
from helpers import answer, play, zoom
from PIL import Image

from mini_o3.episode import Limits, StopReason
from mini_o3.policies.human import HELP, Human
from mini_o3.protocol import format_action, parse, source_name
from mini_o3.vision import Rect

PICTURE = Image.new("RGB", (640, 480), "red")
PICTURE.paste("blue", (320, 240, 640, 480))


class Person:
    """Types `lines`, then closes the terminal; remembers everything that was said."""

    def __init__(self, *lines):
        self.lines, self.heard, self.asked = list(lines), [], 0

    def ask(self, prompt):
        self.asked += 1
        if not self.lines:
            raise EOFError
        return self.lines.pop(0)

    def plays(self, folder, **limits):
        return play(
            Human(ask=self.ask, say=self.heard.append, folder=folder), PICTURE, limits=Limits(**limits)
        )


def test_a_person_zooms_twice_and_answers(tmp_path):
    person = Person("zoom 0.5 0.5 1 1", "zoom 0 0 0.5 0.5", "answer a red star")
    episode = person.plays(tmp_path)
    assert (episode.stop, episode.answer, episode.policy) == (StopReason.ANSWERED, "a red star", "human")
    assert [turn.rect for turn in episode.turns] == [Rect(320, 240, 640, 480), Rect(320, 240, 480, 360), None]
    assert episode.evidence.xyxy == (0.5, 0.5, 0.75, 0.75)


def test_views_are_saved_as_png_files_of_the_size_they_are_shown_at(tmp_path):
    folder = tmp_path / "not" / "there yet"
    person = Person("zoom 0.5 0.5 1 1", "zoom 0 0 0.5 0.5", "answer 5")
    person.plays(folder)
    views = {path.name: Image.open(path) for path in folder.iterdir()}
    assert {name: (view.format, view.size) for name, view in views.items()} == {
        "view_0.png": ("PNG", (644, 476)),
        "view_1.png": ("PNG", (308, 252)),
        "view_2.png": ("PNG", (224, 168)),
    }
    assert views["view_0.png"].getpixel((10, 10)) == (255, 0, 0)
    assert views["view_1.png"].getpixel((150, 120)) == (0, 0, 255)


def test_every_view_is_announced_with_size_and_file(tmp_path):
    person = Person("zoom 0.5 0.5 1 1", "answer 5")
    person.plays(tmp_path)
    assert f"the whole picture (644 x 476): {tmp_path}/view_0.png" in person.heard
    assert f"observation 1 (308 x 252): {tmp_path}/view_1.png" in person.heard


def test_a_person_is_told_the_question_and_how_to_play_once(tmp_path):
    person = Person("zoom 0 0 0.5 0.5", "answer 5")
    person.plays(tmp_path)
    assert person.heard[0] == HELP
    assert person.heard.count(HELP) == 1
    assert person.heard.count("What is there?") == 1


def test_a_folder_is_found_when_none_is_given():
    person = Person("answer 5")
    person.plays(None)
    path = next(line for line in person.heard if "view_0.png" in line).split(": ")[1]
    assert Image.open(path).size == (644, 476)


@pytest.mark.parametrize(
    ("line", "source", "rect"),
    [
        ("zoom 0 0 0.5 0.5", "observation_1", Rect(320, 240, 480, 360)),
        ("zoom 0 0 0.5 0.5 1", "observation_1", Rect(320, 240, 480, 360)),
        ("zoom 0 0 0.5 0.5 0", "original_image", Rect(0, 0, 320, 240)),
        ("  zoom   0  0 .5 5e-1  0 ", "original_image", Rect(0, 0, 320, 240)),
    ],
)
def test_a_zoom_goes_into_the_last_view_unless_a_source_is_given(tmp_path, line, source, rect):
    episode = Person("zoom 0.5 0.5 1 1", line, "answer 5").plays(tmp_path)
    assert (source_name(episode.turns[1].action.region.frame), episode.turns[1].rect) == (source, rect)


def test_a_source_that_does_not_exist_costs_a_turn_and_is_explained(tmp_path):
    person = Person("zoom 0 0 0.5 0.5 7", "zoom 0 0 0.5 0.5", "answer 5")
    episode = person.plays(tmp_path)
    assert episode.turns[0].malformed.kind == "unknown_source"
    assert any("There is no observation_7" in line for line in person.heard)
    assert (source_name(episode.turns[1].action.region.frame), episode.answer) == ("original_image", "5")


@pytest.mark.parametrize("line", ["", "   ", "help", "look at the star", "zoomed", "ANSWER 5", "5"])
def test_nonsense_gets_help_and_costs_no_turn(tmp_path, line):
    person = Person(line, "answer 5")
    episode = person.plays(tmp_path)
    assert person.heard.count(HELP) == 2
    assert [turn.text for turn in episode.turns] == [answer("5", thought="")]


@pytest.mark.parametrize(
    ("line", "about"),
    [
        ("zoom", "four numbers"),
        ("zoom 0.1 0.2 0.3", "four numbers"),
        ("zoom 0 0 1 1 0 0", "four numbers"),
        ("zoom a b c d", "'a'"),
        ("zoom 0 0 1 1 x", "'x'"),
        ("zoom 0 0 1 1 -1", "frame"),
        ("zoom 0.5 0.5 0.5 0.9", "x0 < x1"),
        ("zoom 0 0 320 240", "x1 <= 1"),
        ("zoom nan 0 1 1", "nan"),
        ("zoom 0 0 1 inf", "inf"),
        ("answer", "empty"),
        ("answer   ", "empty"),
        ("answer <think>", "tag"),
    ],
)
def test_a_line_that_cannot_be_carried_out_gets_one_line_and_costs_no_turn(tmp_path, line, about):
    person = Person("quit")
    person.plays(tmp_path)
    usual = person.heard
    person = Person(line, "answer 5")
    episode = person.plays(tmp_path)
    assert person.heard[: len(usual)] == usual
    (said,) = person.heard[len(usual) :]
    assert about in said
    assert "\n" not in said
    assert (episode.num_turns, episode.answer) == (1, "5")


@pytest.mark.parametrize("line", ["quit", "exit", " quit ", "quit now", None])
def test_leaving_ends_the_episode_without_an_answer(tmp_path, line):
    person = Person("zoom 0 0 0.5 0.5", *([] if line is None else [line, "answer 5"]))
    episode = person.plays(tmp_path)
    assert (episode.stop, episode.answer, episode.error) == (StopReason.POLICY_ERROR, None, "the person left")
    assert (episode.num_turns, person.asked) == (1, 2)


@pytest.mark.parametrize(
    "text", [zoom(0, 0, 0.5, 0.5), answer("5"), "<answer>5", "<grounding>{}</grounding>"]
)
def test_the_protocol_itself_is_passed_through(tmp_path, text):
    episode = Person(f"  {text} ").plays(tmp_path, turns=1)
    assert [turn.text for turn in episode.turns] == [text]


def test_what_a_person_types_is_written_as_a_canonical_turn(tmp_path):
    episode = Person("zoom 0.5 0.5 1 1", "answer a star ").plays(tmp_path)
    assert [format_action(parse(turn.text)) for turn in episode.turns] == [
        turn.text for turn in episode.turns
    ]

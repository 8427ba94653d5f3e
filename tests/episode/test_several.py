"""One question about several pictures: who sees what, what a box is of, and what the record says."""

import asyncio
import json

import pytest
from helpers import answer
from PIL import Image

import mini_o3
from mini_o3.episode import Episode, EpisodeRun, Limits, SearchTask
from mini_o3.episode.replayed import picture_of, replay_messages
from mini_o3.kit.errors import UserError
from mini_o3.policies.replay import Replay
from mini_o3.protocol import Answer, Zoom, load_profile
from mini_o3.protocol.dialects import load_dialect
from mini_o3.show.page import episode_page
from mini_o3.show.result import result_of
from mini_o3.show.terminal import verdict_lines
from mini_o3.vision import Rect, Region

COLOURS = ("red", "blue", "green", "white", "black", "orange", "purple", "grey", "pink", "cyan")


def task(folder, count=3):
    for number, colour in enumerate(COLOURS[:count]):
        Image.new("RGB", (300 + 20 * number, 200), colour).save(folder / f"{number}.png")
    paths = [str(folder / f"{number}.png") for number in range(count)]
    return SearchTask(paths[0], "Which one is blue?", "2", others=tuple(paths[1:]))


def zoom(source, box="[0, 0, 0.5, 0.5]"):
    return f'<think>There.</think><grounding>{{"bbox_2d": {box}, "source": "{source}"}}</grounding>'


def played(one, texts, profile="search"):
    policy = Replay({"*": list(texts)}, profile=load_profile(profile))
    run = EpisodeRun(one, policy, Limits(turns=len(texts) + 1))
    return run, asyncio.run(run.play())


def test_all_first_views_are_shown_and_a_zoom_is_of_the_picture_it_names(tmp_path):
    run, episode = played(task(tmp_path), [zoom("image_2"), zoom("observation_1"), answer("2")])
    said = [part if isinstance(part, str) else part.getpixel((9, 9)) for part in run.messages[1].parts]
    assert said == [
        *("image_1: ", (255, 0, 0), "\n", "image_2: ", (0, 0, 255), "\n", "image_3: ", (0, 128, 0), "\n"),
        "There are 3 pictures. In place of original_image the sources are image_1 to image_3.\n",
        "Which one is blue?",
    ]
    assert [view.getpixel((9, 9)) for view in run.views[3:]] == [(0, 0, 255)] * 2
    assert [(turn.observation, episode.picture_at(turn.rect)) for turn in episode.turns[:2]] == [
        (1, (1, Rect(0, 0, 160, 100))),
        (2, (1, Rect(0, 0, 80, 50))),
    ]
    assert episode.evidence_in == (2, str(tmp_path / "1.png"), (320, 200), Rect(0, 0, 80, 50))


@pytest.mark.parametrize("source", ["original_image", "image_4", "image_0", "observation_1", "image_2x"])
def test_a_source_that_is_not_there_costs_the_turn(tmp_path, source):
    _, episode = played(task(tmp_path), [zoom(source), answer("2")])
    assert episode.turns[0].malformed.kind.value == (
        "unknown_source" if source == "observation_1" else "bad_source"
    )
    assert "image_3" in episode.turns[0].malformed.detail


def test_image_1_is_no_source_where_there_is_one_picture(tmp_path):
    one = task(tmp_path, 1)
    _, episode = played(one, [zoom("image_1"), answer("2")])
    assert episode.turns[0].malformed.detail == (
        "source must be original_image or observation_i with the number of an observation."
    )
    assert "pictures" not in episode.to_dict()


def test_the_record_says_which_picture_everything_is_of(tmp_path):
    _, episode = played(task(tmp_path), [zoom("image_3"), answer("2")])
    data = json.loads(json.dumps(episode.to_dict()))
    assert data["first_views"] == 3
    assert [one["picture"] for one in data["pictures"]] == [str(tmp_path / f"{n}.png") for n in range(3)]
    assert data["turns"][0]["action"]["source"] == "image_3"
    assert data["turns"][0]["in"] == {"picture": "image_3", "rect": [0, 0, 170, 100]}
    assert Episode.from_dict(data).to_dict() == episode.to_dict()
    evidence = result_of(episode)["evidence"]
    assert (evidence["picture"], evidence["pixels"], evidence["fractions"]) == (
        str(tmp_path / "2.png"),
        [0, 0, 170, 100],
        [0.0, 0.0, 0.5, 0.5],
    )
    assert verdict_lines(episode)[1] == (
        f"evidence  x 0..170, y 0..100 of 340 x 200 px of image_3 ({tmp_path}/2.png)"
    )


def test_the_conversation_can_be_cut_anew(tmp_path):
    run, episode = played(task(tmp_path), [zoom("image_3"), answer("2")])
    again = list(
        replay_messages(episode, picture_of(episode, tmp_path), run.policy.profile, run.policy.budget)
    )
    assert [message.role for message in again] == [message.role for message in run.messages]
    for one, other in zip(again, run.messages, strict=True):
        assert [p if isinstance(p, str) else p.tobytes() for p in one.parts] == [
            p if isinstance(p, str) else p.tobytes() for p in other.parts
        ]
    assert "of image_3" in episode_page(episode, run.picture)


def test_more_than_eight_are_a_contact_sheet_that_is_zoomed_like_a_picture(tmp_path):
    one = task(tmp_path, 10)
    run, episode = played(one, [zoom("original_image", "[0.6, 0.02, 0.8, 0.1]"), answer("2")])
    assert (len(run.messages[1].parts), episode.first_views) == (2, 1)
    assert "contact sheet of 10 pictures, numbered 1 to 10" in run.messages[1].parts[1]
    found = episode.evidence_in
    assert (found.number, found.picture) == (2, str(tmp_path / "1.png"))
    assert run.views[1].getpixel((30, 30)) == (0, 0, 255)


def test_a_dialect_that_cannot_name_a_picture_gets_a_contact_sheet(tmp_path):
    call = (
        '<tool_call>{"name": "image_zoom_in_tool", "arguments": {"bbox_2d": [20, 215, 200, 390]}}</tool_call>'
    )
    run, episode = played(task(tmp_path), [f"<think>x</think>{call}", answer("2")], "deepeyes")
    assert episode.first_views == 1
    assert episode.evidence_in.picture == str(tmp_path / "1.png")
    assert run.views[1].getpixel((30, 30)) == (0, 0, 255)


@pytest.mark.parametrize("name", ["mini_o3", "qwen3_vl", "qwen2_5_vl", "pixel_reasoner"])
def test_every_dialect_that_names_pictures_reads_what_it_writes(tmp_path, name):
    spoken = load_dialect(name)
    run, _ = played(task(tmp_path), [answer("2")], spoken.profile)
    for number in range(3):
        action = Zoom(Region(0.1, 0.2, 0.7, 0.8, number), "There.")
        read = spoken.parse(spoken.format_action(action, run.frames), run.frames)
        assert read.region.frame == number
        assert read.region.xyxy == pytest.approx(action.region.xyxy, abs=0.003)


def test_qwen_counts_observations_after_the_pictures(tmp_path):
    call = (
        '<tool_call>\n{"name": "image_zoom_in_tool", "arguments": {"bbox_2d": [0, 0, 99, 99], "img_idx": %d}}'
    )
    texts = [call % 1 + "\n</tool_call>", call % 3 + "\n</tool_call>", answer("2")]
    run, episode = played(task(tmp_path), texts, "qwen2_5_vl")
    assert run.messages[1].parts[0] == "Picture 0: "
    assert "Picture 3 is " in "".join(p for p in run.messages[3].parts if isinstance(p, str))
    assert [episode.picture_at(turn.rect)[0] for turn in episode.turns[:2]] == [1, 1]


def test_a_task_about_several_pictures_is_written_and_read(tmp_path):
    one = task(tmp_path)
    row = one.to_dict()
    assert row["pictures"] == [str(tmp_path / f"{n}.png") for n in range(3)]
    assert SearchTask.from_dict(row) == one
    row["pictures"] = ["a.png", "b.png"]
    assert SearchTask.from_dict(row, tmp_path).pictures == (str(tmp_path / "a.png"), str(tmp_path / "b.png"))
    assert one.id != SearchTask(one.picture, one.question, one.answer).id
    with pytest.raises(TypeError, match="pictures should be texts, one is"):
        SearchTask.from_dict({**row, "pictures": ["a.png", 3]})


def test_asking_about_several_pictures(tmp_path):
    one = task(tmp_path)
    policy = Replay({"*": [zoom("image_2"), answer("2")]})
    asked = mini_o3.ask([Image.open(one.picture), *one.others], "Which?", policy, out=tmp_path / "out")
    assert (asked.answer, asked.evidence, asked.evidence_picture) == (
        "2",
        Rect(0, 0, 160, 100),
        one.others[0],
    )
    assert asked.episode.pictures == (str(tmp_path / "out" / "picture_1.png"), *one.others)
    assert (tmp_path / "out" / "picture_1.png").exists()
    with pytest.raises(UserError, match=r"pictures: 65 are too many for one question, at most 64"):
        mini_o3.ask([one.picture] * 65, "Which?", policy)
    with pytest.raises(UserError, match=r"pictures: there are none; give at least one"):
        mini_o3.ask([], "Which?", policy)


def test_an_answer_may_name_a_box_of_one_of_them(tmp_path):
    spoken = load_dialect("mini_o3")
    run, _ = played(task(tmp_path), [answer("2")])
    text = spoken.format_action(Answer("2", region=Region(0.5, 0.5, 1, 1, 2)), run.frames)
    _, episode = played(task(tmp_path), [text])
    assert (episode.evidence_source, episode.evidence_in.number) == ("answer", 3)
    assert episode.evidence_in.rect == Rect(170, 100, 340, 200)

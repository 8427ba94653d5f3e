"""Playing a recorded episode again."""

from __future__ import annotations

import asyncio
import json

import pytest
from helpers import answer, play, recording, zoom
from PIL import Image

from mini_o3.episode import Request, SearchTask, StopReason
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, write_json
from mini_o3.policies.replay import Replay
from mini_o3.policies.teacher import Teacher
from mini_o3.probes.shapes.generate import make_probe
from mini_o3.probes.shapes.levels import VIEW_BUDGET
from mini_o3.vision import PixelBudget

PICTURE = Image.new("RGB", (800, 600), "white")


@pytest.fixture(scope="module")
def probes():
    """Two small probes and what the teacher did about them."""
    made = [make_probe(seed, "easy", size=(1344, 1344)) for seed in (500_000_000, 500_000_001)]
    return [(probe, play(Teacher([probe.task]), probe.picture, probe.task)) for probe in made]


def played(turns):
    """What is the same when an episode is played again."""
    return [(turn.text, turn.action, turn.thought, turn.observation, turn.rect, turn.shown) for turn in turns]


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_a_recorded_episode_gives_the_same_turns_answer_and_evidence_again(tmp_path, probes, kind):
    probe, episode = probes[0]
    path = tmp_path / f"record.{kind}"
    (append_jsonl if kind == "jsonl" else write_json)(path, episode.to_dict())
    again = play(Replay.read(str(path), budget=VIEW_BUDGET), probe.picture, probe.task)
    assert episode.num_zooms > 0
    assert played(again.turns) == played(episode.turns)
    assert (again.stop, again.answer, again.evidence) == (
        StopReason.ANSWERED,
        probe.task.answer,
        episode.evidence,
    )
    assert again.policy == "replay"


def test_the_only_episode_of_a_file_is_played_for_any_task(tmp_path):
    replay = Replay.read(str(recording(tmp_path / "one.jsonl", answer("5"))))
    assert play(replay, PICTURE, SearchTask("other.png", "Something else?")).answer == "5"


def test_a_file_with_several_episodes_is_matched_by_task(tmp_path, probes):
    path = tmp_path / "episodes.jsonl"
    for _, episode in probes:
        append_jsonl(path, episode.to_dict())
    replay = Replay.read(str(path), budget=VIEW_BUDGET)
    for probe, episode in reversed(probes):
        assert played(play(replay, probe.picture, probe.task).turns) == played(episode.turns)


def test_of_several_searches_of_a_task_that_of_the_seed_is_played_and_the_last_record_of_it(tmp_path):
    path = tmp_path / "episodes.jsonl"
    for seed, said in ((2, "c"), (1, "failed"), (1, "b"), (3, "d")):
        append_jsonl(path, {"task_id": "a", "seed": seed, "turns": [{"text": answer(said)}]})
    replay = Replay.read(str(path))
    for task_id, said in (("a", "bcdb"), ("another", "bbbb")):
        requests = [Request(task_id, "What?", (8, 8), "any.png", seed) for seed in (1, 2, 3, 0)]
        texts = [asyncio.run(replay.open(request).reply([])).text for request in requests]
        assert texts == [answer(text) for text in said]


def test_a_task_that_a_file_with_several_episodes_does_not_hold_is_not_played(tmp_path, probes):
    path = tmp_path / "episodes.jsonl"
    for _, episode in probes:
        append_jsonl(path, episode.to_dict())
    episode = play(Replay.read(str(path)), PICTURE)
    assert (episode.stop, episode.num_turns) == (StopReason.POLICY_ERROR, 0)


def test_the_end_of_the_recording_ends_the_episode(tmp_path):
    path = recording(tmp_path / "short.jsonl", zoom(0, 0, 0.5, 0.5), zoom(0.5, 0.5, 1, 1))
    episode = play(Replay.read(str(path)), PICTURE)
    assert (episode.stop, episode.num_turns, episode.answer) == (StopReason.POLICY_ERROR, 2, None)
    assert episode.error == "the recording ends here"


def test_one_replay_serves_several_episodes(tmp_path):
    replay = Replay.read(str(recording(tmp_path / "one.jsonl", zoom(0, 0, 0.5, 0.5), answer("5"))))
    assert [play(replay, PICTURE).answer for _ in range(2)] == ["5", "5"]


@pytest.mark.parametrize(
    ("budget", "shown"), [(None, (392, 308)), (PixelBudget(max_pixels=784, min_pixels=0), (28, 28))]
)
def test_views_are_shown_as_large_as_asked_for(tmp_path, budget, shown):
    path = recording(tmp_path / "one.jsonl", zoom(0, 0, 0.5, 0.5), answer("5"))
    assert play(Replay.read(str(path), budget=budget), PICTURE).turns[0].shown == shown


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x1c", "\n", "\r\n"])
def test_a_recording_may_hold_any_kind_of_line_end_in_its_texts(tmp_path, mark):
    path = tmp_path / "episodes.jsonl"
    text = answer("5", thought=f"first{mark}second")
    append_jsonl(path, {"task_id": "a", "turns": [{"text": text}]})
    append_jsonl(path, {"task_id": "b", "turns": [{"text": text}]})
    assert Replay.read(str(path)).scripts == {"a": [text], "b": [text]}


def test_a_recording_that_was_cut_off_by_a_kill_and_continued_can_be_played(tmp_path):
    path = recording(tmp_path / "episodes.jsonl", answer("5"), task_id="a")
    with path.open("a", encoding="utf-8") as file:
        file.write('{"task_id": "b", "tur')
    append_jsonl(path, {"task_id": "b", "turns": [{"text": answer("6")}]})
    assert Replay.read(str(path)).scripts == {"a": [answer("5")], "b": [answer("6")]}


ROW = json.dumps({"task_id": "a", "turns": [{"text": "hm"}]})


@pytest.mark.parametrize(
    ("name", "content", "about"),
    [
        ("missing.jsonl", None, "no such file"),
        ("missing.json", None, "no such file"),
        ("empty.jsonl", b"", "holds no episode"),
        ("blank.jsonl", b"\n\n", "holds no episode"),
        ("empty.json", b"", "not an episode record"),
        ("text.jsonl", b"hello\n", "episode"),
        ("number.jsonl", b"5\n", "not an episode record"),
        ("list.json", f"[{ROW}]".encode(), "not an episode record"),
        ("several.json", f"{ROW}\n{ROW}\n".encode(), "not an episode record"),
        ("turnless.jsonl", b'{"task_id": "a"}\n', "not an episode record"),
        ("nameless.jsonl", b'{"turns": []}\n', "not an episode record"),
        ("turns.jsonl", b'{"task_id": "a", "turns": 5}\n', "not an episode record"),
        ("texts.jsonl", b'{"task_id": "a", "turns": ["hm"]}\n', "not an episode record"),
        ("picture.jsonl", b"\x89PNG\r\n\x1a\n\x00", "episode"),
    ],
)
def test_a_file_without_an_episode_is_refused_by_name(tmp_path, name, content, about):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as refused:
        Replay.read(str(path))
    assert str(refused.value).startswith(f"{path}: ")
    assert about in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_directory_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match="is a directory"):
        Replay.read(str(tmp_path))

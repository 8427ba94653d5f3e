"""Questions of another program as episodes in a folder: asked once, failures told and not scored."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path

import pytest
from helpers import answer, zoom
from PIL import Image

from mini_o3.episode import Limits, StopReason
from mini_o3.interop.searches import Question, Searches
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import read_jsonl
from mini_o3.policies.replay import Replay

ROOT = Path(__file__).parents[2]
PICTURE = Image.effect_noise((120, 80), 80).convert("RGB")
PROMPT = (
    "<image>\nWhich one?\nA. the cup\nB. the jar\nAnswer with the option's letter from the given choices"
    " directly."
)


def searches(out, *texts, **settings):
    return Searches(Replay({"*": list(texts)}), Limits(3), out, settings=settings)


def question(number=0, seed=0, picture=PICTURE):
    return lambda: Question(picture, PROMPT.replace("one", f"number {number}"), f"bench/test/{number}", seed)


def test_a_prompt_becomes_a_task_and_a_whole_search(tmp_path):
    made = searches(tmp_path / "out", zoom(0, 0, 0.5, 0.5), answer("B"))
    (episode,) = made.answer([question()])
    assert (episode.answer, episode.num_turns, episode.meta) == ("B", 2, {"source": "bench/test/0"})
    assert (
        episode.question == "Which number 0?\nA. the cup\nB. the jar"
    )  # the order is gone: our prompts say how
    assert Image.open(episode.picture).tobytes() == PICTURE.tobytes()
    assert [row["task_id"] for row in read_jsonl(tmp_path / "out/episodes.jsonl")] == [episode.task_id]


def test_what_is_there_is_not_asked_again(tmp_path):
    questions = [question(0), question(1), question(1, seed=1)]
    first = searches(tmp_path, answer("A")).answer(questions)
    again = searches(tmp_path, answer("B")).answer([*questions, question(2)])
    assert [episode.to_dict() for episode in again[:3]] == [episode.to_dict() for episode in first]
    assert [episode.answer for episode in again] == ["A", "A", "A", "B"]
    assert len(read_jsonl(tmp_path / "episodes.jsonl")) == 4
    with pytest.raises(UserError, match="holds a run with other settings"):
        searches(tmp_path, answer("A"), turns=9)


def test_failures_are_told_after_the_rest_is_done_and_filled_in_later(tmp_path):
    half = searches(tmp_path, answer("A"))
    half.answer([question(0)])
    with pytest.raises(
        UserError, match=r"2 of 3 searches failed, the first: the recording ends here.*run again"
    ):
        searches(tmp_path, zoom(0, 0, 0.5, 0.5)).answer([question(0), question(1), question(2)])
    done = searches(tmp_path, answer("B")).answer([question(0), question(1), question(2)])
    assert [(episode.answer, episode.stop) for episode in done] == [
        (text, StopReason.ANSWERED) for text in "ABB"
    ]


def test_a_picture_may_be_a_file_and_two_files_of_one_name_are_two_pictures(tmp_path):
    paths = []
    for name, colour in (("a", "red"), ("b", "blue")):
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / "same.png")
        Image.new("RGB", (64, 64), colour).save(paths[-1])
    made = searches(tmp_path / "out", answer("B"))
    one, two = made.answer([question(picture=paths[0]), question(picture=str(paths[1]))])
    assert one.task_id != two.task_id
    with pytest.raises(UserError, match=r"bench/test/0: .*gone"):
        made.answer([question(picture=tmp_path / "gone.png")])
    with pytest.raises(UserError, match=r"bench/test/0: .*too small"):
        made.answer([question(picture=Image.new("RGB", (8, 8)))])


def test_entry_points_name_what_is_there():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    assert set(groups) == {"inspect_ai", "lmms_eval.models"}
    assert (ROOT / (groups["inspect_ai"]["mini_o3"].replace(".", "/") + ".py")).is_file()
    module, _, name = groups["lmms_eval.models"]["mini_o3"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))

"""Published figures beside ours, and models that are asked with the prompts they were trained with."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from helpers import answer
from PIL import Image

from mini_o3.benchmarks.published import published_under
from mini_o3.episode import SearchTask
from mini_o3.episode.policy import Reply
from mini_o3.evaluate.against import figures_against
from mini_o3.evaluate.evaluation import run_evaluation
from mini_o3.evaluate.report import summary_lines, write_report
from mini_o3.kit.errors import UserError
from mini_o3.policies.load import load_policy
from mini_o3.policies.spec import PolicySpec, is_released_model
from mini_o3.protocol import load_profile
from mini_o3.vision import PixelBudget


class Always:
    """Gives one answer to everything."""

    name, budget, profile, context_tokens = "always", PixelBudget(), load_profile("search"), None

    def open(self, request):
        async def reply(messages):
            return Reply(answer("red"))

        return SimpleNamespace(reply=reply, close=lambda: None)


@pytest.fixture
def folder(tmp_path):
    """Ten tasks of V*, of which eight are red."""
    rows = []
    for n in range(10):
        Image.new("RGB", (60, 60)).save(tmp_path / f"{n}.png")
        task = SearchTask(f"{n}.png", "Which colour?", "red" if n < 8 else "blue", source="vstar_bench")
        rows.append(json.dumps(task.to_dict()))
    (tmp_path / "tasks.jsonl").write_text("\n".join(rows))
    return tmp_path


def measured(folder, against):
    return run_evaluation(folder, Always(), folder / "out", against=against, judge="exact")


def test_a_published_figure_stands_beside_ours_and_stays_there(folder):
    report = measured(folder, "published:mini-o3-7b")
    (row,) = report["against"]
    assert (row["benchmark"], row["value"], row["samples"]) == ("vstar", 88.2, "Avg@32")
    assert (row["accuracy"], row["tasks"], row["within"]) == (0.8, 10, True)
    assert row["interval"] == report["intervals"]["accuracy"]
    line = summary_lines(report)[1]
    assert line.startswith(
        "published vstar: Mini-o3 7B 88.2% (Avg@32), ours 80.0% (44.4 to 97.5) on 10 tasks"
    )
    assert line.endswith("theirs lies within our 95% interval")
    assert line in (folder / "out" / "report.md").read_text()
    assert write_report(folder / "out")["against"] == [row]
    other = measured(folder, "published:gpt-4o/visual_probe_hard")["against"][0]
    assert (other["value"], other["within"]) == (11.2, False)


def test_what_is_not_published_is_refused_before_anything_is_asked(folder):
    for against, words in (
        ("published:mini-o4", "nothing is published under that key; try mini-o3-7b"),
        ("published:deepeyes-7b", "try deepeyes-7b@mini_o3, deepeyes-7b@deepeyes"),
        ("published:openai-o3", "has figures on o3_bench; these tasks are vstar_bench"),
        ("mini-o3-7b", "expected published:KEY"),
        ("published:mini-o3-7b/nowhere", "no such benchmark; choose from visual_probe_hard"),
    ):
        with pytest.raises(UserError, match=words.replace("*", r"\*")):
            measured(folder, against)
    assert not (folder / "out").exists()


def test_keys_may_be_cut_short_and_written_otherwise():
    assert published_under("Mini_o3") == published_under("mini-o3-7b")
    assert {figure.value for figure in published_under("deepeyes-7b@deepeyes")} == {90.1}
    tasks = [SearchTask("a.png", "q", source="hrbench_4k"), SearchTask("b.png", "q", source="vstar")]
    assert [one.value for one in figures_against("published:mini-o3", tasks)] == [88.2, 77.5]


@pytest.mark.parametrize(
    ("policy", "is_released"),
    [
        ("api:http://127.0.0.1:9/v1#Mini-o3/Mini-o3-7B-v1", True),
        ("hf:/models/mini_o3_7b_sft", True),
        ("api:http://mini-o3.example/v1#qwen", False),
        ("hf:/home/mini-o3/runs/grpo", False),
        ("nano", False),
    ],
)
def test_released_weights_are_known_by_their_name(policy, is_released):
    assert is_released_model(PolicySpec(policy)) is is_released


def test_released_weights_without_their_prompts_are_warned_about_or_refused(folder, tmp_path):
    said, model = [], "api:http://127.0.0.1:9/v1#Mini-o3-7B-v1"
    load_policy(model, say=said.append)
    assert "trained with other prompts" in said[0]
    for part in ("system", "question", "observation", "correction"):
        (tmp_path / f"{part}.txt").write_text(f"official {part} {{question}}")
    said.clear()
    load_policy(PolicySpec(model, prompts=str(tmp_path)), say=said.append)
    assert said == []
    for prompts in (None, "search"):
        with pytest.raises(UserError, match="prompts: as in the release only with its own prompts"):
            run_evaluation(folder, model, folder / "o", protocol="released", prompts=prompts)

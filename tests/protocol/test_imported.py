"""Prompt profiles taken over from other people's files: byte for byte, and nothing is executed."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import mini_o3

from mini_o3.kit.errors import UserError
from mini_o3.protocol.imported import import_profile
from mini_o3.protocol.prompts import VIEW

SYSTEM = 'Look around.  Write <grounding>{"bbox_2d": [a, b], "source": "x"}</grounding>\tor <answer>.'
MARK = "<|vision_start|><|image_pad|><|vision_end|>"
SEEN = f"After Action {{action_turn}}, the the view (Observation {{observation_turn}}):\n{MARK}.\nGo on."
CONSTANTS = f'''
import os
os.mkdir("executed")
TOOL_SYSTEM = """{SYSTEM}"""
MAP = {{"a": TOOL_SYSTEM}}
SEEN_PROMPT = {SEEN!r}
SEEN_VIDEO_PROMPT = {SEEN + " frames"!r}
ERROR_INFO = "Think it over."
'''


def check(profile):
    assert profile.system == SYSTEM
    assert profile.ask("Where {number}?") == [VIEW, "\nWhere {number}?"]
    assert profile.observe(1) == ["After Action 0, the the view (Observation 1):\n", VIEW, ".\nGo on."]
    assert profile.observe(12) == ["After Action 11, the the view (Observation 12):\n", VIEW, ".\nGo on."]


def test_the_constants_are_read_as_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "constants.py").write_text(CONSTANTS)
    profile = import_profile(tmp_path / "constants.py", tmp_path / "official")
    check(profile)
    assert profile.correction == "ERROR occurs during grounding. Error Information: {detail}.\nThink it over."
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "json"])
def test_a_row_of_the_cold_start_data_will_do(tmp_path, kind):
    turns = [
        {"from": "system", "value": SYSTEM},
        {"from": "human", "value": "<image>\nWhat is there?"},
        {"from": "gpt", "value": "<think>.</think><grounding>{}</grounding>"},
        {
            "from": "human",
            "value": "ERROR occurs during grounding. Error Information: no box.\nThink it over.",
        },
        {"from": "gpt", "value": "<think>.</think><grounding>{}</grounding>"},
        {"from": "human", "value": "After Action 0, the the view (Observation 1):\n<image>.\nGo on."},
        {"from": "gpt", "value": "<answer>red</answer>"},
    ]
    rows = [{"conversations": str(turns[:3])}, {"conversations": str(turns)}]
    path = tmp_path / f"rows.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("\n".join(map(json.dumps, rows)) if kind == "jsonl" else json.dumps(rows))
    profile = import_profile(path, tmp_path / "official")
    check(profile)
    assert profile.correction == "ERROR occurs during grounding. Error Information: {detail}.\nThink it over."


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("c.py", "X = 1\n", "expected a system text"),
        ("c.py", "def (\n", "cannot be read as Python"),
        ("c.py", CONSTANTS.replace("ERROR_INFO", "INFO"), "expected an ERROR"),
        ("c.py", CONSTANTS + f"OTHER = {SEEN + '!'!r}\n", "holds 2 of them"),
        ("c.json", "{}", "holds no conversations"),
        ("c.jsonl", '{"conversations": "[]"}', "no conversation there has"),
        ("c.jsonl", "{\"conversations\": \"__import__('os').mkdir('x')\"}", "holds no conversations"),
        ("c.txt", "", "expected the official constants.py"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, says):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=says):
        import_profile(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_says_how_to_use_it(tmp_path):
    (tmp_path / "constants.py").write_text(CONSTANTS)
    done = mini_o3("prompts", "import", "constants.py", "--out", "official", cwd=tmp_path)
    assert (done.returncode, done.stdout.rstrip().endswith("use it with --prompts official")) == (0, True)

"""The model in lmms-eval itself. Opt-in: it lives in an environment of its own, which has torch and lmms_eval
0.7.3.

ENV/bin/pip install --no-deps -e . && MINI_O3_LMMS_PYTHON=ENV/bin/python pytest
tests/interop/test_lmms_plugin.py
"""

from __future__ import annotations

import io
import json
import os
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import answer, environment, recording, zoom
from PIL import Image

from mini_o3.kit.files import read_jsonl

PYTHON = os.environ.get("MINI_O3_LMMS_PYTHON")
pytestmark = pytest.mark.skipif(
    not PYTHON, reason="MINI_O3_LMMS_PYTHON does not name a python with lmms_eval 0.7.3"
)

UTILS = """
import io
from PIL import Image

def visual(doc):
    return [Image.open(io.BytesIO(doc["image"]))]

def process(doc, results):
    return {"acc": float(results[0] == doc["label"])}
"""
TASK = """
task: tiny
dataset_path: parquet
dataset_kwargs: {data_files: {test: FILE}}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.visual
doc_to_text: "{{text}}"
doc_to_target: "label"
generation_kwargs: {max_new_tokens: 16}
process_results: !function utils.process
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""


@pytest.fixture
def benchmark(tmp_path):
    rows = []
    for number, label in enumerate(["B", "A", "B"]):
        buffer = io.BytesIO()
        Image.effect_noise((100 + number, 80), 80).convert("RGB").save(buffer, "PNG")
        text = (
            f"Which number {number}?\nA. cup\nB. jar\nAnswer with the option's letter from the given choices"
            " directly."
        )
        rows.append({"image": buffer.getvalue(), "text": text, "label": label})
    folder = tmp_path / "benchmark"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "tiny.parquet")
    (folder / "utils.py").write_text(UTILS)
    (folder / "tiny.yaml").write_text(TASK.replace("FILE", str(folder / "tiny.parquet")))
    return folder


def lmms_eval(benchmark, policy, *more):
    cwd = benchmark.parent
    changes = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(cwd / "hf")}
    words = [
        "--model",
        "mini_o3",
        "--model_args",
        f"policy=replay:{policy},turns=4,out={cwd / 'searches'}" + "".join(more),
    ]
    files = [
        "--tasks",
        "tiny",
        "--include_path",
        str(benchmark),
        "--output_path",
        str(cwd / "results"),
        "--log_samples",
    ]
    done = subprocess.run(
        [str(PYTHON), "-m", "lmms_eval", *words, *files],
        cwd=cwd,
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=280,
    )
    samples = sorted((cwd / "results").glob("**/*_samples_tiny.jsonl"), key=lambda path: path.stat().st_mtime)
    said = (
        [json.loads(line)["filtered_resps"] for line in samples[-1].read_text().splitlines()]
        if samples
        else []
    )
    return done.stdout + done.stderr, [text[0] if isinstance(text, list) else text for text in said]


def test_every_request_is_a_search_whose_answer_is_returned_and_whose_course_is_kept(benchmark, tmp_path):
    policy = recording(tmp_path / "says.jsonl", zoom(0, 0, 0.5, 0.5), answer("B"))
    output, said = lmms_eval(benchmark, policy)
    assert said == ["B"] * 3, output
    (results,) = (tmp_path / "results").glob("**/*_results.json")
    assert json.loads(results.read_text())["results"]["tiny"]["acc,none"] == pytest.approx(2 / 3)
    rows = read_jsonl(tmp_path / "searches/episodes.jsonl")
    assert sorted(row["meta"]["source"] for row in rows) == [f"tiny/test/{number}" for number in range(3)]
    assert {(row["num_turns"], row["answer"], row["seed"]) for row in rows} == {(2, "B", 0)}
    assert {row["question"] for row in rows} == {
        f"Which number {number}?\nA. cup\nB. jar" for number in range(3)
    }
    _, again = lmms_eval(benchmark, policy, ",form=tags")
    assert again == ["<answer>B</answer>"] * 3
    assert read_jsonl(tmp_path / "searches/episodes.jsonl") == rows  # nothing was asked again


def test_a_policy_that_fails_is_not_scored(benchmark, tmp_path):
    output, said = lmms_eval(benchmark, recording(tmp_path / "cut.jsonl", zoom(0, 0, 0.5, 0.5)))
    assert "3 of 3 searches failed, the first: the recording ends here" in output
    assert said == []

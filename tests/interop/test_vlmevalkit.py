"""VLMEvalKit's files: its table is read back as the same tasks, and predictions stand in the rows of the
table."""

from __future__ import annotations

import base64
import csv
import importlib.util
import io
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import answer, mini_o3, play, zoom
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mini_o3.benchmarks.importer import import_tasks
from mini_o3.benchmarks.rows import read_tabs
from mini_o3.episode import Limits, SearchTask, StopReason, read_tasks
from mini_o3.interop.vlmevalkit import UNANSWERED, write_predictions, write_tasks
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, write_json
from mini_o3.policies.replay import Replay
from mini_o3.vision import open_picture

PYTHON = os.environ.get("MINI_O3_LMMS_PYTHON")
needs_pandas = pytest.mark.skipif(
    not PYTHON, reason="MINI_O3_LMMS_PYTHON does not name a python with pandas and openpyxl"
)
WHAT = SearchTask("", "What stands there?")


def drawn(path, **how):
    Image.effect_noise((90, 60), 80).convert("RGB").save(path, **how)
    return str(path)


@pytest.fixture
def choices(tmp_path):
    """A folder of three multiple-choice tasks about two pictures, with everything in them that a table must
    quote."""
    folder = tmp_path / "choices"
    folder.mkdir()
    one, two = drawn(folder / "one.jpg"), drawn(folder / "two.png")
    tasks = [
        SearchTask(
            one, 'Which "word"\tis on\nthe sign?', "B", options=("red", 'a "red" one', "-"), category="direct"
        ),
        SearchTask(
            two, "Where is it?", "A", options=("left", "right"), category="Perception/Monitoring/count"
        ),
        SearchTask(
            one, "Was it there?", "C", options=("yes", "no", "nobody knows", "it was, twice"), source="vstar"
        ),
    ]
    return written(folder, tasks)


def written(folder, tasks):
    folder.mkdir(exist_ok=True)
    for task in tasks:
        append_jsonl(folder / "tasks.jsonl", task.to_dict())
    return folder


def table(path):
    csv.field_size_limit(1 << 30)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def asked(tasks):
    return [(task.question, task.options, task.answer) for task in tasks]


def test_multiple_choice_is_read_back_as_the_same_tasks(choices, tmp_path):
    done = mini_o3("interop", "vlmevalkit-tasks", choices, "--out", "Mine.tsv", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "Mine.tsv: 3 tasks, 2 pictures\n"), done.stderr
    import_tasks(tmp_path / "Mine.tsv", tmp_path / "again", format="table")
    tasks, again = read_tasks(choices), read_tasks(tmp_path / "again")
    assert asked(again) == asked(tasks)
    assert [task.name for task in again] == ["0", "1", "2"]
    contents = [[Path(task.picture).read_bytes() for task in some] for some in (tasks, again)]
    assert contents[0] == contents[1]


def test_the_columns_are_those_that_vlmevalkit_reads(choices, tmp_path):
    path = tmp_path / "Mine.tsv"
    write_tasks(read_tasks(choices), path)
    rows = table(path)
    assert list(rows[0]) == [
        "index",
        "image",
        "question",
        "A",
        "B",
        "C",
        "D",
        "answer",
        "category",
        "l2-category",
        "split",
    ]
    assert [(row["D"], row["category"], row["l2-category"], row["split"]) for row in rows] == [
        ("", "direct", "", "test"),
        ("", "Perception/Monitoring", "count", "test"),
        ("it was, twice", "", "", "vstar"),
    ]
    assert base64.b64decode(rows[0]["image"]) == (choices / "one.jpg").read_bytes()
    assert rows[2]["image"] == "0"  # the picture of row 0, once


def test_open_questions_are_read_back_as_the_same_tasks(tmp_path):
    picture = drawn(tmp_path / "some.png")
    tasks = [
        replace(WHAT, picture=picture, answer=text, family="shapes", level="easy")
        for text in ("7", "two trees")
    ]
    path = tmp_path / "Open.tsv"
    write_tasks(tasks, path)
    assert [(row["category"], row["l2-category"]) for row in table(path)] == [("shapes", "easy")] * 2
    assert "A" not in table(path)[0]  # or it would be taken for multiple choice
    import_tasks(path, tmp_path / "again", format="table")
    assert asked(read_tasks(tmp_path / "again")) == asked(tasks)


TEXT = st.text(st.characters(codec="utf-8"), min_size=1)


@settings(max_examples=40)
@given(question=TEXT, options=st.lists(TEXT, min_size=2, max_size=5))
def test_any_text_comes_through(tmp_path_factory, question, options):
    folder = tmp_path_factory.mktemp("any", numbered=True)
    task = SearchTask(drawn(folder / "p.png"), question, "A", options=tuple(options))
    write_tasks([task], folder / "T.tsv")
    (record,) = read_tabs(folder / "T.tsv")
    assert record.data["question"] == question
    assert [record.data["ABCDE"[place]] for place in range(len(options))] == options


def test_a_picture_that_exif_turns_or_that_is_no_jpeg_or_png_goes_in_upright_as_png(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    paths = [drawn(tmp_path / "turned.jpg", exif=turned), drawn(tmp_path / "other.webp", lossless=True)]
    write_tasks([replace(WHAT, picture=path, answer="x") for path in paths], tmp_path / "T.tsv")
    for path, row in zip(paths, table(tmp_path / "T.tsv"), strict=True):
        shown = Image.open(io.BytesIO(base64.b64decode(row["image"])))
        assert (shown.format, shown.tobytes()) == ("PNG", open_picture(path).tobytes())
    assert shown.size == (90, 60)


def test_tasks_of_two_kinds_are_two_tables_with_the_same_indices(choices, tmp_path):
    tasks = [*read_tasks(choices), SearchTask(drawn(tmp_path / "o.png"), "What is it?", "a cat")]
    both = written(tmp_path / "both", tasks)
    done = mini_o3("interop", "vlmevalkit-tasks", both, "--out", "B.tsv", cwd=tmp_path)
    assert (done.returncode, "3 tasks have options and 1 have none" in done.stderr) == (2, True)
    assert not (tmp_path / "B.tsv").exists()
    write_tasks(tasks, tmp_path / "C.tsv", only="choice")
    write_tasks(tasks, tmp_path / "O.tsv", only="open")
    assert [[row["index"] for row in table(tmp_path / name)] for name in ("C.tsv", "O.tsv")] == [
        ["0", "1", "2"],
        ["3"],
    ]


def test_what_cannot_be_a_table_is_said(choices, tmp_path):
    tasks = read_tasks(choices)
    with pytest.raises(UserError, match=r"task 1 .* has no answer"):
        write_tasks([replace(tasks[0], answer=None)], tmp_path / "T.tsv")
    with pytest.raises(UserError, match=r"name it T\.tsv"):
        write_tasks(tasks, tmp_path / "T.csv")
    with pytest.raises(UserError, match="gone"):
        write_tasks([replace(tasks[0], picture=str(tmp_path / "gone.png"))], tmp_path / "T.tsv")
    with pytest.raises(UserError, match="there is no such task"):
        write_tasks(tasks, tmp_path / "T.tsv", only="open")
    assert not list(tmp_path.glob("*T.*"))


def test_texts_that_pandas_takes_for_nothing_are_counted(choices, tmp_path):
    tasks = [replace(task, options=("None", "some")) for task in read_tasks(choices)[:2]]
    assert write_tasks(tasks, tmp_path / "T.tsv") == (2, 2, 2)


@pytest.fixture
def evaluated(choices, tmp_path):
    """Answered, answered nothing in time, failed; and the first once more as sample 1."""
    out = tmp_path / "evaluated"
    tasks = read_tasks(choices)
    scripts = [[zoom(0, 0, 0.5, 0.5), answer("=B. it")], [zoom(0, 0, 0.5, 0.5)] * 9, [zoom(0, 0, 0.5, 0.5)]]
    write_json(out / "protocol.json", {"tasks": str(choices)})
    for seed, task, script in [(0, *both) for both in zip(tasks, scripts, strict=True)] + [
        (1, tasks[0], [answer("A")])
    ]:
        episode = play(Replay({"*": script}), open_picture(task.picture), task, limits=Limits(3), seed=seed)
        append_jsonl(out / "episodes.jsonl", episode.to_dict())
    stops = [json.loads(line)["stop"] for line in (out / "episodes.jsonl").read_text().splitlines()]
    assert stops == [StopReason.ANSWERED, StopReason.TURN_LIMIT, StopReason.POLICY_ERROR, StopReason.ANSWERED]
    return out


def test_predictions_stand_in_the_rows_of_the_table(choices, evaluated, tmp_path):
    write_tasks(read_tasks(choices), tmp_path / "Mine.tsv")
    done = mini_o3("interop", "vlmevalkit-predictions", evaluated, "--out", "model_Mine.tsv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "model_Mine.tsv: 2 predictions of sample 0, 1 of them without an answer",
        "left out: 1 tasks at which the policy failed, 0 that were not asked",
    ]
    rows = {row["index"]: row for row in table(tmp_path / "Mine.tsv")}
    made = table(tmp_path / "model_Mine.tsv")
    assert [(row["index"], row.pop("prediction")) for row in made] == [("0", "=B. it"), ("1", UNANSWERED)]
    for row in made:
        assert row == {name: text for name, text in rows[row["index"]].items() if name != "image"}


def test_another_sample_and_another_format(evaluated, tmp_path):
    made = write_predictions(evaluated, tmp_path / "m.json", seed=1)
    assert made == (1, 0, 0, 2)
    (row,) = json.loads((tmp_path / "m.json").read_text())
    assert (row["index"], row["prediction"], row["answer"]) == (0, "A", "B")
    with pytest.raises(UserError, match=r"seed 2: .* has no such sample \(there are 0 to 1\)"):
        write_predictions(evaluated, tmp_path / "m.json", seed=2)
    with pytest.raises(UserError, match=r"ends in \.tsv, \.json, \.xlsx"):
        write_predictions(evaluated, tmp_path / "m.csv")


@pytest.mark.skipif(importlib.util.find_spec("openpyxl") is not None, reason="openpyxl is there")
def test_without_openpyxl_a_table_is_proposed(evaluated, tmp_path):
    with pytest.raises(UserError, match="pip install openpyxl"):
        write_predictions(evaluated, tmp_path / "m.xlsx")


@needs_pandas
def test_pandas_reads_the_files_as_vlmevalkit_does(choices, evaluated, tmp_path):
    write_tasks(read_tasks(choices), tmp_path / "Mine.tsv")
    script = """
import sys, pandas
from pathlib import Path
from mini_o3.interop.vlmevalkit import write_predictions
write_predictions(Path(sys.argv[1]), Path("m.xlsx"))
table, made = pandas.read_csv("Mine.tsv", sep="\\t"), pandas.read_excel("m.xlsx")
print([int(i) for i in table["index"]], list(table["answer"]), [pandas.isna(cell) for cell in table["D"]])
same = [text == table["question"][i] for i, text in zip(made["index"], made["question"])]
print(same, list(made["prediction"]))
"""
    done = subprocess.run(
        [str(PYTHON), "-c", script, str(evaluated)], cwd=tmp_path, capture_output=True, text=True, timeout=200
    )
    assert done.stdout.splitlines() == [
        "[0, 1, 2] ['B', 'A', 'C'] [True, True, False]",
        f"[True, True] ['=B. it', '{UNANSWERED}']",
    ], done.stderr

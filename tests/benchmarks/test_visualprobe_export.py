"""What is written in VisualProbe's layout is what was released: read back, it is the same tasks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import mini_o3
from layouts import picture, put, visualprobe

from mini_o3.benchmarks.importer import import_tasks
from mini_o3.benchmarks.visualprobe import write_visualprobe
from mini_o3.episode import SearchTask, read_tasks
from mini_o3.kit.errors import UserError


def content(task):
    """A task and its picture, wherever that lies."""
    return replace(task, picture=Path(task.picture).name), Path(task.picture).read_bytes()


def read_back(folder, out):
    import_tasks(folder, out)
    return read_tasks(out)


@pytest.mark.parametrize("split", ["Easy", "Medium", "Hard", "train"])
def test_a_round_trip_changes_nothing(tmp_path, split):
    base = visualprobe(tmp_path / "base", split)
    tasks = read_back(base, tmp_path / "tasks")
    written = write_visualprobe(tasks, tmp_path / "out", split.lower())
    assert written == tmp_path / f"out/VisualProbe_{split}/{'train' if split == 'train' else 'val'}.json"
    original = base / written.relative_to(tmp_path / "out")
    assert json.loads(written.read_text()) == json.loads(original.read_text())
    assert list(map(content, read_back(tmp_path / "out", tmp_path / "again"))) == list(map(content, tasks))


def test_options_stand_in_the_problem_and_are_read_back(tmp_path):
    file = str(put(tmp_path / "a.jpg", picture()))
    task = SearchTask(
        file,
        "Which café?",
        "B",
        options=("one", "two"),
        source="visual_probe_easy",
        category="easy",
        name="x",
        size=(64, 48),
    )
    path = write_visualprobe([task], tmp_path / "out", "easy")
    assert json.loads(path.read_text())[0]["problem"] == "<image>\nWhich café?\nA. one\nB. two"
    assert list(map(content, read_back(tmp_path / "out", tmp_path / "again"))) == [content(task)]


def test_pictures_of_one_name_get_two_and_a_shared_one_is_written_once(tmp_path):
    files = [str(put(tmp_path / folder / "a.jpg", picture(i))) for i, folder in enumerate("xy")]
    tasks = [SearchTask(file, f"Question {i}?", "x") for i, file in enumerate([*files, files[0]])]
    rows = json.loads(write_visualprobe(tasks, tmp_path / "out", "hard").read_text())
    assert [row["images"] for row in rows] == [
        [f"VisualProbe_Hard/data/{name}"] for name in ("a.jpg", "a_2.jpg", "a.jpg")
    ]
    assert [row["doc_id"] for row in rows] == [
        "visual_probe_hard_1",
        "visual_probe_hard_2",
        "visual_probe_hard_3",
    ]
    assert (tmp_path / "out/VisualProbe_Hard/data/a_2.jpg").read_bytes() == picture(1)
    assert len(list((tmp_path / "out/VisualProbe_Hard/data").iterdir())) == 2


def test_what_cannot_be_exported_is_said(tmp_path):
    file = str(put(tmp_path / "a.jpg", picture()))
    with pytest.raises(UserError, match=r"split x: unknown; choose one of train, easy, medium, hard"):
        write_visualprobe([], tmp_path / "out", "x")
    with pytest.raises(UserError, match=r"task 1 \('Where\?'\) has no answer"):
        write_visualprobe([SearchTask(file, "Where?")], tmp_path / "out", "easy")
    with pytest.raises(UserError, match=r"gone\.jpg: no such file"):
        write_visualprobe([SearchTask(str(tmp_path / "gone.jpg"), "Where?", "x")], tmp_path / "out", "easy")
    assert not (tmp_path / "out/VisualProbe_Easy/val.json").exists()


def test_the_export_command(tmp_path):
    read_back(visualprobe(tmp_path / "base"), tmp_path / "tasks")
    arguments = ("tasks", "export", "tasks", "--format", "visualprobe", "--split", "hard", "--out", "out")
    done = mini_o3(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "out/VisualProbe_Hard/val.json\n"), done.stderr
    assert json.loads((tmp_path / "out/VisualProbe_Hard/val.json").read_text()) == json.loads(
        (tmp_path / "base/VisualProbe_Hard/val.json").read_text()
    )

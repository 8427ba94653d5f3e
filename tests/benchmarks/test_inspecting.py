"""`tasks inspect` tells of any folder what is in it, and shows examples with their boxes."""

from __future__ import annotations

import json

from helpers import mini_o3
from layouts import hr_rows, lines, picture, put, tabs, visualprobe, vstar
from PIL import Image

from mini_o3.benchmarks.importer import import_tasks
from mini_o3.benchmarks.sheet import Sheet
from mini_o3.benchmarks.survey import survey
from mini_o3.episode import SearchTask
from mini_o3.vision import Region


def test_a_survey_counts_what_is_there_and_is_the_same_before_and_after_the_import(tmp_path):
    source = vstar(tmp_path / "vstar")
    import_tasks(source, tmp_path / "tasks")
    before, after = (survey(path).to_dict() for path in (source, tmp_path / "tasks"))
    assert before == after
    assert before == {
        "tasks": 4,
        "skipped": 0,
        "without_question": 0,
        "pictures": 4,
        "megapixels": [0.02, 0.02, 0.02],
        "sources": {"vstar": 4},
        "categories": {"direct_attributes": 2, "relative_position": 2},
        "options": {2: 2, 4: 2},
        "letters": {"B": 2, "D": 2},
        "groups": {},
        "unanswered": 0,
        "with_boxes": 4,
        "boxes": 4,
        "box_area": [0.06, 0.06, 0.06],
        "problems": [],
    }


def test_rotations_and_bad_rows_are_counted(tmp_path):
    rows = hr_rows(3)
    rows[5]["answer"] = "Q"
    found = survey(tabs(tmp_path / "hub/hr_bench_4k.tsv", rows).parent)
    data = found.to_dict()
    assert (data["tasks"], data["skipped"], data["groups"], data["letters"]) == (
        11,
        1,
        {3: 1, 4: 2},
        {"A": 3, "B": 2, "C": 3, "D": 3},
    )
    assert data["pictures"] == 3
    assert "groups: 1 of 3, 2 of 4" in found.lines()
    assert any("row 6: answer 'Q' is out of range" in line for line in found.lines())
    assert survey(tmp_path / "hub", limit=4).tasks == 4
    assert not (tmp_path / "hub/pictures").exists()


def test_of_our_own_folder_pictures_that_are_gone_or_changed_are_told(tmp_path):
    for name in "abc":
        put(tmp_path / f"mine/{name}.jpg", picture(ord(name), (100, 80)))
    lines(
        tmp_path / "mine/q.jsonl",
        [{"image": f"{name}.jpg", "question": "?", "answer": name} for name in "abc"],
    )
    import_tasks(tmp_path / "mine", tmp_path / "out")
    (tmp_path / "mine/a.jpg").unlink()
    put(tmp_path / "mine/b.jpg", picture(1, (80, 100)))
    found = survey(tmp_path / "out")
    assert found.skipped == 2
    assert "task 1: its picture a.jpg cannot be read (no such file; check the path)" in found.problems[0]
    assert "task 2: says (100, 80), its picture has (80, 100)" in found.problems[1]


def test_the_sheet_shows_boxes_and_is_drawn_evenly():
    tasks = [
        SearchTask(
            f"{i}.png",
            "Where is it?",
            "B",
            options=("here", "there"),
            targets=(Region(0.5, 0.5, 0.75, 0.75),),
        )
        for i in range(40)
    ]
    white = Image.new("RGB", (640, 640), "white")
    sheet, offered = Sheet(6), 0
    for task in tasks:
        if sheet.wants(task):
            sheet.add(task, white)
            offered += 1
    assert len(sheet.kept) == 6
    assert 6 <= offered < 30  # later ones take the place of earlier ones, but few are opened for nothing
    again = Sheet(6)
    for task in reversed(tasks):
        if again.wants(task):
            again.add(task, white)
    assert again.image().tobytes() == sheet.image().tobytes()
    image = sheet.image()
    red = [(x, y) for x in range(12, 332) for y in range(12, 332) if image.getpixel((x, y)) == (230, 25, 75)]
    assert (min(red), max(red)) == (
        (172, 172),
        (252, 252),
    )  # half to three quarters of 320, after a gap of 12
    assert Sheet(3).image().size[0] > 0


def test_a_tiny_target_is_drawn_large_enough_to_be_seen():
    sheet = Sheet(1)
    sheet.add(
        SearchTask("x.png", "?", "x", targets=(Region(0.5, 0.5, 0.501, 0.501),)),
        Image.new("RGB", (3000, 3000), "white"),
    )
    image = sheet.image()
    assert sum(image.getpixel((x, y)) == (230, 25, 75) for x in range(12, 332) for y in range(12, 332)) > 40


def test_the_command_for_a_data_set_and_for_a_folder_of_tasks(tmp_path):
    visualprobe(tmp_path / "base")
    told = mini_o3("tasks", "inspect", "base", "--sheet", "sheet.jpg", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines() == [
        "3 tasks, 3 pictures, 0 rows with something wrong",
        "picture sizes: least 120 x 90, median 120 x 90, most 120 x 90 (0.0 megapixels at the median)",
        "sources: visual_probe_hard 3",
        "categories: hard 3",
        "options: none: 3",
        "boxes: none",
        "3 examples: sheet.jpg",
    ]
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.size[0] > 900
    import_tasks(vstar(tmp_path / "vstar"), tmp_path / "tasks")
    told = mini_o3("tasks", "inspect", "tasks", "--json", cwd=tmp_path)
    assert json.loads(told.stdout)["letters"] == {"B": 2, "D": 2}
    assert (tmp_path / "runs/inspect/tasks.jpg").is_file()

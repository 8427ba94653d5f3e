"""A set of worlds on disk: the same every time, also after a kill; sound; playable; and with pictures of
one's own."""

import hashlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from helpers import command, environment, mini_o3, play
from PIL import Image

from mini_o3.episode import SearchTask, read_tasks
from mini_o3.kit.config import read_config
from mini_o3.kit.errors import UserError
from mini_o3.policies.teacher import Teacher
from mini_o3.presets import preset
from mini_o3.probes.scenes import LEVELS, RULE_BUDGET, ScenesConfig, build
from mini_o3.probes.scenes.check import check
from mini_o3.probes.scenes.draw import Canvas
from mini_o3.probes.scenes.icons import find_emoji_font
from mini_o3.probes.scenes.plan import find_assets, plan
from mini_o3.probes.shapes.levels import TRAINING_SEEDS
from mini_o3.vision import PixelBudget, open_picture

CONFIG = """
per_picture = 8
kinds = ["street", "dashboard", "map"]
[train]
easy = 32
[test]
easy = 28
"""


def hashes(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def write(path, text=CONFIG):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A set of 60 questions, built in one go."""
    folder = tmp_path_factory.mktemp("worlds")
    config = read_config(write(folder / "set.toml"), ScenesConfig)
    told = []
    assert build(config, folder / "set", workers=1, progress=lambda *count: told.append(count)) == 60
    assert told == [(8, 60), (16, 60), (24, 60), (32, 60), (40, 60), (48, 60), (56, 60), (60, 60)]
    return folder / "set"


def rows(folder, split, name="scenes.jsonl"):
    return [json.loads(line) for line in (folder / split / name).read_text(encoding="utf-8").splitlines()]


def alive(pid):
    """Whether a process runs; one that ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children(pid):
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return [int(word) for word in found.split()]


def test_a_build_that_was_killed_goes_on_and_gives_the_very_same_files(made, tmp_path):
    out = tmp_path / "set"
    args = ("probe", "make", "scenes", "--config", write(tmp_path / "set.toml"), "--out", out, "--workers", 2)
    running = subprocess.Popen(
        command(*args), env=environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    journal = out / ".journal.jsonl"
    while not journal.exists() or journal.read_bytes().count(b"\n") < 2:
        assert running.poll() is None
        time.sleep(0.02)
    workers = children(running.pid)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (out / "manifest.json").exists()
    until = time.monotonic() + 60
    while any(alive(pid) for pid in workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in workers)  # nobody goes on painting for a parent that is gone
    with journal.open("ab") as file:
        file.write(b'{"picture": "cut o')
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg") if not path.name.startswith(".")}
    done = mini_o3(*args, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"60 questions in {out}" in done.stdout
    assert "60/60 questions, 0 min 00 s left" in done.stderr
    assert hashes(out) == hashes(made)
    assert (
        sum(path.stat().st_mtime_ns == changed for path, changed in kept.items()) >= 2
    )  # finished ones were not made again


def test_the_manifest_names_every_file_with_its_hash_and_what_was_checked(made):
    manifest = json.loads((made / "manifest.json").read_text(encoding="utf-8"))
    found = hashes(made)
    del found["manifest.json"], found[".lock"]
    assert {name: entry["sha256"] for name, entry in manifest["files"].items()} == found
    assert len([name for name in found if name.endswith(".jpg")]) == 8
    assert manifest["settings"]["config"]["train"] == {"easy": 32}
    assert manifest["settings"]["emoji"] == "drawn"
    assert {value for what, value in manifest["checks"].items() if what != "worded alike"} == {0}


def test_a_second_build_keeps_what_is_whole_and_mends_what_is_damaged(made, tmp_path):
    config = read_config(write(tmp_path / "set.toml"), ScenesConfig)
    before, times = hashes(made), {path: path.stat().st_mtime_ns for path in made.rglob("*.jpg")}
    damaged = sorted(made.glob("train/pictures/*.jpg"))[1]
    damaged.write_bytes(damaged.read_bytes()[:-100])
    (made / "test/pictures/.a_friends.jpg.7.part").write_bytes(b"x")
    cut = made / f"test/pictures/.{sorted(made.glob('test/pictures/*.jpg'))[0].name}.7.part"
    cut.write_bytes(b"what a kill has left")
    assert build(config, made, workers=1) == 60
    assert not cut.exists()
    (
        made / "test/pictures/.a_friends.jpg.7.part"
    ).unlink()  # nor is what the build did not make its to delete
    assert hashes(made) == before
    assert [path for path, changed in times.items() if path.stat().st_mtime_ns != changed] == [damaged]


def test_tasks_are_tasks_with_exact_targets(made):
    for split, first in (("train", 0), ("test", TRAINING_SEEDS)):
        tasks, scenes = read_tasks(made / split), rows(made, split)
        assert len(tasks) == {"train": 32, "test": 28}[split]
        assert len({task.id for task in tasks}) == len(tasks)
        known = {row["picture"]: row for row in scenes}
        for task in tasks:
            row = known[f"pictures/{Path(task.picture).name}"]
            assert (task.level, task.category) == ("easy", row["kind"])
            assert task.truth == {}
            assert first <= task.seed < first + TRAINING_SEEDS
            (question,) = [question for question in row["questions"] if question["question"] == task.question]
            assert (task.answer, task.family) == (question["answer"], question["family"])
            aims = [part for hop in reversed(question["hops"]) for part in hop["aim"]]
            wanted = [tuple(row["parts"][part][1]) for part in dict.fromkeys(aims)]
            width, height = task.size  # six decimals of a share are exact to the pixel
            sides = [(r.x0 * width, r.y0 * height, r.x1 * width, r.y1 * height) for r in task.targets]
            assert [tuple(round(side) for side in box) for box in sides] == wanted
            assert all(abs(side - round(side)) < 0.01 for box in sides for side in box)
            assert question["answer"] in row["parts"][aims[0]][3].values()
        assert open_picture(tasks[0].picture).size == tasks[0].size


def test_the_card_says_what_the_set_is(made):
    card = (made / "dataset_card.md").read_text(encoding="utf-8")
    assert "| train | 4 | 32 | 32 | 0 | 0 | dashboard 8, map 8, street 16 |" in card
    assert "| test | 4 | 28 | 28 | 0 | 0 | dashboard 8, map 8, street 12 |" in card
    assert "| easy | 0.10% to 0.30% | 3 to 8 | 2 | 3 to 6 |" in card
    assert "| searcher | 401,408 px | 100.0% +- 0.0, " in card
    assert open_picture(made / "levels.png").size[0] > 800


def test_readers_are_printed_and_written_and_the_manifest_still_holds(made):
    before = hashes(made)
    done = mini_o3("probe", "readers", made, cwd=made)
    assert done.returncode == 0, done.stderr
    assert "| text only | none |" in done.stdout
    assert hashes(made) == before  # the same figures, so the same files
    found = json.loads((made / "readers.json").read_text(encoding="utf-8"))
    assert found["split"] == "test"
    figures = found["figures"]["401,408 px"]
    assert figures["searcher"]["easy"]["accuracy"] == 1.0
    assert figures["searcher"]["easy"]["n"] == 28
    assert figures["no zoom"]["easy"]["accuracy"] < 0.4
    assert 0 < figures["no zoom"]["easy"]["stderr"] < 0.1
    missing = mini_o3("probe", "readers", made / "train", cwd=made)
    assert missing.returncode == 2
    assert "make one with `mini-o3 probe make scenes" in missing.stderr


def test_the_teacher_plays_worlds_and_is_always_right(made, tmp_path):
    args = ("eval", "--tasks", made / "test", "--policy", "teacher", "--limit", 9, "--out", tmp_path / "out")
    done = mini_o3(*args, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))
    assert (report["accuracy"], report["tasks"], report["unjudged"]) == (1.0, 9, 0)
    episode = json.loads((tmp_path / "out/episodes.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert episode["profile"].startswith("search@")


def test_the_teacher_finds_a_world_by_its_picture(made):
    task = read_tasks(made / "test")[3]
    teacher = Teacher.for_picture(task.picture, task.question)
    assert (teacher.budget, teacher.profile.name) == (PixelBudget(), "search")
    found = play(teacher, open_picture(task.picture), SearchTask(task.picture, task.question))
    assert (found.answer, found.num_turns) == (task.answer, 1)  # an easy one, and the paper's two megapixels
    small = play(Teacher([task], budget=RULE_BUDGET), open_picture(task.picture), task)
    assert small.answer == task.answer
    assert small.num_turns >= 2


def test_a_world_without_what_is_known_about_it_is_refused(made, tmp_path):
    task = read_tasks(made / "test")[0]
    moved = SearchTask(str(tmp_path / "a/b.jpg"), task.question, category=task.category, size=task.size)
    with pytest.raises(UserError, match=r"scenes.jsonl says nothing of it; keep the files of a set together"):
        play(Teacher([moved]), open_picture(task.picture), moved)


def test_other_settings_are_refused_for_the_same_folder(made, tmp_path):
    with pytest.raises(UserError, match=r"holds probes made with other settings \(config\)"):
        build(ScenesConfig(train={"easy": 8}, test={}), made)


def test_a_folder_that_it_did_not_make_is_refused_and_left_as_it_was(tmp_path):
    holiday = tmp_path / "train/pictures/holiday.jpg"
    holiday.parent.mkdir(parents=True)
    for file in (holiday, tmp_path / "report.part", tmp_path / ".draft.part"):
        file.write_bytes(b"x")
    before = hashes(tmp_path)
    with pytest.raises(UserError, match=r"holds files that are not probes \(\.draft\.part\)"):
        build(ScenesConfig(train={"easy": 8}, test={}), tmp_path)
    assert hashes(tmp_path) == before


def test_what_training_and_test_share_is_found(made):
    train, test = rows(made, "train"), rows(made, "test")
    check(train, test)
    for change, said in (
        ({"seed": train[0]["seed"]}, "seeds in both: 1, test seeds too small: 1"),
        ({"layout": train[0]["layout"]}, "layouts in both: 1, layouts twice: 1"),
        (
            {"layout": train[0]["layout"], "questions": train[0]["questions"], "parts": train[0]["parts"]},
            "about a layout in both: 8",
        ),
        ({"sha256": train[0]["sha256"]}, "pictures in both: 1, pictures twice: 1"),
        ({"size": [100, 100]}, "rules broken: 8"),
    ):
        with pytest.raises(RuntimeError, match=said):
            check(train, [{**test[0], **change}, *test[1:]])
    with pytest.raises(RuntimeError, match="photographs in both: 1"):
        check(
            [{**train[0], "photo": "a.jpg"}, {**train[1], "photo": "b.jpg"}], [{**test[0], "photo": "a.jpg"}]
        )


def test_own_photographs_are_hidden_in_and_those_of_test_pictures_held_out(tmp_path):
    photos = tmp_path / "holiday"
    photos.mkdir()
    for index, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (600, 500), colour).save(photos / f"{index}.png")
    text = f'photos = "{photos}"\nkinds = ["photo"]\nper_picture = 2\n[train]\neasy = 4\n[test]\neasy = 2\n'
    build(read_config(write(tmp_path / "set.toml", text), ScenesConfig), tmp_path / "set", workers=1)
    assert {row["photo"] for row in rows(tmp_path / "set", "test")} == {"0.png"}
    assert {row["photo"] for row in rows(tmp_path / "set", "train")} <= {"1.png", "2.png"}
    for row in rows(tmp_path / "set", "test"):
        pixels = (
            open_picture(tmp_path / "set/test" / row["picture"])
            .resize((1, 1), Image.Resampling.BOX)
            .getpixel((0, 0))
        )
        assert pixels[0] > pixels[1] + 40  # mostly the red photograph


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[train]\nmiddling = 3", "train: middling = 3: give questions (0 to 400,000) of easy, medium, hard"),
        ("[test]\neasy = -1", "test: easy = -1"),
        ("quality = 10", "quality: should be greater than or equal to 70, got 10"),
        ("colour = 1", "colour: there is no such setting"),
        ('photos = "nowhere"', "photos nowhere: no pictures there"),
        ('photos = ""\nkinds = ["photo"]', "photos: the photo kind needs a folder of pictures, or `bundled`"),
    ],
)
def test_settings_that_make_no_sense_are_one_line(tmp_path, text, said):
    with pytest.raises(UserError) as error:
        build(read_config(write(tmp_path / "set.toml", text), ScenesConfig), tmp_path / "set")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_photographs_that_cannot_be_used_are_named(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    with pytest.raises(
        UserError, match=r"broken.jpg: not a picture that can be used; take it out of the folder"
    ):
        find_assets(ScenesConfig(photos=str(tmp_path)))
    Image.new("1", (10_000, 5_001)).save(tmp_path / "broken.jpg", "PNG")
    with pytest.raises(
        UserError, match=r"broken.jpg: 50,010,000 pixels, more than 50,000,000; scale it down"
    ):
        find_assets(ScenesConfig(photos=str(tmp_path)))


@pytest.mark.skipif(find_emoji_font() is None, reason="Noto Color Emoji is not installed here")
def test_emoji_take_the_place_of_silhouettes_but_for_those_whose_colour_is_asked_for():
    drawn, coloured = Canvas((40, 40), None), Canvas((40, 40), find_emoji_font())
    for tinted in (True, False):
        for canvas in (drawn, coloured):
            canvas.icon("heart", 20, 20, 30, (0, 0, 255), tinted)
        assert (drawn.image.tobytes() == coloured.image.tobytes()) is tinted
    red, _, blue = coloured.image.getpixel((20, 20))
    assert red > blue + 80


@pytest.mark.skipif(find_emoji_font() is not None, reason="Noto Color Emoji is installed here")
def test_emoji_that_are_not_installed_are_refused():
    with pytest.raises(UserError, match="emoji: Noto Color Emoji is in none of"):
        find_assets(ScenesConfig(emoji="noto"))


def test_the_shipped_config_is_of_the_papers_size():
    config = read_config(preset("scenes", "visual_probe"), ScenesConfig)
    jobs = plan(config)
    asked = {split: dict.fromkeys(LEVELS, 0) for split in ("train", "test")}
    for job in jobs:
        asked[job.split][job.level] += job.asked
    assert asked == {
        "train": {"easy": 1200, "medium": 1600, "hard": 1200},
        "test": {"easy": 137, "medium": 260, "hard": 103},
    }
    assert len({job.picture for job in jobs}) == len(jobs) == 1126
    assert {job.kind for job in jobs} == {"shelf", "street", "crowd", "map", "dashboard", "photo"}
    huge = [job for job in jobs if job.pixels > 30e6]
    assert 0 < len(huge) < 25
    assert {job.level for job in huge} == {"hard"}
    assert os.path.basename(jobs[0].picture) == "easy_shelf_1000000.jpg"

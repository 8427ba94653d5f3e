"""Probes of several pictures: the target is in one or in none, and the teacher finds it or says so."""

import asyncio
import json

import pytest

from mini_o3.episode import Limits, Status, read_tasks, run_episode
from mini_o3.evaluate.absent import not_there
from mini_o3.evaluate.metrics import Judged
from mini_o3.judge import CORRECT
from mini_o3.kit.errors import UserError
from mini_o3.policies.teacher import Teacher
from mini_o3.probes.shapes.build import make_probes
from mini_o3.probes.shapes.several import make_several
from mini_o3.probes.shapes.truth import truth_of
from mini_o3.vision import Album, InMemory, Rect, locate
from mini_o3.vision.album import lay_out

SEED = 500_000_000


def played(probe, turns=200):
    album = Album([InMemory(picture) for picture in probe.pictures])
    policy = Teacher([probe.task])
    return asyncio.run(run_episode(probe.task, policy, Limits(turns=turns), picture=album))


@pytest.mark.parametrize("level", ["easy", "hard"])
@pytest.mark.parametrize("count", [2, 3])
def test_one_thing_of_all_pictures_fits_the_goal(level, count):
    for seed in range(SEED, SEED + 6):
        probe = make_several(seed, level, count)
        truth = truth_of(probe.task)
        fitting = [thing.region for thing in truth.things if truth.goal.fits(thing)]
        assert fitting == [probe.task.targets[0]]
        size, places = lay_out([picture.size for picture in probe.pictures])
        assert size == probe.task.size
        whole = Rect(0, 0, *size)
        assert all(locate(places, thing.region.to_rect(whole)) is not None for thing in truth.things)


def test_the_target_is_not_always_in_the_same_picture():
    places = set()
    for seed in range(SEED, SEED + 12):
        probe = make_several(seed, "easy", 3)
        size, cells = lay_out([picture.size for picture in probe.pictures])
        places.add(locate(cells, probe.task.targets[0].to_rect(Rect(0, 0, *size)))[0])
    assert places == {0, 1, 2}


def test_with_an_absent_target_nothing_fits():
    for seed in range(SEED, SEED + 6):
        probe = make_several(seed, "easy", 3, absent=1.0)
        truth = truth_of(probe.task)
        assert not [thing for thing in truth.things if truth.goal.fits(thing)]
        assert (probe.task.answer, bool(truth.absent), probe.task.targets) == ("not there", True, ())


def test_the_same_seed_gives_the_same_probe():
    one, other = make_several(SEED, "easy", 2), make_several(SEED, "easy", 2)
    assert one.task == other.task
    assert [p.tobytes() for p in one.pictures] == [p.tobytes() for p in other.pictures]


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("level", ["easy", "medium"])
def test_the_teacher_solves_them(level, count):
    for seed in range(SEED, SEED + 4):
        probe = make_several(seed, level, count)
        episode = played(probe)
        assert (episode.answer, episode.first_views) == (probe.task.answer, count)
        assert episode.evidence.overlap(probe.task.targets[0]) > 0.9


def test_the_teacher_says_not_there_after_it_has_looked_at_all_candidates():
    rows = []
    for seed in range(SEED, SEED + 4):
        probe = make_several(seed, "easy", 2, absent=1.0)
        episode = played(probe)
        assert episode.status is Status.NOT_FOUND
        rows.append(Judged(probe.task, episode, CORRECT))
    told = not_there(rows)["candidates_told"]
    assert told["true"] > 0.9
    assert told["false"] is None


def test_a_folder_of_them_is_read_as_tasks(tmp_path):
    assert make_probes("easy", 2, SEED, tmp_path / "p", pictures=2) == 2
    assert json.loads((tmp_path / "p" / "probes.json").read_text())["pictures"] == 2
    tasks = read_tasks(tmp_path / "p")
    assert [[path.rpartition("/")[2] for path in task.pictures] for task in tasks] == [
        [f"easy_{seed}_1.jpg", f"easy_{seed}_2.jpg"] for seed in (SEED, SEED + 1)
    ]
    episode = asyncio.run(run_episode(tasks[0], Teacher(tasks), Limits(turns=60)))
    assert episode.answer == tasks[0].answer
    with pytest.raises(UserError, match="pictures 9: must be 1 to 6"):
        make_probes("easy", 2, SEED, tmp_path / "q", pictures=9)

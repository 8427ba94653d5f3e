"""Probes whose target is not there; a searcher says so only after it has looked at all that could be it."""

import json
from functools import cache

import pytest
from helpers import play
from PIL import Image

from mini_o3.episode import NOT_THERE, Limits, SearchTask, Status
from mini_o3.judge.exact import judge_exact
from mini_o3.kit.rng import stream
from mini_o3.policies.lucky import LuckyTeacher
from mini_o3.policies.teacher import Teacher
from mini_o3.probes.shapes import FAMILIES, LEVELS, eye, make_probe
from mini_o3.probes.shapes.absent import KINDS, candidates_told, is_absent, without_target
from mini_o3.probes.shapes.build import make_probes
from mini_o3.probes.shapes.scene import lay_out
from mini_o3.probes.shapes.search import PATTERNS
from mini_o3.probes.shapes.truth import truth_of
from mini_o3.vision import PixelBudget, Rect

SIZE = (2000, 1500)
QUARTERS = {Rect(x, y, x + 1200, y + 900) for x in (0, 800) for y in (0, 600)}
TINY = PixelBudget(max_pixels=784, min_pixels=784, square=True)


@cache
def scenes(level):
    """(seed, the usual scene, the same without its target)."""
    out = []
    for seed in range(60):
        rng = stream("test", level, seed)
        scene = lay_out(rng, LEVELS[level], FAMILIES[rng.integers(len(FAMILIES))], SIZE)
        out.append((seed, scene, without_target(scene, level, seed)))
    return out


@cache
def tasks(level):
    return [
        SearchTask(f"{level}_{seed}.jpg", "?", NOT_THERE, level=level, size=SIZE, truth=scene.truth.to_dict())
        for seed, _, scene in scenes(level)[:24]
    ]


@cache
def episode(task, pattern):
    teacher = Teacher([task], pattern=pattern, budget=TINY)
    return play(teacher, Image.new("L", SIZE), task, limits=Limits(turns=64))


@pytest.mark.parametrize("level", LEVELS)
def test_nothing_fits_the_goal_and_only_what_did_has_changed(level):
    drawn = set()
    for _, usual, scene in scenes(level):
        assert (scene.answer, scene.evidence, scene.goal) == (NOT_THERE, (), usual.goal)
        assert not any(scene.goal.fits(thing) for thing in scene.things)
        changed = [(a, b) for a, b in zip(usual.things, scene.things, strict=True) if a != b]
        alike = [thing for thing in scene.things if scene.goal.colour in (None, thing.colour)]
        assert changed[0][0] == usual.things[0]
        assert all(a.region == b.region for a, b in changed)
        before, after = changed[0]
        if scene.absent == "nothing_alike":
            assert alike == []
        else:
            assert len(changed) == 1
            part = scene.absent.removeprefix("wrong_")
            assert getattr(before, part) != getattr(after, part)
            assert getattr(scene.goal, part) == getattr(before, part)
            assert alike
        drawn.add(scene.absent)
    assert drawn == set(KINDS)


def test_a_share_is_absent_and_the_others_are_the_usual_probes(tmp_path):
    usual = [make_probe(seed, "easy", size=(300, 200)) for seed in range(20)]
    half = [make_probe(seed, "easy", size=(300, 200), absent=0.5) for seed in range(20)]
    gone = [probe for probe in half if probe.task.answer == NOT_THERE]
    assert 5 <= len(gone) <= 15
    for before, after in zip(usual, half, strict=True):
        assert before.task.question == after.task.question
        if after in gone:
            assert after.task.targets == ()
            assert after.task.to_dict()["absent"] in KINDS
            assert before.task.id != after.task.id
        else:
            assert before.task == after.task
            assert before.picture.tobytes() == after.picture.tobytes()
    few, many = ({seed for seed in range(200) if is_absent("hard", seed, share)} for share in (0.2, 0.6))
    assert few < many
    assert all(is_absent("hard", seed, 1.0) and not is_absent("hard", seed, 0.0) for seed in range(200))


def test_a_folder_says_its_share_and_holds_no_other(tmp_path):
    make_probes("easy", 1, 500_001_153, tmp_path, absent=1.0)
    (row,) = map(json.loads, (tmp_path / "tasks.jsonl").read_text(encoding="utf-8").splitlines())
    task = SearchTask.from_dict(row)
    assert (task.answer, truth_of(task).absent) == (NOT_THERE, row["absent"])
    assert task.to_dict() == row
    assert json.loads((tmp_path / "probes.json").read_text(encoding="utf-8"))["absent"] == 1.0
    with pytest.raises(ValueError, match=r"probes made with other settings \(absent\)"):
        make_probes("easy", 1, 500_001_153, tmp_path)


@pytest.mark.parametrize("pattern", [None, *PATTERNS])
@pytest.mark.parametrize("level", LEVELS)
def test_the_searcher_says_so_only_after_every_candidate_was_told(level, pattern):
    for task in tasks(level):
        found = episode(task, pattern)
        assert (found.answer, found.status) == (NOT_THERE, Status.NOT_FOUND), task.id
        assert found.turns[-1].thought.endswith(f"not seen; answer {NOT_THERE}")
        views = [turn.rect for turn in found.turns if turn.rect]
        assert candidates_told(truth_of(task), SIZE, views) in (None, 1.0), (task.id, truth_of(task).absent)
        assert set(views) >= QUARTERS
        assert judge_exact(found, task.answer).is_correct


def test_candidates_are_told_by_views_that_show_what_the_goal_needs():
    _, _, scene = next(row for row in scenes("easy") if row[2].absent == "wrong_digit")
    likely = [thing for thing in scene.things if thing.colour == scene.goal.colour]
    assert candidates_told(scene.truth, SIZE, [Rect(0, 0, *SIZE)]) == 0.0
    near = [thing.region.to_rect(Rect(0, 0, *SIZE)) for thing in likely]
    wide = [Rect(max(r.left - 20, 0), max(r.top - 20, 0), r.right + 20, r.bottom + 20) for r in near]
    assert candidates_told(scene.truth, SIZE, wide) == 1.0
    assert candidates_told(scene.truth, SIZE, wide[:1]) == pytest.approx(1 / len(likely))
    seen = eye.look(scene.things, SIZE, wide[0])
    assert any(s.digit_shows for s in seen)
    _, _, bare = next(row for row in scenes("easy") if row[2].absent == "nothing_alike")
    assert candidates_told(bare.truth, SIZE, wide) is None


def test_nobody_guesses_that_it_is_not_there():
    for task in tasks("hard")[:4]:
        teacher = Teacher([task], budget=TINY)
        one, other = (
            play(policy, Image.new("L", SIZE), task, limits=Limits(turns=64))
            for policy in (teacher, LuckyTeacher(teacher, 1.0))
        )
        assert [turn.text for turn in one.turns] == [turn.text for turn in other.turns]

"""Probes are what they claim: the same by seed, boxes exact, one right answer, small enough, large enough."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from mini_o3.episode import SearchTask
from mini_o3.kit.errors import UserError
from mini_o3.kit.rng import stream
from mini_o3.probes.shapes import FAMILIES, LEVELS, make_probe
from mini_o3.probes.shapes.build import find_photos, make_probes
from mini_o3.probes.shapes.draw import place
from mini_o3.probes.shapes.eye import central, look
from mini_o3.probes.shapes.levels import SEE_DIGIT, VIEW_BUDGET, zooms_needed
from mini_o3.probes.shapes.questions import is_probe_question
from mini_o3.probes.shapes.scene import lay_out
from mini_o3.probes.shapes.truth import truth_of
from mini_o3.probes.shapes.words import COLOURS, DIGITS, SHAPES
from mini_o3.vision import Rect, Region, show


def tasks(level, count=60, family=None, size=(2000, 1500)):
    """Layouts only: painting the pictures is slow and not needed to check what stands where."""
    out = []
    for seed in range(count):
        rng = stream("test", level, seed)
        name = family or FAMILIES[rng.integers(len(FAMILIES))]
        out.append((name, lay_out(rng, LEVELS[level], name, size)))
    return out


def test_the_same_seed_gives_the_same_probe_and_another_seed_another():
    first, again, other = (make_probe(seed, "easy", size=(1400, 1400)) for seed in (7, 7, 8))
    assert first.task == again.task
    assert first.picture.tobytes() == again.picture.tobytes()
    assert first.picture.tobytes() != other.picture.tobytes()
    assert first.task != other.task


def test_two_processes_at_one_folder_make_every_probe_once(tmp_path):
    with ThreadPoolExecutor(2) as pool:  # a lock of a file is each opener's own, also within one process
        counts = list(pool.map(lambda _: make_probes("easy", 3, 500_000_000, tmp_path), range(2)))
    assert counts == [3, 3]
    rows = [json.loads(line) for line in (tmp_path / "tasks.jsonl").read_text().splitlines()]
    assert [row["seed"] for row in rows] == [500_000_000, 500_000_001, 500_000_002]


def test_a_probe_of_this_version_stays_the_same_for_ever():
    probe = make_probe(500_000_000, "medium", size=(800, 600))
    assert (probe.task.question, probe.task.answer) == ("Which digit does the blue cross carry?", "0")
    assert probe.task.targets[0].to_rect(Rect(0, 0, 800, 600)) == (337, 455, 359, 477)
    assert np.asarray(probe.picture).mean((0, 1)) == pytest.approx([95.99, 97.29, 94.60], abs=0.05)


@pytest.mark.parametrize("level", LEVELS)
def test_exactly_one_thing_fits_the_whole_goal_and_candidates_look_alike_from_afar(level):
    for family, scene in tasks(level):
        fitting = [thing for thing in scene.things if scene.goal.fits(thing)]
        if family == "shape":
            assert {thing.shape for thing in fitting} == {scene.answer}
        assert fitting[0] == scene.things[0]
        if family != "beside":
            assert len(fitting) == 1
        alike = [thing for thing in scene.things if scene.goal.colour in (None, thing.colour)]
        assert len(alike) >= 2


@pytest.mark.parametrize("level", LEVELS)
def test_area_candidates_and_depth_follow_the_stated_rule(level):
    rules = LEVELS[level]
    for family, scene in tasks(level):
        target = scene.things[0]
        side = target.region.area**0.5
        assert rules.side[0] - 0.0006 <= side <= rules.side[1] + 0.0006
        if family in ("digit", "shape"):
            alike = sum(thing.colour == scene.goal.colour for thing in scene.things)
            assert alike <= rules.candidates[1]
        assert zooms_needed(side, SEE_DIGIT) >= 2


def test_levels_get_harder_in_every_respect():
    easy, medium, hard = LEVELS.values()
    assert easy.side[0] > medium.side[1] > medium.side[0] > hard.side[1]
    assert easy.candidates < medium.candidates < hard.candidates
    assert (easy.depth, medium.depth, hard.depth) == (2, 2, 3)


def test_every_family_has_eight_answers_or_more_and_uses_them():
    assert (len(COLOURS), len(SHAPES), len(DIGITS)) == (8, 8, 10)
    for family in FAMILIES:
        answers = Counter(scene.answer for _, scene in tasks("easy", 300, family))
        assert len(answers) >= 8
        assert max(answers.values()) < 300 * 0.25


@pytest.mark.parametrize("level", LEVELS)
def test_boxes_are_exact_to_the_pixel(level):
    """Nothing changes outside the boxes, and in each box something changes at two opposite edges at least."""
    for family, scene in tasks(level, 6):
        before = np.full((1500, 2000, 3), 90, np.uint8)
        after = np.asarray(place(np.random.default_rng(0), scene, Image.fromarray(before.copy())))
        changed = (after != before).any(2)
        for thing in scene.things:
            box = thing.region.to_rect(Rect(0, 0, 2000, 1500))
            assert box.width == box.height
            part = changed[box.top : box.bottom, box.left : box.right]
            rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
            assert max(np.ptp(rows), np.ptp(columns)) >= 0.85 * box.width - 2, (family, thing)
        for thing in scene.things:
            box = thing.region.to_rect(Rect(0, 0, 2000, 1500))
            changed[box.top : box.bottom, box.left : box.right] = False
        assert not changed.any()


def test_sizes_lie_between_two_and_sixteen_megapixels():
    sizes = [make_probe(seed, "easy").task.size for seed in range(12)]
    areas = [width * height / 1e6 for width, height in sizes]
    assert all(1.79 <= area <= 16.01 for area in areas)
    assert max(areas) > 2 * min(areas)


def test_the_digit_is_a_few_pixels_in_the_overview():
    """What a direct look has to work with: about 6 of the 168 pixels of nano's view."""
    for _, scene in tasks("easy"):
        share = scene.things[0].region.area ** 0.5
        assert share * 168 * 0.52 < 6.2


def test_what_is_seen_in_a_view_is_where_it_is_said_to_be():
    probe = make_probe(3, "easy", size=(1500, 1500))
    things = truth_of(probe.task).things
    target = things[0]
    rect = Region.around(*target.region.centre, 0.2, 0.2).to_rect(Rect(0, 0, 1500, 1500))
    seen = central(look(things, (1500, 1500), rect), None)
    assert seen is not None
    assert seen.thing == target
    view = np.asarray(show(probe.picture, rect, VIEW_BUDGET)).astype(int)
    x, y, half = int(seen.x * 168), int(seen.y * 168), int(seen.share * 168 / 2)
    part = view[y - half : y + half, x - half : x + half].reshape(-1, 3)
    assert (np.abs(part - np.array(COLOURS[target.colour])).max(1) < 40).mean() > 0.2


def test_photo_mode_paints_on_the_photographs_of_a_folder():
    photos = find_photos("bundled")
    plain, pasted = (
        make_probe(5, "easy", size=(1400, 1400)),
        make_probe(5, "easy", size=(1400, 1400), photos=photos),
    )
    assert plain.task.truth == pasted.task.truth
    assert plain.picture.tobytes() != pasted.picture.tobytes()


def test_probe_questions_are_recognised_and_others_are_not():
    assert all(
        is_probe_question(make_probe(seed, "easy", size=(200, 200)).task.question) for seed in range(8)
    )
    assert not is_probe_question("How many dogs are there?")
    assert not is_probe_question("What colour is the car?")


def test_a_folder_that_it_did_not_make_is_refused_and_left_as_it_was(tmp_path):
    (tmp_path / "tasks.jsonl").write_text("somebody's notes\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"holds files that are not probes \(tasks.jsonl\)"):
        make_probes("easy", 1, 500_000_000, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tasks.jsonl"]
    assert (tmp_path / "tasks.jsonl").read_text(encoding="utf-8") == "somebody's notes\n"


@pytest.mark.parametrize("kept", ["", "[]", "{"])
def test_settings_that_cannot_be_read_are_one_line(tmp_path, kept):
    (tmp_path / "probes.json").write_text(kept, encoding="utf-8")
    with pytest.raises(
        UserError, match=r"probes.json: does not say how probes were made; give another folder"
    ):
        make_probes("easy", 1, 500_000_000, tmp_path)


def test_a_task_that_is_no_probe_is_refused():
    for truth in ({}, {"goal": {"ask": "digit"}, "things": []}, {"goal": 3, "things": [[1]]}):
        with pytest.raises(UserError, match=r"a.jpg: not a probe; make probes with"):
            truth_of(SearchTask("a.jpg", "What?", truth=truth))


def test_what_is_known_about_a_probe_survives_the_disk():
    task = make_probe(3, "easy", size=(300, 300)).task
    again = SearchTask.from_dict(json.loads(json.dumps(task.to_dict())))
    kept, read = truth_of(task), truth_of(again)
    assert read.goal == kept.goal
    for one, other in zip(kept.things, read.things, strict=True):
        assert (other.colour, other.shape, other.digit) == (one.colour, one.shape, one.digit)
        assert other.region.xyxy == pytest.approx(one.region.xyxy, abs=5e-7)
    assert again.to_dict() == task.to_dict()

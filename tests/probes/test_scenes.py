"""Worlds are what they claim: the same by seed, boxes exact and uncovered, one right answer, the stated rule
kept."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mini_o3.judge import normalise
from mini_o3.probes.scenes import BUDGETS, LEVELS, RULE_BUDGET, make_scene, words
from mini_o3.probes.scenes.draw import Canvas
from mini_o3.probes.scenes.eye import Eye, least_zooms
from mini_o3.probes.scenes.icons import ICONS, icon_mask
from mini_o3.probes.scenes.kinds import KINDS
from mini_o3.probes.scenes.kinds.props import scatter
from mini_o3.probes.scenes.levels import LEAST_LETTER, SEE_ICON, SEE_TEXT, view_scale
from mini_o3.probes.scenes.questions import Narrow
from mini_o3.probes.scenes.readers import chance, favourite_answers, random_boxes, read
from mini_o3.probes.scenes.search import ScenesSearcher
from mini_o3.probes.scenes.sketch import carry_out
from mini_o3.probes.scenes.truth import Hop, Part, Question, question_dict, read_parts, read_question
from mini_o3.probes.shapes.build import find_photos
from mini_o3.protocol import Zoom
from mini_o3.vision import PixelBudget, Rect

PHOTOS = find_photos("bundled")
EVERY = [(kind, level) for kind in KINDS for level in LEVELS]
_MADE = {}


def world(kind, level, seed=0, count=4):
    """Layout and questions; painting is slow and only done where pixels are looked at."""
    if (kind, level, seed, count) not in _MADE:
        _MADE[kind, level, seed, count] = make_scene(kind, level, seed, count, PHOTOS)
    return _MADE[kind, level, seed, count]


def facts(scene, mark):
    known = dict(mark.afar)
    for part in mark.parts:
        known |= scene.parts[part].facts
    return known


def test_the_same_seed_gives_the_same_world_and_another_seed_another():
    (first, asked), (again, asked_again), (other, _) = (
        make_scene("map", "easy", seed, 4) for seed in (7, 7, 8)
    )
    assert (first.scene, asked) == (again.scene, asked_again)
    assert first.paint().tobytes() == again.paint().tobytes()
    assert first.scene.layout() != other.scene.layout()


def test_a_world_of_this_version_stays_the_same_for_ever():
    sketch, questions = make_scene("crowd", "easy", 500_000_000, 2)
    picture = np.asarray(sketch.paint())
    assert sketch.scene.size == (2510, 1883)
    assert [(question.text, question.answer) for question in questions] == [
        (
            "The green board shows a number. What is the name of the one in the blue shirt who wears it?",
            "Bruno",
        ),
        ("What number does the person in the blue shirt with the arrow on the cap wear?", "740"),
    ]
    assert sketch.scene.parts[questions[0].evidence[0]].rect == (1945, 1090, 2093, 1145)
    assert picture.mean((0, 1)) == pytest.approx([131.62, 117.63, 124.40], abs=0.05)


@pytest.mark.parametrize(("kind", "level"), EVERY)
def test_every_question_keeps_to_the_rule_of_its_level(kind, level):
    rules = LEVELS[level]
    sketch, questions = world(kind, level)
    scene, eye = sketch.scene, Eye(sketch.scene.parts, RULE_BUDGET)
    width, height = scene.size
    assert rules.megapixels[0] * 0.99e6 <= width * height <= 7680 * 4320
    assert len({question.text for question in questions}) == 4
    for question in questions:
        target = scene.parts[question.evidence[0]].rect
        assert rules.area[0] <= target.width * target.height / (width * height) <= rules.area[1]
        assert rules.candidates[0] <= len(question.guesses) <= rules.candidates[1]
        assert question.turns == 1 + least_zooms(eye, scene.size, [hop.aim for hop in question.hops])
        assert rules.turns[0] <= question.turns <= rules.turns[1]
        assert not eye.reads(Rect(0, 0, width, height))[list(question.evidence)].all()
        assert (
            max(scene.parts[part].needs for part in question.evidence) <= 0.8
        )  # legible at native size, and well so


@pytest.mark.parametrize(("kind", "level"), EVERY)
def test_what_a_question_says_fits_one_thing_alone_and_that_one_has_the_answer(kind, level):
    sketch, questions = world(kind, level)
    scene = sketch.scene
    for question in questions:
        family = next(family for family in KINDS[kind].families if family.name == question.family)
        aim = question.hops[-1].aim
        target = next(
            mark for mark in scene.marks if set(aim) <= set(mark.parts) and mark.kind == family.kind
        )
        known = facts(scene, target)
        said = [
            n for n in family.narrow if n.facts and n.clause and n.clause.format(**known) in question.text
        ]
        always = [n for n in family.narrow if not n.clause]
        narrow = max(said or always or [Narrow()], key=lambda n: len(n.facts))
        marks = [mark for mark in scene.marks if mark.kind == family.kind]
        alike = [m for m in marks if all(facts(scene, m).get(fact) == known[fact] for fact in narrow.facts)]
        fitting = [m for m in alike if all(facts(scene, m).get(key) == known[key] for key in family.keys)]
        assert fitting == [target], question.text
        assert question.answer == known[family.ask]
        assert question.answer in scene.parts[aim[0]].facts.values()
        spots = question.hops[-1].spots
        assert question.guesses[spots.index(aim)] == question.answer
        assert len(set(spots)) == len(spots) <= len(alike)
        assert 0 < len(normalise(question.answer)) <= 20
        assert "{" not in question.text + question.goal
        assert question.text[0].isupper()
        assert question.text.endswith("?")


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_that_leads_elsewhere_names_a_place_that_says_what_to_look_for(kind):
    found = 0
    for question in itertools.chain(*(world(kind, level)[1] for level in LEVELS)):
        if len(question.hops) == 2:
            found += 1
            first, last = question.hops
            assert first.aim in first.spots
            assert len(first.spots) == len(set(first.spots)) >= 2
            assert set(first.aim).isdisjoint(last.aim)
            assert len(question.evidence) == len({*first.aim, *last.aim})
    assert found >= 3


def painted_step_by_step(sketch):
    """After every stroke the canvas, how many strokes it bears, and the parts that are finished with it."""
    canvas = Canvas(sketch.scene.size, None)
    finished = {}
    for part, count in enumerate(sketch.finished):
        finished.setdefault(count, []).append(part)
    for count, stroke in enumerate(sketch.strokes, start=1):
        if stroke[0] not in ("light", "grain"):  # these two change every pixel, and nothing comes after them
            yield canvas, stroke, count
            carry_out(canvas, stroke)
            for part in finished.get(count, ()):
                yield canvas, part, count


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_are_exact_to_the_pixel_and_nothing_covers_what_is_to_be_read(kind):
    sketch, _ = world(kind, "easy")
    parts, before, after = sketch.scene.parts, {}, {}
    boxes = {
        (part.rect.left, part.rect.top, part.rect.right - 1, part.rect.bottom - 1): i
        for i, part in enumerate(parts)
    }

    def near(canvas, part, margin):
        left, top, right, bottom = parts[part].rect
        return np.asarray(
            canvas.image.crop((left - margin, top - margin, right + margin, bottom + margin))
        ).astype(int)

    for canvas, what, _ in painted_step_by_step(sketch):
        if isinstance(what, int):
            after[what] = near(canvas, what, 0)
            changed = (np.abs(near(canvas, what, 9) - before[what]) > 0).any(2)
            rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
            width, height = parts[what].rect.width, parts[what].rect.height
            assert (columns[0], columns[-1], rows[0], rows[-1]) == (9, 8 + width, 9, 8 + height), parts[what]
        elif what[1] and what[1][0] == "rounded_rectangle" and what[1][1] in boxes:
            before[boxes[what[1][1]]] = near(canvas, boxes[what[1][1]], 9)
    assert len(after) == len(parts) > 10
    for part, pixels in after.items():
        assert (near(canvas, part, 0) == pixels).all(), parts[part]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_stands_out_in_the_finished_picture(kind):
    sketch, _ = world(kind, "easy")
    grey = np.asarray(sketch.paint().convert("L")).astype(int)
    for part in sketch.scene.parts:
        left, top, right, bottom = part.rect
        low, high = np.quantile(grey[top + 3 : bottom - 3, left + 3 : right - 3], (0.04, 0.96))
        assert high - low > 40, part


@pytest.mark.parametrize("level", LEVELS)
def test_capital_letters_and_emblems_are_never_smaller_than_promised(level):
    for kind in KINDS:
        sketch, _ = world(kind, level)
        assert sketch.unit >= LEAST_LETTER
        assert all(part.needs <= max(SEE_TEXT / LEAST_LETTER, SEE_ICON / 15) for part in sketch.scene.parts)


@pytest.mark.parametrize("level", LEVELS)
def test_the_searcher_answers_right_in_time_and_only_what_it_has_read(level):
    for kind in KINDS:
        sketch, questions = world(kind, level)
        scene, whole = sketch.scene, Rect(0, 0, *sketch.scene.size)
        eye = Eye(scene.parts, RULE_BUDGET)
        for question in questions:
            moves = list(ScenesSearcher(scene.parts, question, eye, scene.size).moves())
            assert len(moves) <= 32
            assert moves[-1].action.text == question.answer
            seen = eye.reads(whole)
            for move in moves[:-1]:
                assert not seen[list(question.evidence)].all()  # it stops when it knows
                seen |= eye.reads(move.action.region.to_rect(whole))
            assert seen[list(question.evidence)].all()
            assert len(moves) >= question.turns


def test_the_searcher_goes_through_quarters_of_a_blank_view_and_gives_up_on_what_is_not_there():
    parts = [Part("tag", Rect(3000, 3000, 3080, 3040), 0.8, {"name": "Luri", "price": "1.19"})]
    question = Question("price", "?", "1.19", "the price of Luri", (Hop("tag", (0,), ((0,),)),), ("1.19",))
    eye = Eye(parts, PixelBudget(max_pixels=28_224, min_pixels=28_224, square=True))
    moves = list(ScenesSearcher(parts, question, eye, (4000, 4000)).moves())
    rects = [move.action.region.to_rect(Rect(0, 0, 4000, 4000)) for move in moves[:-1]]
    assert [rect.width for rect in rects[:18]] == [2400, 1440, 1440, 1440, 1440] * 3 + [2400, 1440, 1440]
    assert rects[17] == (2560, 1600, 4000, 3040)
    assert rects[18].width < 220  # close to native size, after which it knows
    assert moves[19].action.text == "1.19"
    blind = Eye([Part("tag", Rect(3000, 3000, 3080, 3040), 1.1, {})], RULE_BUDGET)
    moves = ScenesSearcher(parts, question, blind, (4000, 4000)).moves()
    assert all(isinstance(move.action, Zoom) for move in moves)


def two_tags():
    """Two tags of 100 x 40 with letters of 10 pixels in a picture of 4000 x 3000; the second is asked for."""
    parts = [
        Part("tag", Rect(100, 100, 200, 140), 0.8, {"name": "Luri", "price": "1.19"}),
        Part("tag", Rect(3000, 2000, 3100, 2040), 0.8, {"name": "Duxo", "price": "2.49"}),
    ]
    hop = Hop("tag", (1,), ((0,), (1,)))
    return parts, Question("price", "?", "2.49", "the price of Duxo", (hop,), ("1.19", "2.49"))


def test_the_eye_reads_what_has_pixels_enough_and_is_wholly_inside():
    parts, _ = two_tags()
    eye = Eye(parts, PixelBudget(max_pixels=750_000, min_pixels=0, multiple=1))
    assert view_scale(Rect(0, 0, 4000, 3000), eye.budget) == 0.25
    assert eye.reads(Rect(0, 0, 4000, 3000)).tolist() == [False, False]
    assert eye.shows(Rect(0, 0, 4000, 3000)).tolist() == [True, True]
    assert eye.reads(Rect(0, 0, 1000, 750)).tolist() == [True, False]
    assert eye.reads(Rect(0, 0, 1250, 938)).tolist() == [
        False,
        False,
    ]  # 0.8 of the pixels is just too little here
    assert eye.reads(Rect(0, 0, 199, 140)).tolist() == [False, False]
    assert view_scale(Rect(0, 0, 10, 10), RULE_BUDGET) == 1.0  # enlarging shows nothing more


def test_a_guess_is_worth_its_chance_and_what_was_read_to_the_end_is_not_guessed():
    _, question = two_tags()
    assert chance(question, np.array([False, False])) == 0.5
    assert chance(question, np.array([True, False])) == 1.0  # only the other one is left
    assert chance(question, np.array([False, True])) == 1.0
    led = Question("note", "?", "2.49", "", (Hop("note", (2,), ((2,),)), *question.hops), question.guesses)
    assert (
        chance(led, np.array([True, False, False])) == 0.5
    )  # what to look for is not known, so nothing is ruled out
    assert chance(led, np.array([True, False, True])) == 1.0


def test_readers_of_two_tags_by_hand():
    parts, question = two_tags()
    scores = dict(read(parts, question, RULE_BUDGET, (4000, 3000), "key"))
    assert scores["no zoom"] == (0.5, None)
    assert scores["searcher"].right == 1.0
    assert scores["searcher"].turns in (2, 3)
    assert 0.5 <= scores["random zoom"].right <= 1.0
    assert dict(read(parts, question, BUDGETS["2,000,000 px"], (1000, 750), "key"))["no zoom"].right == 1.0
    boxes = random_boxes("key")
    assert len(boxes) == 11
    assert boxes == random_boxes("key") != random_boxes("other")
    assert all(0.0499 <= side <= 0.8001 for box in boxes for side in (box.x1 - box.x0, box.y1 - box.y0))


def test_the_text_only_reader_says_the_most_frequent_answer_of_the_family():
    from mini_o3.episode import SearchTask

    tasks = [
        SearchTask("a.jpg", "?", answer, category="map", family="symbol")
        for answer in ("key", "cup", "cup", "bell", "bell")
    ]
    assert favourite_answers([*tasks, SearchTask("a.jpg", "?", "red", category="crowd", family="flag")]) == {
        ("map", "symbol"): "bell",
        ("crowd", "flag"): "red",
    }


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.floats(5, 20), st.floats(5, 25), st.integers(0, 1000))
def test_scattered_things_never_meet_and_lie_inside(count, wide, tall, seed):
    sketch, _ = world("map", "easy")
    sketch.rng = np.random.default_rng(seed)
    spots = scatter(sketch, count, wide, tall, top=100.0)
    w, h = wide * sketch.unit, tall * sketch.unit
    assert len(spots) <= count
    assert all(0 <= x <= sketch.width - w and 100 <= y <= sketch.height - h for x, y in spots)
    for (x, y), (a, b) in itertools.combinations(spots, 2):
        assert abs(x - a) >= w - 1e-6 or abs(y - b) >= h - 1e-6


@pytest.mark.parametrize("names", ["BRANDS", "TOWNS", "PEOPLE", "SHOPS"])
def test_names_differ_in_two_letters_at_least(names):
    listed = [word.upper() for word in getattr(words, names)]
    assert len(set(listed)) == len(listed) >= 40
    for (
        word
    ) in listed:  # two words one edit apart share what is left when a letter is taken out of either or both
        assert 3 <= len(word) <= 9
    cut = {}
    for word in listed:
        for form in {word[:i] + word[i + 1 :] for i in range(len(word))} | {word}:
            assert not any(one_edit(word, other) for other in cut.get(form, ())), word
            cut.setdefault(form, []).append(word)


def one_edit(a, b):
    if len(a) == len(b):
        return sum(x != y for x, y in zip(a, b, strict=True)) == 1
    short, long = sorted((a, b), key=len)
    return len(long) - len(short) == 1 and any(long[:i] + long[i + 1 :] == short for i in range(len(long)))


def test_emblems_are_told_apart_at_the_least_size():
    masks = {name: np.asarray(icon_mask(name, 15)).astype(int) for name in ICONS}
    assert all(mask.mean() > 25 for mask in masks.values())
    for first, second in itertools.combinations(ICONS, 2):
        assert np.abs(masks[first] - masks[second]).mean() > 18, (first, second)


def test_what_is_known_survives_the_disk():
    sketch, questions = world("street", "medium")
    row = sketch.scene.to_dict()
    kept = read_parts(row)
    assert [(part.what, part.rect, part.facts) for part in kept] == [
        (p.what, p.rect, p.facts) for p in sketch.scene.parts
    ]
    assert [read_question(question_dict(question)) for question in questions] == questions


def test_a_size_that_does_not_go_with_a_level_is_named():
    with pytest.raises(RuntimeError, match="shelf hard 1: no layout with 4 questions at"):
        make_scene("shelf", "hard", 1, 4, size=(500, 400))

"""The scripted teacher: it finds everything, by honest means, in the pattern it was given."""

from __future__ import annotations

import asyncio
import re
from functools import cache

import pytest
from helpers import play
from PIL import Image

from mini_o3.episode import Limits, PolicyError, Request, SearchTask, StopReason
from mini_o3.kit.errors import UserError
from mini_o3.policies.teacher import Teacher
from mini_o3.probes.shapes import eye
from mini_o3.probes.shapes.generate import make_probe
from mini_o3.probes.shapes.search import PATTERNS
from mini_o3.probes.shapes.truth import Truth, truth_of
from mini_o3.probes.shapes.words import DIGITS
from mini_o3.protocol import parse
from mini_o3.vision import PixelBudget, Rect

SIZES = {"easy": (1344, 1344), "medium": (1344, 1344), "hard": (1600, 1600)}
SEEDS = range(500_000_000, 500_000_030)
TURNS = 64
TINY = PixelBudget(
    max_pixels=784, min_pixels=784, square=True
)  # the teacher needs no views; small ones are quick


@cache
def tasks(level):
    return [make_probe(seed, level, size=SIZES[level]).task for seed in SEEDS]


@cache
def blank(size):
    """The teacher knows its probes by heart; what the picture holds makes no difference to it."""
    return Image.new("L", size)


@cache
def episode(task, pattern=None, seed=0):
    return play(
        Teacher([task], pattern=pattern, budget=TINY),
        blank(task.size),
        task,
        limits=Limits(turns=TURNS),
        seed=seed,
    )


def episodes(level, pattern=None):
    return [(task, episode(task, pattern)) for task in tasks(level)]


def every_episode(pattern):
    return [pair for level in SIZES for pair in episodes(level, pattern)]


def seen_from_afar(pattern):
    """Of hard probes the overview shows nothing."""
    return [pair for level in ("easy", "medium") for pair in episodes(level, pattern)]


def frames(found):
    """What each source covers of the original: the whole picture, observation 1, ..."""
    return [Rect(0, 0, *found.size), *(turn.rect for turn in found.turns if turn.rect)]


def seen_before(found, index):
    """What the last view before turn `index` covers."""
    return next((turn.rect for turn in reversed(found.turns[:index]) if turn.rect), Rect(0, 0, *found.size))


def source(turn):
    return parse(turn.text).region.frame


@cache
def goal(task):
    return truth_of(task).goal


@cache
def things(task):
    return truth_of(task).things


def target(task):
    (thing,) = [thing for thing in things(task) if goal(task).fits(thing)]
    return thing


def central(task, found, turn):
    """What stands in the middle of the view that this turn led to, if it has the right colour."""
    seen = eye.central(eye.look(things(task), found.size, turn.rect), goal(task).colour)
    return seen.thing if seen else None


def text(found):
    return [turn.text for turn in found.turns]


@pytest.mark.parametrize("pattern", [None, *PATTERNS])
@pytest.mark.parametrize("level", SIZES)
def test_it_always_answers_right_in_time_and_never_makes_a_malformed_turn(level, pattern):
    for task, found in episodes(level, pattern):
        assert (found.stop, found.answer) == (StopReason.ANSWERED, task.answer), task.id
        assert found.num_turns <= TURNS
        assert [turn.malformed for turn in found.turns] == [None] * found.num_turns


@pytest.mark.parametrize("pattern", [None, *PATTERNS])
@pytest.mark.parametrize("level", SIZES)
def test_it_answers_only_when_the_last_view_shows_the_target_legibly(level, pattern):
    answered = [(task, found) for task, found in episodes(level, pattern) if found.answer is not None]
    assert len(answered) >= 25
    for task, found in answered:
        seen = eye.look(things(task), found.size, seen_before(found, -1))
        (shown,) = [s for s in seen if s.thing == target(task)]
        assert shown.shape_shows, task.id
        if goal(task).ask == "digit" or goal(task).digit is not None:
            assert shown.digit_shows, task.id
        if goal(task).ask == "beside":
            assert eye.neighbour(seen, shown).thing.shape == task.answer, task.id


def test_it_looks_at_candidates_from_left_to_right_and_not_at_the_target_first():
    """With the target first in one episode of the number of candidates, 60 probes cannot all be lucky."""
    first = 0
    for task, found in seen_from_afar("trial_and_error"):
        listed = [
            s.spot
            for s in eye.of_colour(eye.look(things(task), found.size, frames(found)[0]), goal(task).colour)
        ]
        aimed = [parse(turn.text).region for turn in found.turns if turn.rect and source(turn) == 0]
        missing = iter(listed)
        for region in aimed:
            assert any(region.x0 <= x <= region.x1 and region.y0 <= y <= region.y1 for x, y in missing), (
                task.id
            )
        shown = eye.look(things(task), found.size, found.turns[0].rect)
        first += any(s.thing == target(task) for s in shown)
    assert 0 < first < 40


@pytest.mark.parametrize("level", SIZES)
def test_every_pattern_is_drawn(level):
    teacher = Teacher(tasks(level))
    drawn = [
        teacher.open(Request(task.id, task.question, task.size, task.picture, seed)).searcher.pattern
        for task in tasks(level)
        for seed in range(10)
    ]
    assert set(drawn) == (set(PATTERNS) if level != "hard" else {"depth_first", "self_correction"})


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_forced_pattern_is_taken(pattern):
    task = tasks("easy")[0]
    request = Request(task.id, task.question, task.size, task.picture)
    assert Teacher([task], pattern=pattern).open(request).searcher.pattern == pattern


def test_patterns_look_different():
    task = tasks("medium")[0]
    assert len({"".join(text(episode(task, pattern))) for pattern in PATTERNS}) == len(PATTERNS)


def test_trial_and_error_makes_no_deliberate_mistake():
    assert all(turn.learn for _, found in every_episode("trial_and_error") for turn in found.turns)


@pytest.mark.parametrize("level", SIZES)
def test_depth_first_descends_and_comes_back_to_the_original_until_the_target_shows(level):
    back = 0
    for task, found in episodes(level, "depth_first"):
        assert source(found.turns[0]) == 0
        assert parse(found.turns[0].text).region.xyxy == (0.0, 0.0, 0.6, 0.6)
        assert source(found.turns[1]) in (0, 1)
        if any("; not seen; look at quarter 1" in turn.thought for turn in found.turns):
            continue  # the first pass overlooked it
        returns = [turn for turn in found.turns[1:] if turn.rect and source(turn) == 0]
        in_first = [s.thing for s in eye.look(things(task), found.size, found.turns[0].rect)]
        assert returns or target(task) in in_first, task.id
        assert all("back" in turn.thought for turn in returns)
        back += bool(returns)
    assert back >= 10


def test_self_correction_marks_a_missed_look_and_looks_wider():
    misses = 0
    for task, found in every_episode("self_correction"):
        for index, turn in enumerate(found.turns):
            again = found.turns[min(index + 1, found.num_turns - 1)]
            if not again.thought.endswith("missed; wider"):
                near = again.thought.endswith("cut off; back")
                assert turn.learn or "; look at" in turn.thought or near, (
                    task.id
                )  # nor is a list with a decoy in it
                continue
            misses += 1
            assert (turn.learn, again.learn) == (False, True)
            assert source(again) == source(turn)
            wider, looked = (parse(t.text).region for t in (again, turn))
            assert wider.x0 <= looked.x0
            assert wider.y0 <= looked.y0
            assert wider.x1 >= looked.x1
            assert wider.y1 >= looked.y1
            assert central(task, found, again) is not None, (task.id, index)
    assert misses >= 30


def test_a_missed_look_does_not_show_what_it_was_aimed_at():
    """`missed; wider` is said of a view that lacks the candidate; else the imitator learns to distrust good
    looks."""
    wrong = []
    for task, found in every_episode("self_correction"):
        for index, turn in enumerate(found.turns):
            again = found.turns[min(index + 1, found.num_turns - 1)]
            if again.thought.endswith("missed; wider") and central(task, found, again) in [
                s.thing for s in eye.look(things(task), found.size, turn.rect)
            ]:
                wrong.append((task.id, index + 1, turn.action.region, again.action.region))
    assert wrong == []


def test_self_correction_cuts_off_what_stands_beside_the_target_says_so_and_looks_wider():
    cut = 0
    for task, found in every_episode("self_correction"):
        for turn, again in zip(found.turns, found.turns[1:], strict=False):
            if again.thought.endswith("cut off; back") and not turn.learn:
                cut += 1
                near, wide = (eye.look(things(task), found.size, look.rect) for look in (turn, again))
                (shown,) = [s for s in near if s.thing == target(task)]
                assert shown.shape_shows
                assert eye.neighbour(near, shown) is None
                (shown,) = [s for s in wide if s.thing == target(task)]
                assert eye.neighbour(wide, shown).thing.shape == task.answer
                assert again.learn
    assert cut >= 5


def test_self_correction_takes_things_of_another_colour_for_candidates_and_says_that_they_are_not():
    decoys = 0
    for task, found in seen_from_afar("self_correction"):
        seen = eye.of_colour(eye.look(things(task), found.size, frames(found)[0]), goal(task).colour)
        listed = found.turns[0].thought.split("; ")[-2].split(" at ")[1].split()
        assert len(listed) - len(seen) in (0, 1), task.id
        if len(listed) > len(seen):
            decoys += 1
            assert not found.turns[0].learn, task.id
    assert decoys >= 10


def test_a_list_names_the_colour_of_everything_that_shows_and_then_the_places_of_one():
    for task, found in seen_from_afar("trial_and_error"):
        if goal(task).colour is None:
            continue
        _, everything, likely, _ = found.turns[0].thought.split("; ")
        seen = eye.apart(eye.look(things(task), found.size, frames(found)[0]), goal(task).colour)
        words = everything.removeprefix("things at ").split()
        assert words == [word for s in seen for word in (eye.spot_words(s.spot), s.thing.colour)], task.id
        places = [
            place
            for place, colour in zip(words[::2], words[1::2], strict=True)
            if colour == goal(task).colour
        ]
        assert likely == f"{goal(task).colour} at {' '.join(places)}", task.id


def test_second_look_runs_out_and_goes_through_the_quarters():
    for task, found in seen_from_afar("second_look"):
        again = [
            index for index, turn in enumerate(found.turns) if "not seen; look at quarter 1" in turn.thought
        ]
        assert len(again) in (1, 2), task.id  # two: the quarters overlooked it too
        assert source(found.turns[again[0]]) == 0
        middles = [central(task, found, turn) for turn in found.turns[: again[0]] if turn.rect]
        assert target(task) not in middles, task.id
        assert not found.turns[0].learn
        assert len(again) == 2 or all(turn.learn for turn in found.turns[1:]), task.id


@pytest.mark.parametrize("level", ["easy", "medium"])
def test_what_the_quarters_overlooked_is_found_in_a_second_pass_and_only_the_oversight_is_not_learnt(level):
    overlooked = 0
    for task, found in (*episodes(level, "depth_first"), *episodes(level, "second_look")):
        passes = [index for index, turn in enumerate(found.turns) if "look at quarter 1" in turn.thought]
        if len(passes) < 2:
            continue
        overlooked += 1
        assert found.answer == task.answer
        for index, turn in enumerate(found.turns):
            shows = target(task) in [
                s.thing for s in eye.look(things(task), found.size, seen_before(found, index))
            ]
            looking_on = any(
                word in turn.thought for word in ("next quarter", "look at quarter 1", "; look at")
            )
            aimed = bool(turn.rect) and target(task) in [
                s.thing for s in eye.look(things(task), found.size, turn.rect)
            ]
            if not turn.learn:
                assert shows, (task.id, index)
                assert looking_on
            elif shows and looking_on and index and not aimed and source(found.turns[index - 1]) == 0:
                assert "next at" in turn.thought or index >= passes[-1], (task.id, index)
    assert overlooked >= 5


def quarter_of(found, index):
    """The quarter of the original that the view before turn `index` covers: right or not, lower or not; None:
    no quarter."""
    rect = seen_before(found, index)
    if abs(rect.width - 0.6 * found.size[0]) > 2:
        return None
    return rect.left / found.size[0] > 0.2, rect.top / found.size[1] > 0.2


def test_in_a_quarter_it_tries_what_lies_in_the_part_that_is_the_quarters_own():
    """So nothing has to be remembered: what lies in two quarters is tried in one of them, but for a strip in
    the middle."""
    tried = left = 0
    for task, found in every_episode("depth_first"):
        for index, turn in enumerate(found.turns[1:], start=1):
            quarter = quarter_of(found, index)
            if quarter is None or not turn.learn:
                continue
            seen = eye.apart(eye.look(things(task), found.size, seen_before(found, index)), goal(task).colour)
            spots = [s.spot for s in eye.of_colour(seen, goal(task).colour)]
            mine = [
                s
                for s in spots
                if all(v >= 0.15 if far else v <= 0.85 for v, far in zip(s, quarter, strict=True))
            ]
            if not mine:
                assert (
                    "next quarter" in turn.thought
                    or "look at quarter 1 again" in turn.thought
                    or "not seen" in turn.thought
                )
                left += bool(spots)
                continue
            wanted = " ".join(eye.spot_words(spot) for spot in mine)
            assert (
                f"{goal(task).colour or 'things'} at {wanted}; look at {eye.spot_words(mine[0])}"
                in turn.thought
            ), task.id
            tried += 1
    assert tried >= 40
    assert left >= 3


def test_quarters_are_numbered_and_a_second_pass_goes_through_others():
    """At every level: what was misread in one view is to be looked at in another, with other pixels."""
    corners = {False: (0.0, 0.4, 0.6), True: (0.0, 0.5, 0.5)}  # of the first, of the others; side
    again, looks = dict.fromkeys(SIZES, 0), 0
    for level in SIZES:
        for task, found in episodes(level, "depth_first"):
            said = [
                (index, re.search(r"quarter (\d)( again)?$", turn.thought))
                for index, turn in enumerate(found.turns)
            ]
            passes = [(index, int(match[1]), bool(match[2])) for index, match in said if match]
            numbers = [number for _, number, _ in passes]
            assert numbers == [1, 2, 3, 4, 1, 2, 3, 4][: len(numbers)], task.id
            assert [second for *_, second in passes] == [False] * min(len(numbers), 4) + [True] * (
                len(numbers) - 4
            ), task.id
            for index, number, second in passes:
                near, far, side = corners[second]
                x, y = (far if number in (2, 4) else near), (far if number > 2 else near)
                assert parse(found.turns[index].text).region.xyxy == pytest.approx(
                    (x, y, x + side, y + side)
                ), task.id
                assert source(found.turns[index]) == 0
            again[level] += len(numbers) > 4
            for turn in found.turns[passes[4][0] :] if len(passes) > 4 else ():
                if "; look at 0" in turn.thought:  # a first look of a second pass
                    region = parse(turn.text).region
                    side = max(region.x1 - region.x0, region.y1 - region.y0)
                    assert side <= (0.4 if goal(task).ask == "beside" else 0.2) + 1e-9, task.id
                    looks += 1
    assert min(again.values()) >= 3
    assert looks >= 5


def test_what_stands_beside_a_thing_is_pointed_at_before_it_is_named():
    pointed = 0
    for task, found in every_episode(None):
        for index, turn in enumerate(found.turns):
            place = re.search(r" beside (\S+) (\w+) (\w+)", turn.thought)
            if place is None:
                continue
            seen = eye.look(things(task), found.size, seen_before(found, index))
            (other,) = [
                s.thing for s in seen if eye.spot_words(s.spot) == place[1] and s.thing.colour == place[2]
            ]
            assert other.shape == place[3], (task.id, turn.thought)
            pointed += 1
    assert pointed >= 10


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_thought_begins_with_the_goal(pattern):
    for task, found in every_episode(pattern):
        words = " ".join(
            word for word in (goal(task).colour, goal(task).shape, goal(task).digit, goal(task).ask) if word
        )
        assert all(turn.thought.startswith(f"Find {words}; ") for turn in found.turns), task.id


def test_it_names_only_what_shows_in_the_last_view_and_rules_out_only_what_does_not_fit():
    """After the goal, a thought says what the view before it shows legibly of what stands in the middle."""
    said_no = 0
    for task, found in every_episode("trial_and_error"):
        for index, turn in enumerate(found.turns[1:], start=1):
            said = turn.thought.split("; ")[1]
            middle = eye.central(
                eye.look(things(task), found.size, seen_before(found, index)), goal(task).colour
            )
            if "; look at" in turn.thought or said in (
                "look at quarter 1",
                "back",
            ):  # a list of candidates, or none
                continue
            if "no " in said[:3]:
                assert middle is None, (task.id, turn.thought)
                continue
            assert middle is not None, (task.id, turn.thought)
            words = said.split(" beside ")[0].split()
            assert words[0] == middle.thing.colour, (task.id, turn.thought)
            assert (middle.thing.shape in words) == middle.shape_shows, (task.id, turn.thought)
            assert not set(words) & set(DIGITS) - {middle.thing.digit}, (task.id, turn.thought)
            assert middle.digit_shows or not set(words) & set(DIGITS), (task.id, turn.thought)
            assert said.endswith("not it") <= (middle.thing != target(task)), (task.id, turn.thought)
            said_no += said.endswith("not it")
    assert said_no >= 100


def test_the_same_seed_gives_the_same_episode_and_other_seeds_other_ones():
    chosen = [task for level in SIZES for task in tasks(level)[:10]]
    once = [text(episode(task)) for task in chosen]
    episode.cache_clear()
    assert [text(episode(task)) for task in chosen] == once
    others = [text(episode(task, seed=1)) for task in chosen]
    assert sum(a != b for a, b in zip(once, others, strict=True)) > 5


def test_seeds_choose_where_self_correction_misses():
    task = tasks("medium")[0]
    assert len({"".join(text(episode(task, "self_correction", seed))) for seed in range(4)}) > 1


def test_it_does_not_matter_which_other_probes_it_knows():
    everything = Teacher([task for level in SIZES for task in tasks(level)])
    for task in tasks("medium")[:5]:
        found = play(everything, blank(task.size), task, limits=Limits(turns=TURNS))
        assert text(found) == text(episode(task))


def test_a_probe_is_known_by_picture_and_question_when_the_answer_is_not_given():
    task = tasks("easy")[0]
    asked = SearchTask(f"/elsewhere/{task.picture}", task.question)
    assert play(Teacher(tasks("easy")), blank(task.size), asked).answer == task.answer


@pytest.mark.parametrize(
    ("picture", "question"),
    [("easy_500000000.jpg", "What is this?"), ("other.jpg", tasks("easy")[0].question)],
)
def test_a_question_that_no_probe_asks_is_refused(picture, question):
    with pytest.raises(UserError, match="no probe asks"):
        Teacher(tasks("easy")).open(Request("id", question, (1344, 1344), picture))


def test_a_task_that_is_not_a_probe_is_refused():
    task = SearchTask("holiday.jpg", "Where is this?", size=(800, 600))
    with pytest.raises(UserError, match=r"holiday.jpg: not a probe"):
        Teacher([task]).open(Request(task.id, task.question, (800, 600), task.picture))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_probe_without_the_target_is_given_up_after_looking_everywhere(pattern):
    task = next(task for task in tasks("easy") if goal(task).ask == "digit")
    rest = tuple(thing for thing in things(task) if thing != target(task))
    lacking = SearchTask(
        task.picture, task.question, level="easy", size=task.size, truth=Truth(goal(task), rest).to_dict()
    )
    for seed in range(8):
        teacher = Teacher([lacking], pattern=pattern)
        found = play(teacher, blank(task.size), lacking, limits=Limits(turns=TURNS), seed=seed)
        assert (found.stop, found.answer) == (StopReason.POLICY_ERROR, None)
        assert "looked everywhere" in found.error


def test_the_folder_of_a_picture_is_where_its_probes_are_looked_for(tmp_path):
    with pytest.raises(UserError, match=r"tasks\.jsonl is missing; the teacher only knows probes"):
        Teacher.for_picture(str(tmp_path / "a.jpg"), "What?")


def test_a_closed_conversation_says_nothing_more():
    task = tasks("easy")[0]
    conversation = Teacher([task]).open(Request(task.id, task.question, task.size, task.picture))
    conversation.close()
    with pytest.raises(PolicyError):
        asyncio.run(conversation.reply([]))

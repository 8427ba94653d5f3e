"""Selection: why an episode is dropped, how the kept ones are mixed, and that every episode ends
somewhere."""

from __future__ import annotations

from collections import Counter

import pytest
from helpers import answer, play, zoom
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from mini_o3.coldstart.select import Collected, Outcome, Selection, Status, fault, of_tasks, select
from mini_o3.episode import Limits, SearchTask
from mini_o3.episode.patterns import patterns
from mini_o3.policies.replay import Replay
from mini_o3.vision import Region

PICTURE = Image.new("RGB", (1000, 1000))
TARGET = Region(0.5, 0.5, 0.6, 0.6)
TASK = SearchTask("a.png", "What is there?", "red", targets=(TARGET,))
HIT, MISS = zoom(0.45, 0.45, 0.65, 0.65), zoom(0.0, 0.0, 0.2, 0.2)


def collected(*texts, right=True, task=TASK, seed=0, turns=32):
    return Collected(
        task, play(Replay({"*": list(texts)}), PICTURE, task, limits=Limits(turns=turns), seed=seed), right
    )


@pytest.mark.parametrize(
    ("row", "rules", "wanted"),
    [
        (collected(HIT, answer("red")), {}, None),
        (collected(HIT, answer("blue"), right=False), {}, Outcome(Status.DROPPED, "incorrect")),
        (collected(HIT, HIT, HIT, turns=2), {}, Outcome(Status.DROPPED, "over_turn")),
        (collected("hm", "hm", "hm", "hm"), {}, Outcome(Status.DROPPED, "void")),
        (collected(HIT), {}, Outcome(Status.FAILED, "policy")),  # the recording ends before an answer
        (collected(HIT, answer("red"), right=None), {}, Outcome(Status.FAILED, "unjudged")),
        (collected(MISS, answer("red")), {}, Outcome(Status.DROPPED, "missed_evidence")),
        (collected(MISS, answer("red")), {"evidence": 0.0}, None),
        (
            collected(zoom(0.54, 0.45, 0.65, 0.65), answer("red")),
            {"evidence": 0.5},
            None,
        ),  # over half of it is in the view
        (
            collected(zoom(0.56, 0.45, 0.65, 0.65), answer("red")),
            {"evidence": 0.5},
            Outcome(Status.DROPPED, "missed_evidence"),
        ),
        (collected(HIT, HIT, answer("red")), {}, Outcome(Status.DROPPED, "repeated_zoom")),
        (collected(HIT, HIT, answer("red")), {"repeats": True}, None),
        (
            collected("<think>a", HIT, answer("red")),
            {"malformed": False},
            Outcome(Status.DROPPED, "malformed_turn"),
        ),
        (collected("<think>a", HIT, answer("red")), {}, None),
        (collected(HIT, answer("red")), {"turns": (3, 9)}, Outcome(Status.DROPPED, "too_short")),
        (collected(MISS, HIT, answer("red")), {"turns": (1, 2)}, Outcome(Status.DROPPED, "too_long")),
    ],
)
def test_why_an_episode_is_not_kept(row, rules, wanted):
    assert fault(row, Selection(**rules)) == wanted


def of(index, turns=2, seed=0):
    """A good episode of so many turns on a task of its own."""
    task = SearchTask(f"{index}.png", "What is there?", "red", targets=(TARGET,))
    looks = [zoom(round(0.02 * i, 2), 0.0, round(0.02 * i + 0.3, 2), 0.2) for i in range(turns - 2)]
    return collected(*looks, HIT, answer("red"), task=task, seed=seed)


def test_a_quota_holds_for_what_is_kept_in_the_end():
    rows = [of(i, turns=2) for i in range(8)] + [of(i, turns=5) for i in range(8, 11)]
    outcomes = select(rows, Selection(repeats=True, quotas={"1-3": 0.5}))
    kept = [row.episode.num_turns for row, o in zip(rows, outcomes, strict=True) if o.status is Status.KEPT]
    assert Counter(kept) == {2: 3, 5: 3}
    assert Counter(o.reason for o in outcomes) == {"": 6, "quota": 5}


def test_no_set_of_patterns_has_more_than_its_share():
    rows = [of(i, turns=2) for i in range(9)] + [of(20 + i, turns=3) for i in range(2)]
    outcomes = select(rows, Selection(repeats=True, pattern_share=0.5))
    assert sum(o.status is Status.KEPT for o in outcomes) == 4
    assert Counter(o.reason for o in outcomes) == {"": 4, "pattern_share": 7}


def test_one_task_gives_so_many_and_the_richest_go_first():
    task = SearchTask("a.png", "What is there?", "red", targets=(TARGET,))
    deep = [
        zoom(0.4, 0.4, 0.8, 0.8),
        zoom(0.1, 0.1, 0.6, 0.6, "observation_1"),
        zoom(0.1, 0.1, 0.9, 0.9, "observation_2"),
    ]
    rows = [
        collected(HIT, answer("red"), task=task, seed=0),
        collected(*deep, HIT, answer("red"), task=task, seed=1),
        collected(HIT, answer("red"), task=task, seed=2),
    ]
    outcomes = select(rows, Selection(per_task=1))
    assert [o.reason for o in outcomes] == ["per_task", "", "per_task"]


KINDS = st.sampled_from(["good", "wrong", "unjudged", "failed", "long", "over"])
SAMPLES = {
    "good": lambda i, s: of(i, seed=s),
    "long": lambda i, s: of(i, turns=6, seed=s),
    "wrong": lambda i, s: of(i, seed=s)._replace(right=False),
    "unjudged": lambda i, s: of(i, seed=s)._replace(right=None),
    "failed": lambda i, s: collected(HIT, task=of(i).task, seed=s),
    "over": lambda i, s: collected(HIT, HIT, task=of(i).task, seed=s, turns=2),
}
MADE = {(kind, i, s): make(i, s) for kind, make in SAMPLES.items() for i in range(4) for s in range(3)}


@settings(max_examples=40)
@given(
    st.lists(st.tuples(KINDS, st.integers(0, 3), st.integers(0, 2)), max_size=12, unique_by=lambda t: t[1:]),
    st.sampled_from(
        [
            {},
            {"per_task": 1},
            {"quotas": {"1-3": 0.4}},
            {"pattern_share": 0.5},
            {"evidence": 0.0, "turns": (3, 9)},
        ]
    ),
    st.randoms(),
)
def test_everything_ends_somewhere_whatever_the_order(picks, rules, random):
    rows, selection = [MADE[pick] for pick in picks], Selection(**rules)
    outcomes = select(rows, selection, seed=3)
    assert len(outcomes) == len(rows)
    assert all(bool(o.reason) == (o.status is not Status.KEPT) for o in outcomes)
    mixed = list(zip(rows, outcomes, strict=True))
    random.shuffle(mixed)
    assert select([row for row, _ in mixed], selection, seed=3) == [o for _, o in mixed]
    tasks = [of(i).task for i in range(4)]
    by_task = of_tasks(rows, outcomes, tasks)
    assert set(by_task) == {task.id for task in tasks}
    for task in tasks:
        mine = [o.status for row, o in zip(rows, outcomes, strict=True) if row.task.id == task.id]
        best = next((status for status in (Status.KEPT, Status.DROPPED) if status in mine), Status.FAILED)
        assert by_task[task.id].status is best


@pytest.mark.parametrize("quotas", [{"a-3": 0.5}, {"1-3": 0.0}, {"": 0.5}])
def test_a_quota_that_says_nothing_is_refused(quotas):
    with pytest.raises(ValidationError, match="expected turns like"):
        Selection(quotas=quotas)


def test_the_last_view_must_show_every_target():
    task = SearchTask("a.png", "Which is larger?", "red", targets=(TARGET, Region(0.1, 0.1, 0.2, 0.2)))
    assert fault(collected(HIT, answer("red"), task=task), Selection()) == Outcome(
        Status.DROPPED, "missed_evidence"
    )
    assert fault(collected(zoom(0.05, 0.05, 0.65, 0.65), answer("red"), task=task), Selection()) is None


def test_fewest_and_most_turns_and_the_ends_of_a_quota_belong_to_it():
    assert fault(collected(MISS, HIT, answer("red")), Selection(turns=(3, 3))) is None
    rows = [of(4 * turns + i, turns=turns) for turns in (3, 4, 5) for i in range(4)]
    for name, limited in (("2-4", {3, 4}), ("4-9", {4, 5}), ("4", {4}), ("4-", {4, 5}), ("3-4", {3, 4})):
        outcomes = select(rows, Selection(repeats=True, quotas={name: 0.01}))
        kept = Counter(
            row.episode.num_turns for row, o in zip(rows, outcomes, strict=True) if o.status is Status.KEPT
        )
        assert all(kept[turns] == 4 for turns in {3, 4, 5} - limited), name
        assert sum(kept[turns] for turns in limited) == 1, name


def test_shares_of_patterns_and_of_turns_hold_together():
    """A quota takes some of one set of patterns away; another then has more than its share, and gives some
    up."""
    deeper = [zoom(0, 0, 1, 0.9), zoom(0.2, 0.2, 0.9, 0.9), zoom(0.3, 0.3, 0.8, 0.8), HIT]
    looks = {"once": [HIT], "elsewhere": [MISS, zoom(0.7, 0, 0.9, 0.2), HIT], "deeper": deeper}
    counts = {"once": 8, "elsewhere": 4, "deeper": 8}
    rows = [
        collected(
            *looks[kind], answer("red"), task=SearchTask(f"{kind}{i}.png", "What?", "red", targets=(TARGET,))
        )
        for kind, count in counts.items()
        for i in range(count)
    ]
    outcomes = select(rows, Selection(repeats=True, pattern_share=0.4, quotas={"5-": 0.2}))
    kept = [row.episode for row, outcome in zip(rows, outcomes, strict=True) if outcome.status is Status.KEPT]
    sets = Counter(frozenset(patterns(episode)) for episode in kept)
    assert sorted(sets.values()) == [2, 4, 4]
    assert sum(episode.num_turns >= 5 for episode in kept) == 2

"""Drills: only decisions are learnt, and they are right."""

import numpy as np

from mini_o3.models.chat import ChatRenderer
from mini_o3.models.tokenizer import build_tokenizer
from mini_o3.sft.drill import DECISIONS, LISTS, WEIGHT, comparison_drill

RENDERER = ChatRenderer(build_tokenizer())


def thoughts(sample):
    """(given, decided) of every turn of a drill, as text."""
    turns, given, decided = [], [], []
    for token, weight in zip(sample.ids, sample.learn, strict=True):
        if weight == 0 and decided:
            turns.append((RENDERER.decode(given).split("<think>")[-1], RENDERER.decode(decided)))
            given, decided = [], []
        (decided if weight else given).append(token)
    return turns


def test_every_decision_of_a_drill_is_right_and_nothing_else_is_learnt():
    kinds = {"list": 0, "yes": 0, "no": 0}
    for seed in range(200):
        sample = comparison_drill(RENDERER, np.random.default_rng(seed))
        assert not sample.views
        assert set(sample.learn) == {0.0, WEIGHT}
        turns = thoughts(sample)
        assert len(turns) in (DECISIONS, LISTS)
        for given, decided in turns:
            goal, seen = given.removeprefix("Find ").split("; ", 1)
            wanted, words = goal.split()[:-1], seen.rstrip(";").split()
            if words[0] == "things":
                places = [
                    place
                    for place, colour in zip(words[2::2], words[3::2], strict=True)
                    if colour == wanted[0]
                ]
                assert decided == f" {wanted[0]} at {' '.join(places)}; look at {places[0]}"
                kinds["list"] += 1
            else:
                fits = all(word in words for word in wanted)
                assert (decided != " not it") == fits, (given, decided)
                kinds["yes" if fits else "no"] += 1
    assert min(kinds.values()) > 200


def test_a_drill_is_a_pure_function_of_its_generator():
    once, again = (comparison_drill(RENDERER, np.random.default_rng(7)) for _ in range(2))
    assert (once.ids, once.learn) == (again.ids, again.learn)

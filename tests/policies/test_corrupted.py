"""Broken turns: what the environment says of them, what is learnt, and that the search goes on."""

import asyncio
import re
from collections import Counter

from mini_o3.episode import Limits, StopReason, run_episode
from mini_o3.models.chat import ChatRenderer
from mini_o3.models.nano import new_nano
from mini_o3.policies.corrupted import CorruptedTeacher
from mini_o3.policies.teacher import Teacher
from mini_o3.probes.shapes import make_probe
from mini_o3.sft.episodes import render_teacher

PROBES = [make_probe(seed, "medium", size=(1400, 1400)) for seed in range(12)]


def episode(probe, slips, seed=0):
    policy = CorruptedTeacher(Teacher([probe.task]), slips)
    return asyncio.run(run_episode(probe.task, policy, Limits(turns=40), picture=probe.picture, seed=seed))


def test_a_broken_turn_fails_and_is_followed_by_what_the_teacher_meant():
    kinds = Counter()
    for seed in range(3):
        for probe in PROBES:
            found, whole = episode(probe, 0.3, seed), episode(probe, 0.0, seed)
            assert [turn.text for turn in found.turns if turn.rect or turn is found.turns[-1]] == [
                turn.text for turn in whole.turns
            ]
            assert (found.stop, found.answer) == (whole.stop, whole.answer)
            broken = [index for index, turn in enumerate(found.turns) if turn.malformed]
            kinds.update(found.turns[index].malformed.kind for index in broken)
            assert len(broken) <= 2
            assert not any(found.turns[index].learn for index in broken)
            assert all(found.turns[index + 1].rect for index in broken)
    assert set(kinds) >= {"unfinished", "unknown_source", "bad_box"}
    assert sum(kinds.values()) > 20


def test_no_slips_change_nothing_and_no_search_ends_void():
    for probe in PROBES:
        whole = asyncio.run(
            run_episode(probe.task, Teacher([probe.task]), Limits(turns=40), picture=probe.picture)
        )
        assert [turn.text for turn in episode(probe, 0.0).turns] == [turn.text for turn in whole.turns]
        assert episode(probe, 1.0).stop is not StopReason.VOID


def test_broken_turns_are_context_and_the_mended_ones_are_learnt():
    _, tokenizer = new_nano()
    renderer = ChatRenderer(tokenizer, 28)
    probe = PROBES[0]
    plain = render_teacher(renderer, probe.task, probe.picture, Limits(turns=40), 0)
    slipped = render_teacher(
        renderer,
        probe.task,
        probe.picture,
        Limits(turns=40),
        0,
        teacher=CorruptedTeacher(Teacher([probe.task]), 1.0),
    )
    assert len(slipped.ids) > len(plain.ids)

    def learnt(sample):
        return [token for token, weight in zip(sample.ids, sample.learn, strict=True) if weight]

    assert learnt(slipped) == learnt(plain)


def test_observations_may_be_numbered_higher_and_are_spoken_of_by_these_numbers():
    _, tokenizer = new_nano()
    renderer = ChatRenderer(tokenizer, 28)
    probe = PROBES[3]
    plain, skipped = (
        renderer.decode(
            render_teacher(renderer, probe.task, probe.picture, Limits(turns=40), 5, offset=skip).ids
        )
        for skip in (0, 7)
    )
    numbers = [int(number) for number in re.findall(r"bservation[ _](\d+)", plain)]
    assert len(set(numbers)) >= 3
    assert [int(number) for number in re.findall(r"bservation[ _](\d+)", skipped)] == [
        number + 7 for number in numbers
    ]
    assert re.sub(r"(bservation[ _])\d+", r"\1", skipped) == re.sub(r"(bservation[ _])\d+", r"\1", plain)

"""The KV cache kept over turns changes nothing, and the mask says exactly what the policy wrote."""

import asyncio
import math
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from mini_o3.episode import Limits, SearchTask, StopReason, run_episode
from mini_o3.models.chat import ChatRenderer
from mini_o3.models.engine import Engine
from mini_o3.models.engine.drafter import NgramDrafter
from mini_o3.models.sampling import Sampled, Sampling, sample
from mini_o3.models.shipped import NANO_DIR
from mini_o3.models.tokenizer import build_tokenizer
from mini_o3.models.vlm import load_vlm
from mini_o3.policies import local
from mini_o3.policies.local import Local
from mini_o3.probes.shapes import make_probe
from mini_o3.vision import PixelBudget, Rect, show


@pytest.fixture(scope="module")
def nano():
    torch.set_num_threads(1)
    return load_vlm(NANO_DIR)


def full_logits(vlm, episode, picture):
    """Logits of the whole episode in one plain transformers forward pass, nothing cached."""
    views = [show(picture, Rect(0, 0, *picture.size), vlm.budget)]
    views += [show(picture, turn.rect, vlm.budget) for turn in episode.turns if turn.rect]
    rows, grids = vlm.patcher(views)
    ids = torch.tensor([episode.token_ids])
    with torch.inference_mode():
        out = vlm.model(
            input_ids=ids,
            pixel_values=rows,
            image_grid_thw=grids,
            mm_token_type_ids=(ids == vlm.renderer.image_pad).long(),
            use_cache=False,
        )
    return out.logits[0]


@pytest.mark.parametrize("temperature", [0.0, 0.6])
def test_logits_of_many_conversations_with_the_cache_kept_equal_a_full_reencode_of_each(
    nano, monkeypatch, temperature
):
    """Three pictures, the first of them twice, four at a time, prompts read in small pieces, a fifth that has
    to wait."""
    seen, foreseen = {}, []
    plain = Engine._sample

    def recording(self, generations, logits):
        """Rows of what was drafted wrongly lead nowhere, so they are left out."""
        before = [(g.sequence.cached + bool(g.sampled), len(g.sampled), g.draft) for g in generations]
        rows = logits.clone().split([1 + len(draft) for *_, draft in before])
        plain(self, generations, logits)
        for generation, its_rows, (length, sampled, draft) in zip(generations, rows, before, strict=True):
            taken = its_rows[: len(generation.sampled) - sampled]
            of_sequence = seen.setdefault(generation.sequence, [])
            of_sequence.extend((length + index, row) for index, row in enumerate(taken))
            foreseen.append((len(draft), len(taken) - 1))

    monkeypatch.setattr(Engine, "_sample", recording)
    probes = [make_probe(500_000_123 + n, "easy", size=(1400, 1400)) for n in (0, 0, 1, 2, 3)]
    policy = Local(nano, "nano", slots=4, sampling=Sampling(temperature=temperature, max_tokens=96))
    policy.engine.scheduler.prefill_tokens = 70
    sequences = []
    opened = policy.engine.open

    async def open_(seed):
        sequences.append((seed, await opened(seed)))
        return sequences[-1][1]

    policy.engine.open = open_

    async def together():
        runs = (
            run_episode(probe.task, policy, Limits(turns=6), picture=probe.picture, seed=n)
            for n, probe in enumerate(probes)
        )
        return await asyncio.gather(*runs)

    episodes = asyncio.run(together())
    assert sum(episode.num_zooms >= 2 for episode in episodes) >= 3
    assert sorted(policy.engine.free) == [0, 1, 2, 3]
    assert sum(right for _, right in foreseen) >= 20
    assert sum(drafted - right for drafted, right in foreseen) >= 5
    for seed, sequence in sequences:
        episode, probe = episodes[seed], probes[seed]
        logits = full_logits(nano, episode, probe.picture)
        assert len(seen[sequence]) == sum(episode.token_mask)
        worst = max(float((logits[length - 1] - row).abs().max()) for length, row in seen[sequence])
        assert worst < 1e-4
        scores = logits.clone()
        scores[:, list(nano.renderer.forbidden)] = -torch.inf
        log_probs = torch.log_softmax(scores / (temperature or 1.0), -1)
        for index, (token, wrote, log_prob) in enumerate(
            zip(episode.token_ids, episode.token_mask, episode.token_log_probs, strict=True)
        ):
            if wrote:
                assert float(log_probs[index - 1, token]) == pytest.approx(log_prob, abs=1e-4)


def test_equal_seeds_sample_equal_episodes(nano):
    probe = make_probe(500_000_124, "easy", size=(1400, 1400))
    policy = Local(nano, "nano", sampling=Sampling(temperature=1.0, max_tokens=96))
    runs = [
        asyncio.run(run_episode(probe.task, policy, Limits(turns=4), picture=probe.picture, seed=seed))
        for seed in (1, 1, 2)
    ]
    assert runs[0].token_ids == runs[1].token_ids
    assert runs[0].token_ids != runs[2].token_ids


@pytest.mark.parametrize("temperature", [0.0, 0.6])
def test_what_is_said_does_not_depend_on_drafts(nano, temperature):
    probes = [make_probe(500_000_200 + n, "easy", size=(1400, 1400)) for n in range(3)]
    said = []
    for draft_tokens in (0, 3, 9):
        policy = Local(nano, "nano", slots=3, sampling=Sampling(temperature=temperature, max_tokens=40))
        policy.engine.drafter = NgramDrafter(draft_tokens)

        async def together(policy=policy):
            runs = (
                run_episode(p.task, policy, Limits(turns=5), picture=p.picture, seed=7)
                for p in probes
                for _ in range(2)
            )
            return await asyncio.gather(*runs)

        said.append([episode.token_ids for episode in asyncio.run(together())])
    assert said[0] == said[1] == said[2]


def test_drafts_follow_the_majority_and_end_where_it_is_unsure():
    drafter = NgramDrafter(4)
    assert drafter.propose([1, 2], 9) == []
    for turn in ([1, 2, 3, 4, 5], [1, 2, 3, 4, 6], [1, 2, 3, 4, 7]):
        drafter.observe(turn)
    assert drafter.propose([1], 9) == [2, 3, 4]
    assert drafter.propose([1], 2) == [2, 3]
    assert drafter.propose([1], 0) == []
    for _ in range(9):
        drafter.observe([1, 2, 3, 4, 6])
    assert drafter.propose([1], 9) == [2, 3, 4, 6]
    assert NgramDrafter(0).propose([1], 9) == []


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_image_tokens_are_never_drawn(nano, temperature):
    logits = torch.zeros(64, nano.model.config.text_config.vocab_size)
    logits[:, list(nano.renderer.forbidden)] = 50.0
    tokens, log_probs = sample(
        logits, [temperature] * 64, [n / 64 for n in range(64)], nano.renderer.forbidden
    )
    assert not set(tokens) & set(nano.renderer.forbidden)
    assert all(log_prob == pytest.approx(-math.log(logits.shape[1] - 4)) for log_prob in log_probs)


def test_tokens_are_drawn_as_often_as_their_probability_says():
    shares = torch.tensor([0.5, 0.0, 0.2, 0.3])
    tokens, log_probs = sample(
        shares.log().expand(1000, -1).clone(), [1.0] * 1000, [(n + 0.5) / 1000 for n in range(1000)], []
    )
    assert [tokens.count(n) for n in range(4)] == [500, 0, 200, 300]
    assert log_probs[0] == pytest.approx(math.log(0.5))


@pytest.mark.parametrize("slots", [1, 2])
def test_a_conversation_that_is_given_up_frees_its_slot_and_hurts_nobody(nano, slots):
    """Also not those who wait for its slot (1), or for it to read how they all begin (2)."""
    probe = make_probe(500_000_125, "easy", size=(1400, 1400))
    policy = Local(nano, "nano", slots=slots, sampling=Sampling(max_tokens=96))
    policy.engine.scheduler.prefill_tokens = 5

    def run():
        return run_episode(probe.task, policy, Limits(turns=3), picture=probe.picture)

    async def give_up_one():
        given_up, waiting, third = (asyncio.create_task(run()) for _ in range(3))
        await asyncio.sleep(0.05)
        given_up.cancel()
        return [await waiting, await third]

    undisturbed = asyncio.run(run())
    assert [episode.token_ids for episode in asyncio.run(give_up_one())] == [undisturbed.token_ids] * 2
    assert sorted(policy.engine.free) == list(range(slots))


def test_those_who_come_together_after_their_beginning_was_read_all_speak(nano):
    """The first has read it and goes on; three more come at once, and one of them waits for its slot."""
    probe = make_probe(500_000_127, "easy", size=(1400, 1400))
    policy = Local(nano, "nano", slots=3, sampling=Sampling(max_tokens=96))

    def run():
        return run_episode(probe.task, policy, Limits(turns=3), picture=probe.picture)

    async def late():
        first = asyncio.create_task(run())
        while not policy.engine.scheduler.prefixes:
            await asyncio.sleep(0.001)
        return await asyncio.wait_for(asyncio.gather(first, run(), run(), run()), 60)

    episodes = asyncio.run(late())
    assert len({episode.token_ids for episode in episodes}) == 1


def test_somebody_who_is_given_up_just_when_a_slot_is_free_passes_it_on(nano):
    engine = Engine(nano, slots=1)

    async def pass_on():
        sequence = await engine.open()
        second, third = (asyncio.create_task(engine.open()) for _ in range(2))
        await asyncio.sleep(0)
        engine.close(sequence)
        second.cancel()
        return await asyncio.wait_for(third, 10)

    assert asyncio.run(pass_on()).slot == 0


@pytest.mark.parametrize(
    "part", ["scheduler.admit", "views.encode", "runner.run", "runner.decoder", "_sample"]
)
def test_an_error_anywhere_in_the_engine_reaches_whoever_waits(nano, monkeypatch, part):
    probe = make_probe(500_000_126, "easy", size=(1400, 1400))
    policy = Local(nano, "nano", slots=2, sampling=Sampling(max_tokens=96))

    def run():
        return run_episode(probe.task, policy, Limits(turns=2), picture=probe.picture)

    async def together():
        return await asyncio.wait_for(asyncio.gather(run(), run(), return_exceptions=True), 60)

    of, _, name = part.rpartition(".")
    monkeypatch.setattr(getattr(policy.engine, of) if of else policy.engine, name, lambda *_: 1 / 0)
    assert [type(outcome) for outcome in asyncio.run(together())] == [ZeroDivisionError] * 2
    monkeypatch.undo()
    assert all(episode.num_turns > 0 for episode in asyncio.run(together()))


class Dictated:
    """An engine that says what it is told, in place of a model."""

    def __init__(self, renderer, texts):
        self.renderer, self.texts = renderer, iter(texts)
        self.free = self.queue = ()

    async def open(self, seed):
        return SimpleNamespace(tokens=0)

    async def reply(self, sequence, prompt, sampling):
        ids = self.renderer.encode(next(self.texts))
        sequence.tokens += len(prompt.ids) + len(ids)
        return Sampled(ids, [-0.5] * len(ids), True)

    def close(self, sequence): ...


def test_the_mask_of_an_episode_with_zooms_a_malformed_turn_and_an_over_turn_stop(monkeypatch):
    """Every view is one image token; the policy stops at `</grounding>`, so the end of its message is not its
    own.

    opening   system: 6, question with view: 15, invitation: 2     zoom       11 tokens
    after it  end and line break: 2, view: 10, invitation: 2        malformed  13 tokens
    after it  end and line break: 2, error: 14, invitation: 2       zoom       11 tokens
    after it  end and line break: 2, view: 10, invitation: 2        zoom       11 tokens, over the limit of 4
    turns
    """
    renderer = ChatRenderer(build_tokenizer())
    zoom = '<grounding>{"bbox_2d": [0.25, 0.25, 0.75, 0.75], "source": "original_image"}</grounding>'
    nested = '<grounding>{"bbox_2d": [0.25, 0.25, 0.75, 0.75], "source": "observation_1"}</grounding>'
    broken = '<grounding>{"bbox_2d": [</grounding>'
    texts = [zoom, broken, nested, zoom]
    vlm = SimpleNamespace(
        renderer=renderer,
        budget=PixelBudget(784, 784, 28, True),
        profile="nano",
        prompts="nano",
        context_tokens=4096,
    )
    monkeypatch.setattr(local, "Engine", lambda vlm, slots: Dictated(renderer, texts))
    task = SearchTask(picture="x.png", question="What digit is on the red star?")
    picture = Image.new("RGB", (200, 200))
    episode = asyncio.run(run_episode(task, Local(vlm, "dictated"), Limits(turns=4), picture=picture))

    assert episode.stop is StopReason.TURN_LIMIT
    assert episode.is_over_turn
    assert [turn.malformed and turn.malformed.kind for turn in episode.turns] == [
        None,
        "bad_json",
        None,
        None,
    ]
    assert [turn.observation for turn in episode.turns] == [1, None, 2, None]
    # fmt: off
    assert list(episode.token_mask) == [
        0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0, 0,
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0, 0,
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0, 0,
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0, 0,
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    ]
    # fmt: on
    assert [renderer.decode(turn.token_ids) for turn in episode.turns] == texts
    assert list(episode.token_log_probs) == [-0.5 if wrote else 0.0 for wrote in episode.token_mask]
    assert episode.token_ids.count(renderer.image_pad) == 3

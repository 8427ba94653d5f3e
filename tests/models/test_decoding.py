"""The KV cache kept over turns changes nothing, and the mask says exactly what the policy wrote."""

import asyncio
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from mini_o3.episode import Limits, SearchTask, StopReason, run_episode
from mini_o3.models.nano import NANO_DIR
from mini_o3.models.render import ChatRenderer
from mini_o3.models.tokenizer import build_tokenizer
from mini_o3.models.vlm import Decoder, Sampled, Sampling, load_vlm
from mini_o3.policies import local
from mini_o3.policies.local import Local
from mini_o3.probes import make_probe
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
            input_ids=ids, pixel_values=rows, image_grid_thw=grids,
            mm_token_type_ids=(ids == vlm.renderer.image_pad).long(), use_cache=False,
        )  # fmt: skip
    return out.logits[0]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_with_the_cache_kept_equal_a_full_reencode(nano, monkeypatch, temperature):
    seen = []
    plain = Decoder._forward

    def recording(self, embedded, places, count):
        plain(self, embedded, places, count)
        seen.append((self.length, self.logits.clone()))

    monkeypatch.setattr(Decoder, "_forward", recording)
    probe = make_probe(500_000_123, "easy", family="shape", size=(1400, 1400))
    policy = Local(nano, "nano", sampling=Sampling(temperature=temperature, max_tokens=96))
    episode = asyncio.run(run_episode(probe.task, policy, Limits(turns=6), picture=probe.picture, seed=5))
    assert episode.num_zooms >= 2
    logits = full_logits(nano, episode, probe.picture)
    worst = max(float((logits[length - 1] - cached).abs().max()) for length, cached in seen)
    assert worst < 1e-4
    scores = logits.clone()
    scores[:, list(nano.renderer.forbidden)] = -torch.inf
    spread = torch.log_softmax(scores / (temperature or 1.0), -1)
    for index, (token, wrote, log_prob) in enumerate(
        zip(episode.token_ids, episode.token_mask, episode.token_log_probs, strict=True)
    ):
        if wrote:
            assert float(spread[index - 1, token]) == pytest.approx(log_prob, abs=1e-4)


def test_equal_seeds_sample_equal_episodes(nano):
    probe = make_probe(500_000_124, "easy", size=(1400, 1400))
    policy = Local(nano, "nano", sampling=Sampling(temperature=1.0, max_tokens=96))
    runs = [
        asyncio.run(run_episode(probe.task, policy, Limits(turns=4), picture=probe.picture, seed=seed)) for seed in (1, 1, 2)
    ]
    assert runs[0].token_ids == runs[1].token_ids
    assert runs[0].token_ids != runs[2].token_ids


def test_image_tokens_are_never_sampled(nano):
    decoder = Decoder(nano)
    decoder.extend(nano.renderer.invitation())
    decoder.logits = torch.zeros_like(decoder.logits)
    decoder.logits[list(nano.renderer.forbidden)] = 50.0
    sampled = decoder.sample(Sampling(max_tokens=1))
    assert sampled.ids[0] not in nano.renderer.forbidden


class Dictated:
    """A decoder that says what it is told, in place of a model."""

    def __init__(self, renderer, texts):
        self.renderer, self.texts, self.length, self.pending = renderer, iter(texts), 0, []

    def extend(self, rendered):
        self.length += len(self.pending) + len(rendered.ids)

    def sample(self, sampling):
        ids = self.renderer.encode(next(self.texts))
        self.length += len(ids) - 1
        self.pending = ids[-1:]
        return Sampled(ids, [-0.5] * len(ids), True)


def test_the_mask_of_an_episode_with_zooms_a_malformed_turn_and_an_over_turn_stop(monkeypatch):
    """Every view is one image token; the policy stops at `</grounding>`, so the end of its message is not its own.

    opening   system: 6, question with view: 15, invitation: 2     zoom       11 tokens
    after it  end and line break: 2, view: 10, invitation: 2        malformed  13 tokens
    after it  end and line break: 2, error: 14, invitation: 2       zoom       11 tokens
    after it  end and line break: 2, view: 10, invitation: 2        zoom       11 tokens, over the limit of 4 turns
    """
    renderer = ChatRenderer(build_tokenizer())
    zoom = '<grounding>{"bbox_2d": [0.25, 0.25, 0.75, 0.75], "source": "original_image"}</grounding>'
    nested = '<grounding>{"bbox_2d": [0.25, 0.25, 0.75, 0.75], "source": "observation_1"}</grounding>'
    broken = '<grounding>{"bbox_2d": [</grounding>'
    texts = [zoom, broken, nested, zoom]
    vlm = SimpleNamespace(
        renderer=renderer, budget=PixelBudget(784, 784, 28, True), profile="nano", context_tokens=4096
    )  # fmt: skip
    monkeypatch.setattr(local, "Decoder", lambda vlm, seed: Dictated(renderer, texts))
    task = SearchTask(picture="x.png", question="What digit is on the red star?")
    picture = Image.new("RGB", (200, 200))
    episode = asyncio.run(run_episode(task, Local(vlm, "dictated"), Limits(turns=4), picture=picture))

    assert episode.stop is StopReason.TURN_LIMIT
    assert episode.is_over_turn
    assert [turn.malformed for turn in episode.turns] == [None, "bad_json", None, None]
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

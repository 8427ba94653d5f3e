"""Every way of attention gives what transformers gives; caches are as large as what they hold."""

import asyncio
import itertools
import shutil

import pytest
import torch
from test_families import published, reference_logits

from mini_o3.episode import Message
from mini_o3.models.engine import Engine, attention, kernel
from mini_o3.models.engine.attention import Loop, Piece, Varlen, causal_mask
from mini_o3.models.engine.cache import PAGE, Pages, Rooms
from mini_o3.models.sampling import Sampling
from mini_o3.models.shipped import NANO_DIR
from mini_o3.models.vlm import load_vlm
from mini_o3.probes.shapes import make_probe
from mini_o3.vision import PixelBudget, Rect, show

WAYS = [
    "loop",
    pytest.param(
        "kernel", marks=pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler here")
    ),
    "padded",
    "varlen",
]


def flash_attention(query, keys, values, starts, _, longest, most, **given):
    """What torch's kernel for GPUs computes, said with loops: the causal mask ends at the bottom right."""
    assert (given["window_size"], given["enable_gqa"]) == ((-1, 0), True)
    shared, out = query.shape[1] // keys.shape[2], torch.empty_like(query)
    for row, (first, last) in enumerate(itertools.pairwise(starts)):
        seen, tokens = int(given["seqused_k"][row]), int(last - first)
        assert tokens <= longest
        assert seen <= most
        pages = given["block_table"][row].long()
        of_keys, of_values = (t[pages].flatten(0, 1)[:seen] for t in (keys, values))
        for head in range(query.shape[1]):
            scores = query[first:last, head] @ of_keys[:, head // shared].T * query.shape[-1] ** -0.5
            scores += causal_mask(tokens, 1, seen - tokens, query.dtype, query.device)
            out[first:last, head] = scores.softmax(-1) @ of_values[:, head // shared]
    return out


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    torch.set_num_threads(1)
    return {"nano": load_vlm(NANO_DIR), "qwen3": load_vlm(published(tmp_path_factory.mktemp("published")))}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["nano", "qwen3"])
def test_every_way_gives_the_logits_of_transformers(models, monkeypatch, name, way):
    """Three searches of three turns, prompts read in pieces, contexts beyond one page, drafts."""
    monkeypatch.setattr(attention, "varlen_attention", lambda: flash_attention)
    vlm = models[name]
    budget = vlm.budget or PixelBudget(60_000, 20_000, 32)
    engine = Engine(vlm, slots=2, prefill_tokens=90, way=way)
    assert engine.runner.decoder.way == way
    wrote = []

    async def search(number):
        sequence = await engine.open(number)
        ids, views, sampled = [], [], None
        for turn in range(3):
            picture = make_probe(500_000_400 + turn, "easy", size=(900, 900)).picture
            view = show(picture, Rect(90 * number, 0, 700, 600), budget)
            prompt = vlm.renderer.prompt([Message("user", ("Look " * 40, view, view))], sampled)
            reply = await engine.reply(sequence, prompt, Sampling(1.0, 20, ()))
            before, sampled = len(ids) + len(prompt.ids), reply.ids
            ids += [*prompt.ids, *sampled]
            views += prompt.views
            wrote.append((number, before, reply))
        engine.close(sequence)
        return ids, views

    async def together():
        return await asyncio.gather(*(search(number) for number in range(3)))

    read = asyncio.run(together())
    assert max(len(ids) for ids, _ in read) > PAGE
    forbidden = list(vlm.renderer.forbidden)
    for number, (ids, views) in enumerate(read):
        if name == "qwen3":
            logits = reference_logits(vlm, ids, views).clone()
        else:
            rows, grids = vlm.patcher(views)
            tokens = torch.tensor([ids])
            is_image = (tokens == vlm.renderer.image_pad).long()
            with torch.no_grad():
                logits = vlm.model(
                    input_ids=tokens, pixel_values=rows, image_grid_thw=grids, mm_token_type_ids=is_image
                ).logits[0]
        logits[:, forbidden] = -torch.inf
        log_probs = logits.log_softmax(-1)
        for who, before, reply in wrote:
            if who != number:
                continue
            for index, (token, log_prob) in enumerate(zip(reply.ids, reply.log_probs, strict=True)):
                theirs = float(log_probs[before + index - 1, token])
                assert log_prob == pytest.approx(theirs, abs=1e-4)
    assert asyncio.run(freed(engine)) == 0


async def freed(engine):
    while engine.thread is not None:
        await asyncio.sleep(0.01)
    return engine.runner.cache.held_bytes


def test_rooms_follow_what_they_hold(models):
    config = models["nano"].language.config
    rooms = Rooms(config, torch.float32, torch.device("cpu"))
    token = 2 * config.num_hidden_layers * config.num_key_value_heads * 48 * 4
    rooms.reserve(0, 1000)
    rooms.reserve(7, 40)
    assert 1040 * token <= rooms.held_bytes <= 1.2 * 1040 * token
    rooms.rooms[0][:] = 3.0
    rooms.copy(0, 7, 70)
    assert bool((rooms.rooms[7][:, :, :70] == 3.0).all())
    rooms.free(0)
    assert rooms.held_bytes <= 128 * token


def test_pages_are_shared_by_those_who_begin_alike_and_come_back(models):
    config = models["nano"].language.config
    pages = Pages(config, torch.float32, torch.device("cpu"))
    pages.reserve(0, 2 * PAGE + 9)
    for pair in pages.layers:
        for stored in pair:
            stored.normal_()
    pages.copy(0, 1, 2 * PAGE + 9)
    assert pages.tables[1][:2] == pages.tables[0][:2]
    assert pages.tables[1][2] != pages.tables[0][2]
    keys = pages.layers[3][0]
    assert torch.equal(keys[pages.tables[1][2], :9], keys[pages.tables[0][2], :9])
    held = pages.held_bytes
    pages.free(0)
    assert pages.held_bytes == held * 3 // 4
    pages.free(1)
    assert pages.held_bytes == 0
    before = len(pages.users)
    pages.reserve(2, 4 * PAGE)
    assert len(pages.users) == before  # what came back is used again


def test_a_pass_of_the_loop_and_of_flash_attention_are_alike(monkeypatch):
    """Decoding pieces, a draft and a long prompt in one call, four query heads per head of keys."""
    monkeypatch.setattr(attention, "varlen_attention", lambda: flash_attention)
    config = type("Config", (), {"num_hidden_layers": 1, "num_key_value_heads": 2, "head_dim": 16})
    rooms, pages = (kind(config, torch.float32, torch.device("cpu")) for kind in (Rooms, Pages))
    torch.manual_seed(0)
    for step in range(3):
        pieces = [Piece(0, 200 * step, 200), Piece(1, step, 1), Piece(2, 5 * step, 5)]
        given = [torch.randn(206, heads, 16) for heads in (8, 2, 2)]
        one, other = (way(c, pieces, 4)(0, *given) for way, c in ((Loop, rooms), (Varlen, pages)))
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_without_a_compiler_torch_does_it(models, monkeypatch):
    monkeypatch.setattr(kernel.shutil, "which", lambda name: None)
    kernel.load_kernel.cache_clear()
    try:
        assert kernel.why_not(48) == "no C compiler"
        assert Engine(models["nano"]).runner.decoder.way == "loop"
    finally:
        kernel.load_kernel.cache_clear()


def test_a_compiler_that_fails_is_no_reason_to_fail(models, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CC", "false")
    kernel.load_kernel.cache_clear()
    try:
        assert Engine(models["nano"]).runner.decoder.way == "loop"
    finally:
        kernel.load_kernel.cache_clear()

"""What the engine reads, encodes and draws in which pass: nothing twice, nothing all at once, nothing that is
forbidden."""

import asyncio
import json
import re
import shutil

import pytest
import torch
from helpers import play

from mini_o3.episode import Limits, StopReason, run_episode
from mini_o3.kit.errors import UserError
from mini_o3.models import views
from mini_o3.models import vlm as module
from mini_o3.models.chat import ChatRenderer, Rendered
from mini_o3.models.engine import Engine, decoder, scheduler
from mini_o3.models.sampling import Sampling
from mini_o3.models.shipped import NANO_DIR
from mini_o3.models.tokenizer import build_tokenizer
from mini_o3.models.vlm import best_device, compute_dtype, has_bfloat16, load_vlm, save_vlm
from mini_o3.policies.local import Local
from mini_o3.probes.shapes import make_probe
from mini_o3.vision import Rect, show

UNLOADED = r"half: cannot be loaded .*; is the checkpoint complete\?"


@pytest.fixture(scope="module")
def nano():
    torch.set_num_threads(1)
    return load_vlm(NANO_DIR)


@pytest.fixture
def passes(monkeypatch):
    """What every pass of the model read: a list of (slot, tokens held before, tokens read)."""
    found = []
    plain = decoder.Decoder.__call__

    def recording(self, embedded, position_ids, pieces, *more):
        found.append([tuple(piece) for piece in pieces])
        return plain(self, embedded, position_ids, pieces, *more)

    monkeypatch.setattr(decoder.Decoder, "__call__", recording)
    return found


@pytest.fixture
def encoded(monkeypatch):
    """How many views every pass of the vision tower took."""
    found = []
    plain = views.encode_views

    def recording(vlm, part):
        found.append(len(part))
        return plain(vlm, part)

    monkeypatch.setattr(views, "encode_views", recording)
    return found


@pytest.fixture
def endless(nano, monkeypatch):
    """Nobody may end a turn before its tokens are used up."""
    monkeypatch.setattr(nano.renderer, "forbidden", (*nano.renderer.forbidden, nano.renderer.im_end))


def prompt(vlm, *pictures, text="Look at this"):
    whole = Rendered()
    shown = [show(picture, Rect(0, 0, *picture.size), vlm.budget) for picture in pictures]
    whole.add(vlm.renderer.message("user", (text, *shown)))
    whole.add(vlm.renderer.generation_prompt())
    return whole


def picture(number):
    return make_probe(500_000_140 + number, "easy", size=(900, 900)).picture


def test_a_long_prompt_is_read_in_pieces_while_everyone_who_speaks_goes_on(nano, passes, endless):
    short, long = prompt(nano, text="Say"), prompt(nano, *(picture(n) for n in range(6)))
    sampling = Sampling(temperature=1.0, max_tokens=400, stops=())

    async def both():
        running = Engine(nano, slots=2, prefill_tokens=50, draft_tokens=0)
        speaker, reader = await running.open(1), await running.open(2)
        speaking = asyncio.create_task(running.reply(speaker, short, sampling))
        while not running.scheduler.decoding:
            await asyncio.sleep(0.001)
        before = len(passes)
        await asyncio.gather(speaking, running.reply(reader, long, Sampling(max_tokens=1)))
        return speaker.slot, reader.slot, passes[before:]

    speaker, reader, found = asyncio.run(both())
    reading = [pieces for pieces in found if any(slot == reader for slot, _, _ in pieces)]
    assert (
        sum(tokens for pieces in reading for slot, _, tokens in pieces if slot == reader)
        == len(long.ids)
        > 200
    )
    assert max(tokens for pieces in reading for slot, _, tokens in pieces if slot == reader) == 50
    assert all(pieces[0] == (speaker, pieces[0][1], 1) for pieces in reading)  # a token in every pass


def test_a_group_reads_its_beginning_once_and_its_picture_is_encoded_once(nano, passes, encoded, endless):
    probe = make_probe(
        500_000_141, "easy", size=(900, 900)
    )  # small: all have come before the first has done with speaking
    policy = Local(nano, "nano", slots=8, sampling=Sampling(temperature=1.0, max_tokens=60, stops=()))

    async def group():
        runs = (
            run_episode(probe.task, policy, Limits(turns=1), picture=probe.picture, seed=n) for n in range(8)
        )
        return await asyncio.gather(*runs)

    episodes = asyncio.run(group())
    opening = len(episodes[0].turns[0].prompt_ids)
    openings = [tokens for pieces in passes for _, start, tokens in pieces if start < opening]
    assert sum(openings) == opening
    assert encoded == [1]
    assert len({episode.token_ids for episode in episodes}) > 1


def test_many_views_that_come_at_once_do_not_hold_up_who_speaks(nano, passes, encoded, endless, monkeypatch):
    view = prompt(nano, picture(0)).views[0]
    monkeypatch.setattr(scheduler, "PATCHES_AT_ONCE", 2 * views.count_patches([view], nano.patcher.patch))
    sampling = Sampling(temperature=1.0, max_tokens=400, stops=())

    prompts = [prompt(nano, picture(n)) for n in range(6)]

    async def crowd():
        running = Engine(nano, slots=7, draft_tokens=0)
        speaker = await running.open(1)
        speaking = asyncio.create_task(running.reply(speaker, prompt(nano, text="Say"), sampling))
        while not running.scheduler.decoding:
            await asyncio.sleep(0.001)
        others = [await running.open(n) for n in range(6)]
        await asyncio.gather(
            speaking,
            *(running.reply(s, p, Sampling(max_tokens=1)) for s, p in zip(others, prompts, strict=True)),
        )

    asyncio.run(crowd())
    assert max(encoded) == 2
    assert sum(encoded) == 6
    speaker = passes[0][0][0]
    arrived = [pieces for pieces in passes if any(slot != speaker and not start for slot, start, _ in pieces)]
    assert len(arrived) >= 3  # read in as many passes as they were encoded in, not in one
    assert all(pieces[0][0] == speaker for pieces in arrived)


def test_the_engine_never_writes_a_vision_token_even_if_the_model_wants_nothing_else(nano):
    forbidden = list(nano.renderer.forbidden)

    def insist(module, given, logits):
        logits[..., forbidden] += 100.0
        return logits

    probe = make_probe(500_000_142, "easy", size=(1400, 1400))
    handle = nano.model.lm_head.register_forward_hook(insist)
    try:
        episode = play(
            Local(nano, "nano", sampling=Sampling(temperature=1.0, max_tokens=60)), probe.picture, probe.task
        )
    finally:
        handle.remove()
    assert episode.num_turns >= 2
    assert not {token for turn in episode.turns for token in turn.token_ids} & set(forbidden)


@pytest.mark.parametrize(
    ("says", "device", "units", "wanted"),
    [
        ("bfloat16", "cpu", True, torch.bfloat16),
        ("bfloat16", "cpu", False, torch.float32),
        ("float32", "cpu", True, torch.float32),
        ("float32", "cuda", True, torch.float32),
        ("float16", "cuda:1", True, torch.bfloat16),
        ("bfloat16", "cuda", False, torch.float32),
        (None, "cpu", True, torch.float32),
    ],
)
def test_bfloat16_is_computed_in_where_weights_and_processor_are_made_for_it(
    monkeypatch, says, device, units, wanted
):
    monkeypatch.setattr(module, "has_bfloat16", lambda _: units)
    assert compute_dtype({"dtype": says}, device) is wanted
    assert compute_dtype({"torch_dtype": says}, device) is wanted  # as older versions of transformers call it


def test_a_checkpoint_in_bfloat16_searches_in_bfloat16(nano, tmp_path, monkeypatch):
    """As transformers 5 saves it: all about pictures in `processor_config.json`."""
    shutil.copytree(NANO_DIR, tmp_path / "half")
    config = json.loads((tmp_path / "half" / "config.json").read_text())
    (tmp_path / "half" / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}))
    processor = json.loads((tmp_path / "half" / "preprocessor_config.json").read_text())
    (tmp_path / "half" / "preprocessor_config.json").unlink()
    (tmp_path / "half" / "processor_config.json").write_text(json.dumps({"image_processor": processor}))
    monkeypatch.setattr(module, "has_bfloat16", lambda _: True)
    half = load_vlm(tmp_path / "half")
    assert half.model.dtype is torch.bfloat16
    save_vlm(load_vlm(tmp_path / "half", dtype=torch.float32), tmp_path / "trained", {})  # as trainings do
    assert load_vlm(tmp_path / "trained").model.dtype is torch.bfloat16
    assert half.processor == nano.processor
    probe = make_probe(500_000_143, "easy", size=(1400, 1400))
    policy = Local(half, "half", sampling=Sampling(max_tokens=96))
    episode = play(policy, probe.picture, probe.task)
    assert policy.engine.runner.cache.dtype is torch.bfloat16
    whole = play(Local(nano, "nano", sampling=Sampling(max_tokens=96)), probe.picture, probe.task)
    ours, theirs = episode.turns[0].log_probs, whole.turns[0].log_probs
    assert ours[0] == pytest.approx(theirs[0], abs=0.05)  # three digits are left
    assert episode.num_turns >= 2


def test_a_checkpoint_without_settings_for_pictures_is_refused(tmp_path):
    shutil.copytree(NANO_DIR, tmp_path / "bare")
    (tmp_path / "bare" / "preprocessor_config.json").unlink()
    with pytest.raises(UserError, match=r"preprocessor_config\.json is missing"):
        load_vlm(tmp_path / "bare")


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n", UNLOADED),  # git without LFS
        ("model.safetensors", None, UNLOADED),  # the first half
        ("mini_o3.json", b'{"step', r"half/mini_o3\.json: not valid JSON .*; mend it or get a fresh copy"),
        ("mini_o3.json", b'{"budget": {"pixels": 3}}', UNLOADED),
        ("config.json", b"{", r"half/config\.json: not valid JSON .*; mend it or get a fresh copy"),
    ],
)
def test_a_checkpoint_that_is_not_whole_is_one_line(tmp_path, file, content, said):
    folder = shutil.copytree(NANO_DIR, tmp_path / "half")
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(UserError, match=said) as caught:
        load_vlm(folder)
    assert "\n" not in str(caught.value)


def test_a_question_that_does_not_fit_into_the_context_is_not_read(nano):
    probe = make_probe(3, "easy", size=(900, 900))
    policy = Local(nano, "nano", sampling=Sampling(max_tokens=20))
    policy.context_tokens = 40
    episode = play(policy, probe.picture, probe.task)
    assert (episode.stop, episode.num_turns) == (StopReason.POLICY_ERROR, 0)
    assert re.fullmatch(r"the question and its view take \d\d tokens of 40; lower max_pixels", episode.error)


def test_the_other_end_of_qwen_ends_a_turn_too():
    renderer = ChatRenderer(build_tokenizer())
    end = renderer.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    assert renderer.ended([5, end], ())
    assert renderer.ended([5, renderer.im_end], ())
    assert not renderer.ended([5], ())
    assert renderer.turn_suffix([5, end]).ids[0] == renderer.im_end  # the layout stays whole


@pytest.mark.parametrize(
    ("cuda", "mps", "wanted"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_the_fastest_device_is_taken(monkeypatch, cuda, mps, wanted):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert best_device() == wanted


@pytest.mark.parametrize("new", [True, False])
def test_an_apple_gpu_computes_in_bfloat16_from_macos_14_on(monkeypatch, new):
    monkeypatch.setattr(
        torch.backends.mps, "is_macos_or_newer", lambda major, minor: (major, minor) == (14, 0) and new
    )
    assert has_bfloat16("mps") is new

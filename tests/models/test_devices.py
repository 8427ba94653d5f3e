"""Where a model runs, how many searches fit there, and replicas."""

import asyncio
from dataclasses import replace

import pytest
import torch

from mini_o3.episode import Limits, run_episode
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.models import devices
from mini_o3.models.devices import read_devices, searches_that_fit, slots_for
from mini_o3.models.shipped import NANO_DIR
from mini_o3.models.vlm import load_vlm
from mini_o3.policies.local import Local
from mini_o3.policies.spec import PolicySpec
from mini_o3.probes.shapes import make_probe


@pytest.fixture
def gpus(monkeypatch):
    def have(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return have


def test_devices_are_read_by_name(gpus):
    gpus(3)
    assert read_devices("cuda:1") == ["cuda:1"]
    assert read_devices("cuda:0, cuda:2") == ["cuda:0", "cuda:2"]
    assert read_devices("all") == ["cuda:0", "cuda:1", "cuda:2"]
    assert read_devices(None) == ["cuda"]
    gpus(0)
    assert read_devices("cpu") == ["cpu"]


@pytest.mark.parametrize(
    ("wanted", "count", "said"),
    [
        ("cuda", 0, "no GPU of NVIDIA or AMD is here; leave it out, or take cpu"),
        ("cuda:2", 2, "the GPUs here are cuda:0 to cuda:1"),
        ("cuda:x", 2, "no number of a GPU"),
        ("mps", 0, "no GPU of Apple is here"),
        ("tpu", 0, "no such device; choose cpu, cuda, cuda:1, mps or all"),
    ],
)
def test_what_is_not_here_is_one_line(gpus, wanted, count, said):
    gpus(count)
    with pytest.raises(SettingError, match=said) as caught:
        read_devices(wanted)
    assert caught.value.setting == "device"


def test_whoever_runs_no_model_here_takes_no_device():
    with pytest.raises(SettingError, match="api runs no model here"):
        PolicySpec("api:http://h/v1#m", device="cpu")


def test_as_many_searches_go_on_as_fit(monkeypatch):
    vlm = load_vlm(NANO_DIR)
    token = 4 * 2 * 2 * 48 * 4  # layers, keys and values, heads, width, bytes
    monkeypatch.setattr(devices, "free_bytes", lambda device: 10 * 8192 * token)
    assert searches_that_fit(vlm) == 9  # a tenth is left free
    assert slots_for(vlm, 9) == (9, "")
    assert slots_for(vlm, 64) == (
        9,
        "9 searches of 8,192 tokens fit into the memory of cpu, 64 were asked for",
    )
    assert searches_that_fit(vlm, share=3) == 3
    said = []
    policy = Local.load(PolicySpec("nano", concurrency=64), said.append)
    assert len(policy.engine.free) == 9
    assert "9 searches" in said[0]
    monkeypatch.setattr(devices, "free_bytes", lambda device: 1000)
    with pytest.raises(UserError, match=r"takes the model, but no search of 8,192 tokens"):
        slots_for(vlm, 1)


def test_replicas_share_the_searches_and_say_the_same():
    torch.set_num_threads(1)
    spec = PolicySpec("nano", concurrency=4, turn_tokens=40, device="cpu")
    probes = [make_probe(500_000_500 + n, "easy", size=(900, 900)) for n in range(4)]

    def play(policy):
        async def together():
            runs = (run_episode(p.task, policy, Limits(turns=2), picture=p.picture) for p in probes)
            return await asyncio.gather(*runs)

        return [episode.token_ids for episode in asyncio.run(together())]

    two = Local.load(replace(spec, device="cpu,cpu"))
    assert [len(engine.free) for engine in two.engines] == [2, 2]
    opened = []
    for number, engine in enumerate(two.engines):

        async def open_(seed, number=number, plain=engine.open):
            opened.append(number)
            return await plain(seed)

        engine.open = open_
    assert play(two) == play(Local.load(spec))
    assert sorted(opened) == [0, 0, 1, 1]

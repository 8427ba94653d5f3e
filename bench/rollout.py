"""Rollouts per second: the engine against the loops people write, on the same weights and the same questions.

    python bench/rollout.py --out docs/bench                       # without TRL
    python bench/rollout.py --out docs/bench --trl-python trl-env/bin/python

TRL needs an environment of its own: `python -m venv trl-env`, `trl-env/bin/pip install -r requirements.txt
trl==1.16.0`, `trl-env/bin/pip install -e . --no-deps`. Writes `rollout.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from plain import Plain

from mini_o3.episode import Episode, Limits, Policy, run_episode
from mini_o3.kit.run import revision
from mini_o3.models.sampling import Sampling
from mini_o3.models.shipped import NANO_DIR
from mini_o3.models.vlm import Vlm, load_vlm
from mini_o3.policies.local import Local
from mini_o3.probes.shapes import Probe, make_probe

SIZE, MAX_TOKENS, TEMPERATURE = 1472, 160, 0.6
LEVELS = ("easy", "medium", "hard")
_mine: tuple[Policy, list[Probe]]  # of a process of `share_out`


def matmul_peak(threads: int) -> float:
    """FLOP/s of the best of some large matrix products. For a process of its own: its threads would stay
    about."""
    torch.set_num_threads(threads)
    best = 0.0
    for side in (512, 1024, 2048):
        a, b = torch.randn(side, side), torch.randn(side, side)
        for _ in range(6):
            began = time.perf_counter()
            a @ b
            best = max(best, 2 * side**3 / (time.perf_counter() - began))
    return best


def work(vlm: Vlm, episodes: list[Episode]) -> float:
    """Floating-point operations that the matrices of the model need for these episodes, every token and view
    counted once."""
    text = vlm.model.config.text_config
    layers = sum(p.numel() for p in vlm.model.model.language_model.layers.parameters())
    head = text.hidden_size * text.vocab_size
    per_patch = sum(p.numel() for p in vlm.model.model.visual.blocks.parameters())
    total = 0.0
    for episode in episodes:
        length = len(episode.token_ids)
        written = sum(episode.token_mask)
        total += (
            2 * layers * length
            + 2 * head * written
            + 4 * text.num_hidden_layers * text.hidden_size * length * length / 2
        )
        total += 2 * per_patch * 144 * (1 + episode.num_zooms)
    return total


def roll_out(
    policy: Policy, probes: list[Probe], rollouts: int, turns: int, at_once: int
) -> tuple[float, list[Episode]]:
    """Seconds and episodes of `rollouts` episodes on each probe."""

    async def run() -> list[Episode]:
        room = asyncio.Semaphore(at_once)

        async def one(probe: Probe, seed: int) -> Episode:
            async with room:
                return await run_episode(
                    probe.task, policy, Limits(turns=turns), picture=probe.picture, seed=seed
                )

        return await asyncio.gather(*(one(probe, seed) for probe in probes for seed in range(rollouts)))

    began = time.perf_counter()
    episodes = asyncio.run(run())
    return time.perf_counter() - began, episodes


def share_out(
    processes: int, questions: int, rollouts: int, turns: int, slots: int, sampling: Sampling
) -> tuple[float, list[Episode]]:
    """As `roll_out` with the engine, the questions shared out to `processes` of one thread each; loading is
    not counted.

    Ours to use several cores: threads of one process wait for each other at every small product.
    """
    context = get_context("spawn")
    ready = context.Barrier(processes + 1)
    with context.Pool(processes, _load, (ready, questions, slots, sampling)) as pool:
        ready.wait()
        began = time.perf_counter()
        work_of = [(range(questions)[rank::processes], rollouts, turns, slots) for rank in range(processes)]
        found = pool.starmap(_part, work_of, chunksize=1)
        return time.perf_counter() - began, [episode for part in found for episode in part]


def _load(ready: Any, questions: int, slots: int, sampling: Sampling) -> None:
    global _mine
    torch.set_num_threads(1)
    _mine = (
        Local(load_vlm(NANO_DIR), "engine", slots=slots, sampling=sampling),
        [_probe(n) for n in range(questions)],
    )
    roll_out(_mine[0], _mine[1][:1], 2, 2, 8)  # warm up
    ready.wait()


def _part(part: range, rollouts: int, turns: int, slots: int) -> list[Episode]:
    policy, probes = _mine
    return roll_out(policy, [probes[n] for n in part], rollouts, turns, slots)[1]


@cache
def _probe(n: int) -> Probe:
    return make_probe(1000 + n, LEVELS[n % 3], size=(SIZE, SIZE))


def trl_loop(python: str, questions: int, rollouts: int, turns: int, threads: int) -> dict[str, Any]:
    arguments = {
        "--questions": questions,
        "--rollouts": rollouts,
        "--turns": turns,
        "--max-tokens": MAX_TOKENS,
        "--threads": threads,
        "--size": SIZE,
        "--temperature": TEMPERATURE,
    }
    command = [
        python,
        str(Path(__file__).with_name("trl_loop.py")),
        *(str(x) for pair in arguments.items() for x in pair),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])  # type: ignore[no-any-return]


def note(
    found: dict[str, Any], name: str, threads: int, episodes: int, seconds: float, more: dict[str, Any]
) -> None:
    """Keep the faster of several measurements of a loop."""
    row = {"threads": threads, "episodes": episodes, "seconds": round(seconds, 2)}
    row |= {"episodes_per_second": round(episodes / seconds, 3), **more}
    print(name, json.dumps(row), flush=True)
    if name not in found or row["episodes_per_second"] > found[name]["episodes_per_second"]:
        found[name] = row


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--questions", type=int, default=32)
    options.add_argument("--rollouts", type=int, default=8)
    options.add_argument("--turns", type=int, default=6)
    options.add_argument("--slots", type=int, default=128)
    options.add_argument(
        "--threads", type=int, nargs="+", default=[1, 2], help="each loop gets what suits it best of these"
    )
    options.add_argument(
        "--processes", type=int, default=2, help="of the engine, of one thread each; 1: only this one"
    )
    options.add_argument(
        "--slow-share", type=float, default=0.25, help="share of the questions that sequential loops get"
    )
    options.add_argument("--trl-threads", type=int, nargs="+", default=[1, 2])
    options.add_argument(
        "--trl-python", default="", help="python of an environment with TRL 1.16; empty: TRL is left out"
    )
    options.add_argument("--out", type=Path, required=True)
    args = options.parse_args()
    with get_context("spawn").Pool(1) as pool:
        peak = pool.apply(matmul_peak, (max(*args.threads, args.processes),))
    vlm = load_vlm(NANO_DIR)
    sampling = Sampling(temperature=TEMPERATURE, max_tokens=MAX_TOKENS)
    probes = [_probe(n) for n in range(args.questions)]
    few = probes[: max(int(args.questions * args.slow_share), 1)]
    engine = Local(vlm, "engine", slots=args.slots, sampling=sampling)
    roll_out(engine, few[:1], 2, 2, 8)  # warm up
    found: dict[str, Any] = {
        "command": " ".join(sys.argv),
        "revision": revision(),
        "peak_gflops": round(peak / 1e9, 1),
    }
    for name, policy, asked, at_once in (
        ("engine", engine, probes, args.slots),
        ("cached", Plain(vlm, sampling, cached=True), few, 1),
        ("reencode", Plain(vlm, sampling, cached=False), few, 1),
    ):
        for threads in args.threads:
            torch.set_num_threads(threads)
            seconds, episodes = roll_out(policy, asked, args.rollouts, args.turns, at_once)
            row = {
                "turns": sum(e.num_turns for e in episodes),
                "tokens_written": sum(sum(e.token_mask) for e in episodes),
            }
            row["share_of_matmul_peak"] = round(work(vlm, episodes) / seconds / peak, 4)
            note(found, name, threads, len(episodes), seconds, row)
    if args.processes > 1:
        seconds, episodes = share_out(
            args.processes, args.questions, args.rollouts, args.turns, args.slots, sampling
        )
        row = {"processes": args.processes, "turns": sum(e.num_turns for e in episodes)}
        row |= {"tokens_written": sum(sum(e.token_mask) for e in episodes)}
        row["share_of_matmul_peak"] = round(work(vlm, episodes) / seconds / peak, 4)
        note(found, "engine", 1, len(episodes), seconds, row)
    for threads in args.trl_threads if args.trl_python else ():
        result = trl_loop(args.trl_python, args.questions, args.rollouts, args.turns, threads)
        note(found, "trl", threads, result["episodes"], result["seconds"], {"turns": result["turns"]})
    best = found["engine"]["episodes_per_second"]
    peers = [name for name in ("cached", "reencode", "trl") if name in found]
    found["engine_is_faster_by"] = {
        name: round(best / found[name]["episodes_per_second"], 2) for name in peers
    }
    print(json.dumps({k: found[k] for k in ("engine_is_faster_by", "peak_gflops")}), flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "rollout.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Rollouts per second: the engine against the loops people write, on the same weights and the same questions.

    python bench/rollout.py --out docs/bench                       # without TRL
    python bench/rollout.py --out docs/bench --trl-python trl-env/bin/python

TRL needs an environment of its own: `python -m venv trl-env`, `trl-env/bin/pip install -r requirements.txt trl==1.16.0`,
`trl-env/bin/pip install -e . --no-deps`. Writes `rollout.json`, and `rollout.png` if matplotlib is there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from plain import Plain

from mini_o3.episode import Episode, Limits, Policy, run_episode
from mini_o3.kit.rundir import revision
from mini_o3.models.nano import NANO_DIR
from mini_o3.models.render import Rendered
from mini_o3.models.sampling import Sampling
from mini_o3.models.vlm import Vlm, load_vlm
from mini_o3.policies.local import Local
from mini_o3.probes import Probe, make_probe
from mini_o3.vision import Rect, show

SIZE, MAX_TOKENS = 1472, 160
LEVELS = ("easy", "medium", "hard")


def matmul_peak() -> float:
    """FLOP/s of the best of some large matrix products."""
    best = 0.0
    for side in (512, 1024, 2048):
        a, b = torch.randn(side, side), torch.randn(side, side)
        for _ in range(6):
            began = time.perf_counter()
            a @ b
            best = max(best, 2 * side**3 / (time.perf_counter() - began))
    return best


def work(vlm: Vlm, episodes: list[Episode]) -> float:
    """Floating-point operations that the matrices of the model need for these episodes, every token and view counted once."""
    text = vlm.model.config.text_config
    layers = sum(p.numel() for p in vlm.model.model.language_model.layers.parameters())
    head = text.hidden_size * text.vocab_size
    per_patch = sum(p.numel() for p in vlm.model.model.visual.blocks.parameters())
    total = 0.0
    for episode in episodes:
        length = len(episode.token_ids)
        written = sum(episode.token_mask)
        total += (
            2 * layers * length + 2 * head * written + 4 * text.num_hidden_layers * text.hidden_size * length * length / 2
        )
        total += 2 * per_patch * 144 * (1 + episode.num_zooms)
    return total


def roll_out(policy: Policy, probes: list[Probe], rollouts: int, turns: int, at_once: int) -> tuple[float, list[Episode]]:
    """Seconds and episodes of `rollouts` episodes on each probe."""

    async def run() -> list[Episode]:
        room = asyncio.Semaphore(at_once)

        async def one(probe: Probe, seed: int) -> Episode:
            async with room:
                return await run_episode(probe.task, policy, Limits(turns=turns), picture=probe.picture, seed=seed)

        return await asyncio.gather(*(one(probe, seed) for probe in probes for seed in range(rollouts)))

    began = time.perf_counter()
    episodes = asyncio.run(run())
    return time.perf_counter() - began, episodes


def trl_loop(python: str, questions: int, rollouts: int, turns: int, threads: int) -> dict[str, Any]:
    arguments = {
        "--questions": questions, "--rollouts": rollouts, "--turns": turns, "--max-tokens": MAX_TOKENS, "--threads": threads,
        "--size": SIZE,
    }  # fmt: skip
    command = [python, str(Path(__file__).with_name("trl_loop.py")), *(str(x) for pair in arguments.items() for x in pair)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])  # type: ignore[no-any-return]


def per_turn(vlm: Vlm, turns: int, together: int, written: int) -> dict[str, list[float]]:
    """Seconds per turn and conversation, at every turn: the engine with `together` conversations, re-encoding with one.

    Every turn is one view and exactly `written` tokens: ending a turn is forbidden.
    """
    renderer = vlm.renderer
    renderer.forbidden = (*renderer.forbidden, renderer.im_end)
    probe = make_probe(1, "easy", size=(SIZE, SIZE))
    sampling = Sampling(temperature=1.0, max_tokens=written, stops=())

    def prompt(turn: int, row: int) -> Rendered:
        corner = 10 * turn + row
        view = show(probe.picture, Rect(corner, corner, corner + 400, corner + 400), vlm.budget)
        whole = renderer.closing([]) if turn else Rendered()
        whole.add(renderer.message("user", (f"Observation {turn}: ", view)))
        whole.add(renderer.invitation())
        return whole

    async def engine() -> list[float]:
        policy = Local(vlm, "nano", slots=together)
        streams = [await policy.engine.open(row) for row in range(together)]
        out = []
        for turn in range(turns):
            prompts = [prompt(turn, row) for row in range(together)]
            began = time.perf_counter()
            await asyncio.gather(*(policy.engine.reply(s, p, sampling) for s, p in zip(streams, prompts, strict=True)))
            out.append((time.perf_counter() - began) / together)
        for stream in streams:
            policy.engine.close(stream)
        return out

    def reencode() -> list[float]:
        conversation = Plain(vlm, sampling, cached=False).open(None)
        out = []
        for turn in range(turns):
            added = prompt(turn, 0)
            conversation.ids += added.ids
            rows, grids = vlm.patcher(added.views)
            conversation.rows.append(rows)
            conversation.grids.append(grids)
            began = time.perf_counter()
            conversation.ids += conversation._generate(conversation._new(True))
            out.append(time.perf_counter() - began)
        return out

    try:
        return {"engine": asyncio.run(engine()), "reencode": reencode()}
    finally:
        renderer.forbidden = renderer.forbidden[:-1]


def note(found: dict[str, Any], name: str, threads: int, episodes: int, seconds: float, more: dict[str, Any]) -> None:
    """Keep the faster of several measurements of a loop."""
    row = {"threads": threads, "episodes": episodes, "seconds": round(seconds, 2)}
    row |= {"episodes_per_second": round(episodes / seconds, 3), **more}
    print(name, json.dumps(row), flush=True)
    if name not in found or row["episodes_per_second"] > found[name]["episodes_per_second"]:
        found[name] = row


def plot(found: dict[str, Any], path: Path) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, seconds in found["per_turn"].items():
        axes.plot(
            range(1, len(seconds) + 1),
            [s / seconds[0] for s in seconds],
            label=f"{name}, {seconds[0] * 1e3:.0f} ms at turn 1",
        )
    axes.axhline(1.3, color="grey", linestyle=":", label="1.3")
    axes.set(xlabel="turn", ylabel="cost of a turn, turn 1 = 1", title="What a turn costs as the conversation grows")
    axes.legend()
    figure.savefig(path, dpi=110, bbox_inches="tight")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--questions", type=int, default=32)
    options.add_argument("--rollouts", type=int, default=8)
    options.add_argument("--turns", type=int, default=6)
    options.add_argument("--slots", type=int, default=128)
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="each loop gets what suits it best of these")
    options.add_argument("--slow-share", type=float, default=0.25, help="share of the questions that sequential loops get")
    options.add_argument("--long-turns", type=int, default=32)
    options.add_argument("--trl-python", default="", help="python of an environment with TRL 1.16; empty: TRL is left out")
    options.add_argument("--out", type=Path, required=True)
    args = options.parse_args()
    torch.set_num_threads(max(args.threads))
    peak = matmul_peak()
    vlm = load_vlm(NANO_DIR)
    sampling = Sampling(temperature=1.0, max_tokens=MAX_TOKENS)
    probes = [make_probe(1000 + n, LEVELS[n % 3], size=(SIZE, SIZE)) for n in range(args.questions)]
    few = probes[: max(int(args.questions * args.slow_share), 1)]
    engine = Local(vlm, "engine", slots=args.slots, sampling=sampling)
    roll_out(engine, few[:1], 2, 2, 8)  # warm up
    found: dict[str, Any] = {"command": " ".join(sys.argv), "revision": revision(), "peak_gflops": round(peak / 1e9, 1)}
    for name, policy, asked, at_once in (
        ("engine", engine, probes, args.slots),
        ("cached", Plain(vlm, sampling, cached=True), few, 1),
        ("reencode", Plain(vlm, sampling, cached=False), few, 1),
    ):
        for threads in args.threads:
            torch.set_num_threads(threads)
            seconds, episodes = roll_out(policy, asked, args.rollouts, args.turns, at_once)
            row = {"turns": sum(e.num_turns for e in episodes), "tokens_written": sum(sum(e.token_mask) for e in episodes)}
            row["share_of_matmul_peak"] = round(work(vlm, episodes) / seconds / peak, 4)
            note(found, name, threads, len(episodes), seconds, row)
    for threads in args.threads if args.trl_python else ():
        result = trl_loop(args.trl_python, args.questions, args.rollouts, args.turns, threads)
        note(found, "trl", threads, result["episodes"], result["seconds"], {"turns": result["turns"]})
    best = found["engine"]["episodes_per_second"]
    peers = [name for name in ("cached", "reencode", "trl") if name in found]
    found["engine_is_faster_by"] = {name: round(best / found[name]["episodes_per_second"], 2) for name in peers}
    torch.set_num_threads(found["engine"]["threads"])
    found["per_turn"] = {k: [round(s, 5) for s in v] for k, v in per_turn(vlm, args.long_turns, 16, 36).items()}
    found["last_turn_over_first"] = {k: round(v[-1] / v[0], 2) for k, v in found["per_turn"].items()}
    print(json.dumps({k: found[k] for k in ("engine_is_faster_by", "last_turn_over_first", "peak_gflops")}), flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "rollout.json").write_text(json.dumps(found, indent=1) + "\n")
    try:
        plot(found, args.out / "rollout.png")
    except ImportError:
        print("no picture: matplotlib is not installed")


if __name__ == "__main__":
    main()

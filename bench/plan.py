"""Measure what the cost model of `mini-o3 plan` is fitted to: random models of several sizes on this
processor.

    python bench/plan.py --out mini_o3/scale/measured.json

One thread, processor time, one process per size: reading prompts, writing words and one update with
activations dropped, the peak of matrix products and the bandwidth of memory beside them. Then says how
well the fit gives the runs back, and how far it is off the published step times, which are not fitted.
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

SIZES = {  # width, layers, query heads (of width 64; half as many of keys)
    "tiny": (128, 4, 2),
    "small": (256, 4, 4),
    "medium": (384, 6, 6),
    "large": (512, 8, 8),
}
PROMPT, TOGETHER, WRITTEN, BATCH = 256, 8, 24, 2


def measure(name: str) -> dict[str, Any]:
    """One size, in this process."""
    import torch
    from transformers import Qwen2_5_VLForConditionalGeneration

    from mini_o3.models.chat import ChatRenderer, Rendered
    from mini_o3.models.engine import Engine
    from mini_o3.models.forward import hidden_states
    from mini_o3.models.nano import NANO_BUDGET, PROCESSOR, nano_config
    from mini_o3.models.patches import Patcher
    from mini_o3.models.sampling import Sampling
    from mini_o3.models.tokenizer import build_tokenizer
    from mini_o3.models.vlm import Vlm, enable_gradient_checkpointing

    torch.set_num_threads(1)
    torch.manual_seed(0)
    width, layers, heads = SIZES[name]
    tokenizer = build_tokenizer()
    config = nano_config(tokenizer, width=width, layers=layers)
    text = config.text_config
    text.num_attention_heads, text.num_key_value_heads = heads, heads // 2
    text.rope_parameters = {"rope_type": "default", "mrope_section": [8, 12, 12], "rope_theta": 1e6}
    text.layer_types = ["full_attention"] * layers
    model = Qwen2_5_VLForConditionalGeneration(config).float().eval()
    patcher = Patcher.of(PROCESSOR)
    vlm = Vlm(
        model, ChatRenderer(tokenizer), patcher, NANO_BUDGET, "nano", 192, 8192, torch.float32, PROCESSOR
    )

    def timed(work: Any) -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    side = torch.randn(1024, 1024)
    peak = max(2 * 1024**3 / timed(lambda: side @ side) for _ in range(20))
    block = torch.randn(1 << 24)
    bandwidth = max(block.nbytes / timed(block.sum) for _ in range(10))
    vlm.renderer.forbidden = (*vlm.renderer.forbidden, *vlm.renderer.ends)  # nobody ends a turn
    ids = torch.randint(300, 600, (TOGETHER, PROMPT)).tolist()

    async def searches(written: int) -> None:
        engine = Engine(vlm, slots=TOGETHER, draft_tokens=0)
        sequences = [await engine.open(row) for row in range(TOGETHER)]
        sampling = Sampling(1.0, written, ())
        prompts = [Rendered(row, [0] * PROMPT) for row in ids]
        await asyncio.gather(*(engine.reply(s, p, sampling) for s, p in zip(sequences, prompts, strict=True)))

    asyncio.run(searches(2))  # warm up
    read_seconds = min(timed(lambda: asyncio.run(searches(1))) for _ in range(2))
    both = min(timed(lambda: asyncio.run(searches(1 + WRITTEN))) for _ in range(2))
    matrices = sum(p.numel() for n, p in vlm.language.layers.named_parameters() if p.ndim == 2)
    attention = 2 * layers * heads * 64 * PROMPT * PROMPT
    cached = 2 * layers * heads // 2 * 64 * 4

    model.train()
    enable_gradient_checkpointing(model)
    model.model.visual.requires_grad_(False)
    batch = torch.tensor(ids[:BATCH]).repeat(1, 2)
    at = torch.arange(2 * PROMPT).expand(3, BATCH, -1)

    def learn() -> None:
        hidden = hidden_states(vlm, batch, at)
        hidden.square().mean().backward()

    learn()  # gradients are there from now on
    learn_seconds = timed(learn)
    tokens = BATCH * 2 * PROMPT
    alive = width + 5 * width // 2 + 2 * heads * 64
    return {
        "name": name,
        "parameters": matrices,
        "layers": layers,
        "peak": peak,
        "bandwidth": bandwidth,
        "read_flops": TOGETHER * (2 * matrices * PROMPT + attention),
        "read_passes": TOGETHER * PROMPT / 1024,
        "read_seconds": read_seconds,
        "write_bytes": WRITTEN * (4 * matrices + TOGETHER * PROMPT * cached),
        "write_passes": WRITTEN,
        "write_seconds": both - read_seconds,
        "learn_flops": 4 * BATCH * (2 * matrices * 2 * PROMPT + 4 * attention),
        "learn_seconds": learn_seconds,
        "kept_values": tokens * layers * width,
        "alive_values": tokens * alive,
        "activation_bytes": _activations(learn),
    }


def _activations(learn: Any) -> float:
    """Most bytes that are alive during `learn` beyond those before it, as torch's allocator counts them."""
    import torch

    with torch.profiler.profile(profile_memory=True, record_shapes=False) as profiler:
        learn()
    held = most = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return float(most)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--out", type=Path, default=Path("mini_o3/scale/measured.json"))
    options.add_argument("--size", choices=SIZES, help="measure this one and print it")
    options.add_argument("--old", action="store_true", help="measure nothing; only say how well the fit does")
    args = options.parse_args()
    if args.size:
        print(json.dumps(measure(args.size)))
        return
    if not args.old:
        runs = []
        for name in SIZES:
            command = [sys.executable, __file__, "--size", name]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            runs.append(json.loads(said.splitlines()[-1]))
            print(f"{name}: read {runs[-1]['read_seconds']:.2f} s, learn {runs[-1]['learn_seconds']:.2f} s")
        args.out.write_text(json.dumps({"runs": runs}, indent=1) + "\n")
    report(json.loads(args.out.read_text())["runs"])


def report(runs: list[dict[str, Any]]) -> None:
    """How well the fit gives back each run, also where it was left out; and the published figures."""
    from mini_o3.scale.calibration import fit
    from mini_o3.scale.published import compared

    known = fit(runs)
    print(known)
    for index, run in enumerate(runs):
        others = fit(runs[:index] + runs[index + 1 :])
        read = run["read_flops"] / run["peak"] / others.read
        write = run["write_bytes"] / run["bandwidth"] / others.write
        write += others.overhead * run["layers"] * run["write_passes"]
        learn = run["learn_flops"] / run["peak"] / others.learn
        held = 4 * (others.kept * run["kept_values"] + others.alive * run["alive_values"])
        print(
            f"{run['name']} left out: read {read / run['read_seconds']:.2f},"
            f" write {write / run['write_seconds']:.2f},"
            f" learn {learn / run['learn_seconds']:.2f}, activations {held / run['activation_bytes']:.2f}"
            " times what was measured"
        )
    for comparison in compared():
        print(comparison.line)


if __name__ == "__main__":
    main()

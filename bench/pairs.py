"""Rollouts of two checkouts of this repository against each other, in turns, in processor time.

    git worktree add /tmp/base e26451f
    python bench/pairs.py /tmp/base --out docs/bench

Both play the same searches with nano in one thread. Processor time (of all threads of the process) is
counted, so that a busy machine does not decide; each pair is run back to back. Says whether both wrote the
same tokens, and how far their log-probabilities lie apart. Writes `pairs.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]


def play(questions: int, turns: int, slots: int, temperature: float, out: Path) -> None:
    """Play the searches with whatever mini_o3 is on the path, and leave what was written in `out`."""
    import numpy as np
    import torch

    from mini_o3.episode import Limits, run_episode
    from mini_o3.models.sampling import Sampling
    from mini_o3.models.vlm import load_vlm
    from mini_o3.policies.local import Local

    try:
        from mini_o3.models.shipped import NANO_DIR
        from mini_o3.probes.shapes import make_probe
    except ImportError:  # at e26451f
        from mini_o3.models.nano import NANO_DIR
        from mini_o3.probes import make_probe
    torch.set_num_threads(1)
    probes = [make_probe(500_000_000 + n, "hard") for n in range(questions)]
    sampling = Sampling(temperature=temperature, max_tokens=160)
    policy = Local(load_vlm(NANO_DIR), "nano", slots=slots, sampling=sampling)

    async def run(chosen: list[Any], most: int) -> list[Any]:
        searches = (
            run_episode(p.task, policy, Limits(turns=most), picture=p.picture, seed=n)
            for n, p in enumerate(chosen)
        )
        return await asyncio.gather(*searches)

    asyncio.run(run(probes[:2], 2))  # warm up
    policy = Local(policy.vlm, "nano", slots=slots, sampling=sampling)
    began = time.process_time()
    episodes = asyncio.run(run(probes, turns))
    seconds = time.process_time() - began
    ids = [token for episode in episodes for token in episode.token_ids]
    log_probs = [value for episode in episodes for value in episode.token_log_probs]
    lengths = [len(episode.token_ids) for episode in episodes]
    played = sum(episode.num_turns for episode in episodes)
    np.savez(out, ids=ids, log_probs=log_probs, lengths=lengths, seconds=seconds, turns=played)


def measure(checkout: Path, args: argparse.Namespace, temperature: float) -> dict[str, Any]:
    """What one run in a checkout wrote and took."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "played.npz"
        environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, "--play", str(out), "--questions", str(args.questions)]
        command += ["--turns", str(args.turns), "--slots", str(args.slots), "--temperature", str(temperature)]
        subprocess.run(command, env=environment, cwd=folder, check=True)
        return dict(np.load(out).items())


def compare(args: argparse.Namespace, temperature: float) -> dict[str, Any]:
    """Ratio of processor times, median and range over pairs; how much of what was written is the same."""
    import numpy as np

    ratios, seconds = [], {"base": [], "this": []}
    for pair in range(args.pairs):
        order = [("base", args.base), ("this", HERE)][:: 1 if pair % 2 else -1]
        found = {name: measure(checkout, args, temperature) for name, checkout in order}
        for name in found:
            seconds[name].append(round(float(found[name]["seconds"]), 2))
        ratios.append(float(found["base"]["seconds"] / found["this"]["seconds"]))
        print(json.dumps({"temperature": temperature, "ratio": round(ratios[-1], 3)}), flush=True)
    base, this = found["base"], found["this"]
    same = bool(np.array_equal(base["ids"], this["ids"]))
    apart = float(np.abs(base["log_probs"] - this["log_probs"]).max()) if same else None
    return {
        "episodes": args.questions,
        "turns_played": int(this["turns"]),
        "episodes_per_cpu_second": {
            name: round(args.questions / statistics.median(values), 2) for name, values in seconds.items()
        },
        "cpu_seconds": seconds,
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "same_tokens": same,
        "log_probs_apart": apart,
    }


def processor() -> str:
    """Its name, and the widest vectors it has."""
    path = Path("/proc/cpuinfo")
    text = path.read_text() if path.is_file() else ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    wide = next((name for name in ("avx512f", "avx2") if name in text), "")
    return " ".join([*(names[:1] or [platform.processor()]), wide]).strip()


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("base", type=Path, nargs="?", help="the other checkout")
    options.add_argument("--pairs", type=int, default=3)
    options.add_argument("--questions", type=int, default=64)
    options.add_argument("--turns", type=int, default=32)
    options.add_argument("--slots", type=int, default=64)
    options.add_argument("--temperature", type=float, nargs="+", default=[0.0, 0.6])
    options.add_argument("--out", type=Path, default=Path("docs/bench"))
    options.add_argument("--play", type=Path, help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.play:
        play(args.questions, args.turns, args.slots, args.temperature[0], args.play)
        return
    found: dict[str, Any] = {"command": " ".join(sys.argv), "processor": processor()}
    for name, checkout in (("base", args.base), ("this", HERE)):
        command = ["git", "-C", str(checkout), "rev-parse", "--short=12", "HEAD"]
        found[f"revision_{name}"] = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    for temperature in args.temperature:
        found[f"temperature {temperature}"] = compare(args, temperature)
    print(json.dumps(found, indent=1))
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "pairs.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

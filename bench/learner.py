"""Tokens per second of the learner against TRL's on the same trajectories, and whether they agree where they
should.

    python bench/learner.py --trl-python trl-env/bin/python --out docs/bench

Trajectories are rolled out by nano, 6 turns, 8 per question. Both compute the gradient of one update on all
of them with the vision tower learning. TRL reads every trajectory; the learner leaves out those that have no
gradient, encodes a view that several of them saw once, and reads those of similar length together. Tokens are
those of all trajectories for both.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from mini_o3.episode import Limits
from mini_o3.grpo.advantages import Masking
from mini_o3.grpo.batch import mini_batch
from mini_o3.grpo.config import GrpoConfig
from mini_o3.grpo.learner import Learner
from mini_o3.grpo.questions import FreshProbes
from mini_o3.grpo.rollout import Group, RolloutCollector
from mini_o3.grpo.weights import rollout_weights
from mini_o3.judge import make_judge
from mini_o3.kit.run import revision
from mini_o3.models.sampling import Sampling
from mini_o3.models.shipped import NANO_DIR
from mini_o3.models.vlm import Vlm, load_vlm
from mini_o3.policies.local import Local


def roll_out(vlm: Vlm, questions: int, masking: Masking) -> list[Group]:
    """Groups that teach something, from as many questions."""
    policy = Local(vlm, "nano", slots=96, sampling=Sampling(1.0, 160))
    levels = {"easy": 0.4, "medium": 0.4, "hard": 0.2}
    collector = RolloutCollector(
        policy, make_judge("exact"), FreshProbes(7, levels), Limits(turns=6), 8, masking, 0.0, 96, 7
    )
    return [group for group in collector.groups(range(questions)) if group.advantages is not None]


def as_rows(groups: list[Group]) -> list[dict[str, Any]]:
    """Every rollout of the groups, the way TRL will see it."""
    return [
        {
            "ids": list(e.token_ids),
            "mask": list(e.token_mask),
            "old": list(e.token_log_probs),
            "views": list(rollout.views),
            "advantage": float(gain),
        }
        for group in groups
        if group.advantages is not None
        for rollout, gain in zip(group.rollouts, group.advantages.advantages, strict=True)
        for e in (rollout.episode,)
    ]


def ours(vlm: Vlm, groups: list[Group], masking: Masking, *, freeze_vision: bool = False) -> dict[str, Any]:
    """Loss, seconds and gradient of one update without its step."""
    config = GrpoConfig(
        seed=0, steps=1, groups=1, updates=1, lr=1e-9, max_grad_norm=1e9, freeze_vision=freeze_vision
    )
    learner = Learner(vlm, config.model_copy(update={"micro_tokens": 8192}), Accelerator(cpu=True))
    learner.optimiser.step = lambda *_: None
    found = rollout_weights([group.outcomes for group in groups], masking)
    batch = mini_batch(groups, [weights for weights in found if weights is not None])
    began = time.perf_counter()
    sums = learner.update(batch)
    seconds = time.perf_counter() - began
    gradients = {name: p.grad.clone() for name, p in vlm.model.named_parameters() if p.grad is not None}
    return {
        "loss": sums["loss"],
        "seconds": seconds,
        "gradients": gradients,
        "learnt": len(batch.trajectories),
    }


def theirs(python: str, rows: list[dict[str, Any]], micro: int, threads: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        torch.save(rows, Path(folder) / "rows.pt")
        command = [
            python,
            str(Path(__file__).with_name("trl_learner.py")),
            "--batch",
            f"{folder}/rows.pt",
            "--out",
            f"{folder}/out.pt",
            "--micro",
            str(micro),
            "--threads",
            str(threads),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return torch.load(Path(folder) / "out.pt", weights_only=True)  # type: ignore[no-any-return]


def difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Greatest difference of two gradients, over the greatest entry."""
    assert one.keys() == other.keys()
    most = max(float(value.abs().max()) for value in one.values())
    return max(float((one[name] - other[name]).abs().max()) for name in one) / most


def compare(python: str, questions: int, threads: int) -> dict[str, Any]:
    """Where the definitions coincide: nothing masked, division by all rollouts, no token forbidden."""
    vlm = load_vlm(NANO_DIR)
    masking = Masking(over_turn=False, normaliser="all", variance="all")
    groups = roll_out(vlm, questions, masking)
    vlm.renderer.forbidden = ()
    rows = as_rows(groups)
    for row in rows:  # off policy, so that clipping matters
        row["old"] = [
            p + 0.15 * (i % 5 - 2) * m for i, (p, m) in enumerate(zip(row["old"], row["mask"], strict=True))
        ]
    moved = iter(rows)
    groups = [
        replace(
            group,
            rollouts=tuple(
                replace(r, episode=_remembering(r.episode, next(moved)["old"])) for r in group.rollouts
            ),
        )
        for group in groups
    ]
    mine, trl = ours(vlm, groups, masking), theirs(python, rows, 8, threads)
    return {
        "rollouts": len(rows),
        "loss": mine["loss"],
        "loss_trl": trl["loss"],
        "gradient_difference": difference(mine["gradients"], trl["gradients"]),
    }


def _remembering(episode: Any, old: list[float]) -> Any:
    """The episode with other log-probabilities."""
    turns, at = [], 0
    for turn in episode.turns:
        at += len(turn.prompt_ids)
        turns.append(replace(turn, log_probs=tuple(old[at : at + len(turn.token_ids)])))
        at += len(turn.token_ids)
    return replace(episode, turns=tuple(turns))


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--questions", type=int, default=24)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--micro", type=int, default=8, help="TRL's trajectories per forward pass")
    options.add_argument("--trl-python", required=True)
    options.add_argument("--out", type=Path, required=True)
    args = options.parse_args()
    torch.set_num_threads(1)
    vlm = load_vlm(NANO_DIR)
    masking = Masking(variance="all")
    groups = roll_out(vlm, args.questions, masking)
    rows = as_rows(groups)
    tokens = sum(len(row["ids"]) for row in rows)
    torch.set_num_threads(args.threads)
    ours(vlm, groups[:1], masking)  # warm up
    found: dict[str, Any] = {"command": " ".join(sys.argv), "revision": revision(), "threads": args.threads}
    found |= {"rollouts": len(rows), "tokens": tokens}
    for name, result in (
        ("learner", ours(vlm, groups, masking)),
        ("learner_frozen_vision", ours(vlm, groups, masking, freeze_vision=True)),
        ("trl", theirs(args.trl_python, rows, args.micro, args.threads)),
    ):
        found[name] = {
            "seconds": round(result["seconds"], 2),
            "tokens_per_second": round(tokens / result["seconds"]),
        }
        print(name, found[name], flush=True)
    found["learner_is_faster_by"] = round(found["trl"]["seconds"] / found["learner"]["seconds"], 2)
    found["agreement"] = compare(args.trl_python, 4, args.threads)
    print(found["learner_is_faster_by"], found["agreement"])
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "learner.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

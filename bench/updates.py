"""What an update of GRPO learns that carries over to questions it has not seen, at several rates and numbers
of updates.

    python bench/updates.py --start guesses --out docs/bench

Rolls out `--questions` fresh probes, nothing masked, and learns from every second group that teaches
something. `gain` is the sum of advantage x change of the rollout's log-probability, over the number of
rollouts: how far the policy has moved the way the rewards point; on the groups it did not learn from (with
its standard error over groups), and on its own. `drift` is by how much the log-probability of a rollout it
did not learn from fell: how much of the policy's habits was lost on the way.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
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
from mini_o3.kit.files import write_json
from mini_o3.kit.run import revision
from mini_o3.models.sampling import Sampling
from mini_o3.models.shipped import checkpoint_in
from mini_o3.models.views import split_views
from mini_o3.models.vlm import Vlm, load_vlm
from mini_o3.policies.local import Local

SETTINGS = ((2e-4, 2), (5e-5, 2), (2e-5, 2), (2e-4, 8), (1e-4, 8), (5e-5, 8), (1.5e-5, 8))  # lr, updates
ROLLOUTS, TEMPERATURE = 8, 0.6
MASKING = Masking(over_turn=False, variance="all", normaliser="batch")


def roll_out(vlm: Vlm, questions: int, seed: int) -> list[Group]:
    """The groups that teach something, from as many questions."""
    policy = Local(vlm, "start", slots=96, sampling=Sampling(TEMPERATURE, 160))
    asked = FreshProbes(seed, {"easy": 0.2, "medium": 0.4, "hard": 0.4})
    collector = RolloutCollector(
        policy, make_judge("exact"), asked, Limits(turns=6), ROLLOUTS, MASKING, 0.0, 96, seed
    )
    return [group for group in collector.groups(range(questions)) if group.advantages is not None]


@torch.no_grad()
def log_probs(learner: Learner, group: Group) -> list[tuple[float, float]]:
    """(advantage, log-probability) of every rollout of the group that has an advantage."""
    assert group.advantages is not None
    batch = mini_batch([group], [group.advantages.advantages])
    seen = learner.look(split_views(batch.views, learner.vlm.patcher.patch))
    out = []
    for packed in learner.packs(batch):
        found, _ = learner.log_probs(packed, seen)
        out += list(zip(packed.weights.tolist(), found.sum(1).tolist(), strict=True))
    return out


def learn(start: Path, own: list[Group], others: list[Group], lr: float, updates: int) -> dict[str, Any]:
    """Learn from `own` in as many updates and compare with the start."""
    config = GrpoConfig(
        seed=0, steps=1, groups=len(own), updates=updates, lr=lr, temperature=TEMPERATURE, freeze_vision=True
    )
    learner = Learner(load_vlm(start), config, Accelerator(cpu=True))
    before = {group.index: log_probs(learner, group) for group in (*own, *others)}
    for update in range(updates):
        part = own[update::updates]
        found = rollout_weights([group.outcomes for group in part], MASKING)
        learner.update(mini_batch(part, [weights for weights in found if weights is not None]))
    after = {group.index: log_probs(learner, group) for group in (*own, *others)}

    def gains(groups: list[Group]) -> list[float]:
        pairs = (zip(before[group.index], after[group.index], strict=True) for group in groups)
        return [sum(weight * (new - old) for (weight, old), (_, new) in pair) / ROLLOUTS for pair in pairs]

    falls = [
        old - new for g in others for (_, old), (_, new) in zip(before[g.index], after[g.index], strict=True)
    ]
    gained = gains(others)
    return {
        "lr": lr,
        "updates": updates,
        "gain": round(statistics.fmean(gained), 4),
        "stderr": round(statistics.stdev(gained) / math.sqrt(len(gained)), 4),
        "drift": round(statistics.fmean(falls), 4),
        "gain on its own": round(statistics.fmean(gains(own)), 4),
    }


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--start", required=True, help="checkpoint or run folder")
    options.add_argument("--questions", type=int, default=128)
    options.add_argument("--seed", type=int, default=3)
    options.add_argument("--out", type=Path, required=True)
    args = options.parse_args()
    torch.set_num_threads(1)
    start = checkpoint_in(args.start)
    groups = roll_out(load_vlm(start), args.questions, args.seed)
    own, others = groups[::2], groups[1::2]
    found: dict[str, Any] = {
        "command": " ".join(sys.argv),
        "revision": revision(),
        "groups": [len(own), len(others)],
    }
    found["settings"] = []
    for lr, updates in SETTINGS:
        found["settings"].append(learn(start, own, others, lr, updates))
        print(json.dumps(found["settings"][-1]), flush=True)
    write_json(args.out / "updates.json", found)


if __name__ == "__main__":
    main()

"""Validation while a policy learns: greedy accuracy on questions that are not trained on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from mini_o3.grpo.config import GrpoConfig
from mini_o3.grpo.questions import Questions, TaskFolder, answered_tasks, validation_probe
from mini_o3.grpo.rollout import RolloutCollector
from mini_o3.policies.local import Local
from mini_o3.training.processes import Processes


class Validation:
    """What is asked for validation, and how: of a folder in an order that stays, or probes of every level."""

    def __init__(self, config: GrpoConfig, collector: RolloutCollector, policy: Local) -> None:
        self.config, self.collector, self.policy = config, collector, policy
        self.asked: dict[str, tuple[Questions, int]] = {}
        if config.validate_every and config.validate_tasks:
            tasks = answered_tasks(config.validate_tasks)
            self.asked["tasks"] = TaskFolder(0, tasks), min(config.validate_probes, len(tasks))
        elif config.validate_every:
            for level in config.validate_levels or config.levels:
                self.asked[level] = partial(validation_probe, level), config.validate_probes

    def measure(self, processes: Processes) -> dict[str, float | None]:
        """Accuracy by name, of what could be judged; None if nothing could. Each process asks its share."""
        found: dict[str, float | None] = {}
        collector = replace(
            self.collector,
            policy=self.policy.adjusted(temperature=0.0),
            limits=replace(self.collector.limits, turns=self.config.validate_turns, images=None),
            rollouts=1,
            turn_cost=0.0,
            seed=0,
        )
        for name, (questions, number) in self.asked.items():
            mine = range(number)[processes.rank :: processes.count]
            groups = replace(collector, questions=questions).groups(mine)
            rewards = [group.rollouts[0].reward for group in groups]
            judged = [reward for reward in rewards if reward is not None]
            sums = processes.sum({"right": sum(judged), "judged": float(len(judged))})
            found[name] = round(sums["right"] / sums["judged"], 4) if sums["judged"] else None
        return found

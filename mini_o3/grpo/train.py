"""Group relative policy optimisation with over-turn masking: ask, roll out, judge, learn, look, save; again.

Departs from the paper in the questions: fresh probes, which have no end, unless a folder of tasks is given.
What the released code does otherwise than the paper says is an option, see `advantages`.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from mini_o3.episode import Limits, SearchTask, read_tasks
from mini_o3.grpo.batch import mini_batch
from mini_o3.grpo.config import GrpoConfig
from mini_o3.grpo.learner import Learner
from mini_o3.grpo.questions import FreshProbes, Questions, TaskFolder, validation_probe
from mini_o3.grpo.rollout import Group, Judge, RolloutCollector
from mini_o3.grpo.watch import Row, alarm, count, rates, starved
from mini_o3.grpo.weights import rollout_weights
from mini_o3.judge import make_judge
from mini_o3.kit.config import defaults_of
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, make_folder, write_atomically
from mini_o3.kit.run import cut_log, ensure_same_run, folder_lock
from mini_o3.kit.signals import stop_signals
from mini_o3.models.sampling import Sampling
from mini_o3.models.shipped import NANO_DIR, checkpoint_in
from mini_o3.models.vlm import budget_of, load_vlm, save_vlm, steps_of
from mini_o3.policies.local import Local
from mini_o3.protocol import lasting_name, load_profile
from mini_o3.protocol.dialects import load_dialect

Report = Callable[[Row, str], None]


def train(
    config: GrpoConfig,
    out: Path,
    *,
    judge: Judge | None = None,
    report: Report = lambda row, progress: None,
    say: Callable[[str], None] = lambda line: None,
    stop_after: int | None = None,
) -> Path:
    """Train and leave a checkpoint directory `out/model`; goes on from `out/state.pt` if it is there.

    Call it on every process of a `torchrun`: each rolls out and learns its share, all end with the same
    weights. `report` gets a row per step, on the first process only. `judge` stands in for the one that the
    config names.

    Raises:
        UserError: `out` holds another run, a model without its state, or another process at work; or what the
            config names is missing.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; the step at hand was finished and saved.
    """
    torch.set_num_threads(config.threads)
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    with folder_lock(out) if accelerator.is_main_process else nullcontext():
        return _train(Trainer(config, make_folder(out), judge, accelerator), report, say, stop_after)


def _train(trainer: Trainer, report: Report, say: Callable[[str], None], stop_after: int | None) -> Path:
    config, out = trainer.config, trainer.out
    trainer.resume()
    began, first, saved = time.monotonic(), trainer.step, time.monotonic()
    reason, last = alarm(trainer.rows, config), min(config.steps, stop_after or config.steps)
    with stop_signals() as stopping:
        trainer.look_before()
        while trainer.step < last and not reason:
            row = trainer.advance()
            if trainer.is_main:
                append_jsonl(out / "metrics.jsonl", row)
                pace = (time.monotonic() - began) / (trainer.step - first)
                report(row, f"{pace:.1f} s/step, {(last - trainer.step) * pace / 60:.0f} min left")
            reason = alarm(trainer.rows, config) or starved(trainer.rows[first - trainer.step :], config)
            done = trainer.agree(bool(reason) or trainer.step == last or stopping())
            if done or trainer.agree(time.monotonic() - saved > config.save_minutes * 60):
                trainer.save()
                saved = time.monotonic()
            if done:
                break
    if reason:
        say(f"stopped at step {trainer.step}: {reason}; weights are saved")
    elif trainer.step < config.steps:
        say(f"stopped at step {trainer.step} of {config.steps}, saved")
        if trainer.step < last:
            raise KeyboardInterrupt
    return out / "model"


class Trainer:
    """A run: everything that a step needs and changes."""

    def __init__(self, config: GrpoConfig, out: Path, judge: Judge | None, accelerator: Accelerator) -> None:
        self.config, self.out, self.accelerator = config, out, accelerator
        self.rank, self.processes = accelerator.process_index, accelerator.num_processes
        self.is_main = accelerator.is_main_process
        self.vlm = load_vlm(checkpoint_in(config.start or NANO_DIR), str(accelerator.device), torch.float32)
        # What it learns with is saved with the weights, and so what it will be asked with.
        self.vlm.profile = lasting_name(config.prompts) if config.prompts else self.vlm.profile
        profile = load_profile(self.vlm.profile or "search")
        self.vlm.budget = budget_of(self.vlm, profile, config.max_pixels)
        self.vlm.turn_tokens = self.vlm.turn_tokens or config.max_tokens
        sampling = Sampling(config.temperature, config.max_tokens, load_dialect(profile.dialect).ends)
        self.policy = Local(self.vlm, "learner", slots=config.slots, sampling=sampling, profile=profile)
        self.learner = Learner(self.vlm, config, accelerator)
        judge = judge or make_judge(config.judge, cache=out / f"judge_cache.{self.rank}.jsonl")
        limits = Limits(config.turns, config.images, config.context_tokens, config.void_retries)
        self.collector = RolloutCollector(
            self.policy,
            judge,
            _questions(config),
            limits,
            config.rollouts,
            config.masking,
            config.turn_cost,
            config.slots,
            config.seed,
        )
        self.validation = _validation(config) if config.validate_every else {}
        self.step, self.next_index, self.yield_ = 0, 0, 0.5
        self.rows: list[Row] = []
        if self.is_main:  # last, so that nothing is claimed for settings that cannot be run
            ensure_same_run(
                out, json.loads(config.model_dump_json()), config.free_to_change, defaults_of(GrpoConfig)
            )

    def advance(self) -> Row:
        """One step of the run."""
        began = time.monotonic()
        groups, sums = self._ask()
        rolled = time.monotonic()
        learnt = self._learn(groups)
        self.step += 1
        row: Row = {"step": self.step, **rates(sums, self.config.turns), **learnt}
        row["seconds"] = [
            round(rolled - began, 2),
            round(time.monotonic() - rolled, 2),
        ]  # rolling out, learning
        if self.config.validate_every and self.step % self.config.validate_every == 0:
            row["validation"] = self._validate()
        self.rows.append(row)
        return row

    def look_before(self) -> None:
        """Before the first step, a line of the log that holds the validation alone: what training starts
        from."""
        if self.config.validate_every and self.step == 0:
            found = self._validate()
            if self.is_main:
                append_jsonl(self.out / "metrics.jsonl", {"step": 0, "validation": found})

    def _ask(self) -> tuple[list[Group], dict[str, float]]:
        """Roll out until `groups` questions teach something; those that do not are dropped, and others asked.

        Asked in waves whose size follows from how many of the last ones were worth it. All that were are
        kept, so there may
        be more than asked for: what ends first is not what is kept, or short searches would be preferred.
        """
        kept: list[Group] = []
        sums: dict[str, float] = {}
        found, asked, most = 0, 0, math.ceil(self.config.most_asked * self.config.groups)
        while found < self.config.groups and asked < most:
            size = min(math.ceil((self.config.groups - found) / max(self.yield_, 0.1)), most - asked)
            wave = range(self.next_index, self.next_index + size)
            groups = self.collector.groups(wave[self.rank :: self.processes])
            kept += [group for group in groups if group.advantages is not None]
            of_wave = self._add(count(groups, self.config.turns))
            sums = {key: sums.get(key, 0.0) + value for key, value in of_wave.items()}
            found, asked, self.next_index = int(sums["kept"]), asked + size, self.next_index + size
            self.yield_ = 0.5 * (self.yield_ + of_wave["kept"] / size)
        return kept, sums

    def _learn(self, groups: list[Group]) -> Row:
        """Several updates on the groups of a step, each on its part of them, in the order in which they were
        asked."""
        every = self._all({group.index: group.outcomes for group in groups})
        outcomes = {index: found for of_process in every for index, found in of_process.items()}
        order = sorted(outcomes)
        updates = min(self.config.updates, len(order))
        sums: dict[str, float] = {}
        for update in range(updates):
            part = order[update::updates]
            found = rollout_weights([outcomes[index] for index in part], self.config.masking)
            weights = {i: of_group for i, of_group in zip(part, found, strict=True) if of_group is not None}
            mine = [group for group in groups if group.index in weights]
            of_update = self.learner.update(mini_batch(mine, [weights[group.index] for group in mine]))
            sums = {key: sums.get(key, 0.0) + value for key, value in of_update.items()}
        if self.learner.trains_vision:
            self.policy.engine.weights_changed()
        tokens = max(sums.get("tokens", 0.0), 1.0)
        return {
            "updates": updates,
            "learnt": int(sums.get("rollouts", 0)),
            "entropy": round(sums.get("entropy", 0.0) / tokens, 4),
            "clipped": round(sums.get("clipped", 0.0) / tokens, 5),
            "grad_norm": round(sums.get("grad_norm", 0.0) / max(updates, 1), 4),
        }

    def _validate(self) -> dict[str, float | None]:
        """Greedy accuracy, of what could be judged, on probes that are not trained on; None if nothing
        could."""
        out: dict[str, float | None] = {}
        greedy = self.policy.adjusted(temperature=0.0)
        limits = replace(self.collector.limits, turns=self.config.validate_turns, images=None)
        for name, (questions, number) in self.validation.items():
            collector = replace(
                self.collector,
                policy=greedy,
                questions=questions,
                limits=limits,
                rollouts=1,
                turn_cost=0.0,
                seed=0,
            )
            groups = collector.groups(range(number)[self.rank :: self.processes])
            rewards = [group.rollouts[0].reward for group in groups]
            judged = [reward for reward in rewards if reward is not None]
            sums = self._add({"right": sum(judged), "judged": float(len(judged))})
            out[name] = round(sums["right"] / sums["judged"], 4) if sums["judged"] else None
        return out

    def resume(self) -> None:
        """Load the last state, if there is one, and cut the log back to it."""
        path, log = self.out / "state.pt", self.out / "metrics.jsonl"
        if not path.exists() and (self.out / "model").exists():
            raise UserError(
                f"{self.out}: holds a model, but no state to go on from; give another `out` folder"
            )
        state = torch.load(path, map_location="cpu", weights_only=True) if path.exists() else {"step": 0}
        if state["step"]:
            self.vlm.model.load_state_dict(state["weights"])
            self.learner.optimiser.load_state_dict(state["optimiser"])
            self.step, self.next_index, self.yield_ = state["step"], state["next_index"], state["yield"]
            if (
                self.is_main and steps_of(self.out / "model") != self.step
            ):  # a kill came between state and model
                save_vlm(self.vlm, self.out / "model", {"step": self.step})
        rows = cut_log(log, self.step if self.step else -1) if self.is_main else []
        self.rows = [row for row in self._all(rows)[0] if row["step"]]

    def save(self) -> None:
        if self.is_main:
            state = {
                "step": self.step,
                "next_index": self.next_index,
                "yield": self.yield_,
                "weights": self.vlm.model.state_dict(),
                "optimiser": self.learner.optimiser.state_dict(),
            }
            write_atomically(self.out / "state.pt", lambda part: torch.save(state, part))
            save_vlm(
                self.vlm, self.out / "model", {"step": self.step}
            )  # second: a model without a state is nobody's
        self.accelerator.wait_for_everyone()

    def agree(self, want: bool) -> bool:
        """Whether any process wants to."""
        return any(self._all(want))

    def _all(self, value: Any) -> list[Any]:
        """The value of every process, in order of rank."""
        return [value] if self.processes == 1 else list(gather_object([value]))

    def _add(self, sums: dict[str, float]) -> dict[str, float]:
        every = self._all(sums)
        return {key: sum(part[key] for part in every) for key in sums}


def _questions(config: GrpoConfig) -> Questions:
    if not config.tasks:
        return FreshProbes(config.seed, config.levels)
    return TaskFolder(config.seed, _answered(config.tasks))


def _validation(config: GrpoConfig) -> dict[str, tuple[Questions, int]]:
    """Name -> what validation asks, and how many: of a folder in an order that stays, or probes of every
    level."""
    if config.validate_tasks:
        tasks = _answered(config.validate_tasks)
        return {"tasks": (TaskFolder(0, tasks), min(config.validate_probes, len(tasks)))}
    levels = config.validate_levels or config.levels
    return {level: (partial(validation_probe, level), config.validate_probes) for level in levels}


def _answered(folder: str) -> list[SearchTask]:
    tasks = [task for task in read_tasks(folder) if task.answer is not None]
    if not tasks:
        raise UserError(f"{folder}: no task there has an answer; a reward needs one")
    return tasks

"""Group relative policy optimisation with over-turn masking: ask, roll out, judge, learn, and again.

Departs from the paper in the questions: fresh probes, which have no end, unless a folder of tasks is given.
What the released code does otherwise than the paper says is an option, see `advantages`.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from accelerate import Accelerator

from mini_o3.episode import Limits
from mini_o3.grpo.batch import mini_batch
from mini_o3.grpo.config import GrpoConfig
from mini_o3.grpo.learner import Learner, NonFinite
from mini_o3.grpo.questions import questions_of
from mini_o3.grpo.rollout import Group, Judge, RolloutCollector
from mini_o3.grpo.validation import Validation
from mini_o3.grpo.watch import alarm, count, rates, starved
from mini_o3.grpo.weights import rollout_weights
from mini_o3.judge import make_judge
from mini_o3.kit.files import write_atomically
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.models.sampling import Sampling
from mini_o3.models.shipped import NANO_DIR, checkpoint_in
from mini_o3.models.vlm import budget_of, load_vlm, save_vlm, steps_of
from mini_o3.policies.local import Local
from mini_o3.protocol import lasting_name, load_profile
from mini_o3.protocol.dialects import load_dialect
from mini_o3.training.metrics import Row
from mini_o3.training.run import TrainingRun

Report = Callable[[Row, str], None]


def train(
    config: GrpoConfig,
    out: Path,
    *,
    judge: Judge | None = None,
    report: Report = lambda row, pace: None,
    say: Callable[[str], None] = lambda line: None,
    progress: OnProgress = no_progress,
    stop_after: int | None = None,
    track: str | None = None,
) -> Path:
    """Train and leave a checkpoint directory `out/model`; goes on from `out/state.pt` if it is there.

    Call it on every process of a `torchrun`: each rolls out and learns its share, all end with the same
    weights.

    Args:
        judge: stands in for the one that the config names.
        report: gets a row per step and the pace in words, on the first process only.
        progress: told how many questions of a step are rolled out, on the first process only.
        stop_after: end at this step; the config's number of steps stays.
        track: who else gets the metrics, see `training.track`.

    Raises:
        UserError: `out` holds another run, a model without its state, or another process at work; or what the
            config names is missing; or the gradient is not finite: its batch is kept.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; the step at hand was finished and saved.
    """
    torch.set_num_threads(config.threads)
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    with TrainingRun(
        out, config, say=say, save_minutes=config.save_minutes, stop_after=stop_after, track=track
    ) as run:
        trainer = Trainer(config, run, judge, accelerator, progress)
        run.claim()
        trainer.load()
        if not run.start(trainer.step, config.steps):
            return out / "model"
        trainer.validate_before()
        reason = alarm(run.rows, config)
        stop = bool(reason) and run.must_stop(trainer.step, reason)  # an alarm of before still rings
        while not stop:
            row = trainer.advance()
            run.record(row)
            if run.processes.is_main:
                report(row, run.pace())
            lately = run.rows[run.first - trainer.step :]  # what this start has learnt
            stop = run.must_stop(trainer.step, alarm(run.rows, config) or starved(lately, config))
            if stop or run.must_save():
                trainer.save()
        run.finish()
    return out / "model"


class Trainer:
    """Everything that a step needs and changes."""

    def __init__(
        self,
        config: GrpoConfig,
        run: TrainingRun,
        judge: Judge | None,
        accelerator: Accelerator,
        progress: OnProgress = no_progress,
    ) -> None:
        self.config, self.run, self.accelerator = config, run, accelerator
        self.processes = run.processes
        self.progress = progress if run.processes.is_main else no_progress
        self.vlm = load_vlm(checkpoint_in(config.start or NANO_DIR), str(accelerator.device), torch.float32)
        # What it learns with is saved with the weights, and so what it will be asked with.
        self.vlm.profile = lasting_name(config.prompts) if config.prompts else self.vlm.profile
        profile = load_profile(self.vlm.prompts)
        self.vlm.budget = budget_of(self.vlm, profile, config.max_pixels)
        self.vlm.turn_tokens = self.vlm.turn_tokens or config.max_tokens
        sampling = Sampling(config.temperature, config.max_tokens, load_dialect(profile.dialect).ends)
        self.policy = Local(self.vlm, "learner", slots=config.slots, sampling=sampling, profile=profile)
        self.learner = Learner(self.vlm, config, accelerator)
        self.collector = RolloutCollector(
            self.policy,
            judge or make_judge(config.judge, cache=run.out / f"judge_cache.{self.processes.rank}.jsonl"),
            questions_of(config),
            Limits(config.turns, config.images, config.context_tokens, config.void_retries),
            config.rollouts,
            config.masking,
            config.turn_cost,
            config.slots,
            config.seed,
        )
        self.validation = Validation(config, self.collector, self.policy)
        self.step, self.next_index = 0, 0
        self.informative = 0.5  # share of the last questions that taught something, a running mean

    def advance(self) -> Row:
        """One step: rollouts, updates, and a validation now and then. Returns the row of the log."""
        began = time.monotonic()
        groups, sums = self.collect()
        rolled = time.monotonic()
        learnt = self.learn(groups)
        self.step += 1
        row: Row = {"step": self.step, **rates(sums, self.config.turns), **learnt}
        row["rollout_seconds"] = round(rolled - began, 2)
        row["learner_seconds"] = round(time.monotonic() - rolled, 2)
        if self.config.validate_every and self.step % self.config.validate_every == 0:
            row["validation"] = self.validation.measure(self.processes)
        return row

    def collect(self) -> tuple[list[Group], dict[str, float]]:
        """Roll out until `groups` questions are informative, and drop the others (dynamic sampling).

        Questions are asked in waves whose size follows from how many of the last ones were informative. All
        that are informative are learnt from, so there may be more than asked for. To keep only those that end
        first would prefer short searches.
        """
        kept: list[Group] = []
        sums: dict[str, float] = {}
        found, asked, most = 0, 0, math.ceil(self.config.most_asked * self.config.groups)
        while found < self.config.groups and asked < most:
            size = min(math.ceil((self.config.groups - found) / max(self.informative, 0.1)), most - asked)
            wave = range(self.next_index, self.next_index + size)
            groups = self._roll_out(wave, asked)
            kept += [group for group in groups if group.advantages is not None]
            of_wave = self.processes.sum(count(groups, self.config.turns))
            sums = {key: sums.get(key, 0.0) + value for key, value in of_wave.items()}
            found, asked = int(sums["informative_questions"]), asked + size
            self.next_index += size
            self.informative = 0.5 * (self.informative + of_wave["informative_questions"] / size)
        return kept, sums

    def _roll_out(self, wave: range, asked: int) -> list[Group]:
        """This process's share of a wave of questions; `asked` were asked before it in this step."""
        finished = itertools.count(1)

        def tell(group: Group) -> None:
            self.progress(asked + min(next(finished) * self.processes.count, len(wave)), asked + len(wave))

        return self.collector.groups(wave[self.processes.rank :: self.processes.count], tell)

    def learn(self, groups: list[Group]) -> Row:
        """Several updates on the groups of a step, each on its part of them, in the order in which they were
        asked."""
        every = self.processes.all({group.index: group.outcomes for group in groups})
        outcomes = {index: found for of_process in every for index, found in of_process.items()}
        order = sorted(outcomes)
        updates = min(self.config.updates, len(order))
        sums: dict[str, float] = {}
        for update in range(updates):
            part = order[update::updates]
            found = rollout_weights([outcomes[index] for index in part], self.config.masking)
            weights = {i: of_group for i, of_group in zip(part, found, strict=True) if of_group is not None}
            mine = [group for group in groups if group.index in weights]
            batch = mini_batch(mine, [weights[group.index] for group in mine])
            try:
                of_update = self.learner.update(batch)
            except NonFinite as error:
                sequences = [asdict(trajectory) for trajectory in batch.trajectories]
                raise self.run.keep_batch(str(error), self.step + 1, sequences, batch.views) from None
            sums = {key: sums.get(key, 0.0) + value for key, value in of_update.items()}
        if self.learner.trains_vision:
            self.policy.engine.weights_changed()
        tokens = max(sums.get("tokens", 0.0), 1.0)
        return {
            "updates": updates,
            "trained_rollouts": int(sums.get("rollouts", 0)),
            "entropy": round(sums.get("entropy", 0.0) / tokens, 4),
            "clip_fraction": round(sums.get("clipped", 0.0) / tokens, 5),
            "grad_norm": round(sums.get("grad_norm", 0.0) / max(updates, 1), 4),
        }

    def validate_before(self) -> None:
        """Before the first step, a row of the log that holds the validation alone: what training starts
        from."""
        if self.config.validate_every and self.step == 0:
            self.run.record({"step": 0, "validation": self.validation.measure(self.processes)})

    def load(self) -> None:
        """Go on from the last state, if there is one."""
        path, model = self.run.out / "state.pt", self.run.out / "model"
        if not path.exists():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.vlm.model.load_state_dict(state["weights"])
        self.learner.optimiser.load_state_dict(state["optimiser"])
        self.step, self.next_index, self.informative = state["step"], state["next_index"], state["yield"]
        if self.processes.is_main and steps_of(model) != self.step:  # a kill came between state and model
            save_vlm(self.vlm, model, {"step": self.step})

    def save(self) -> None:
        """Write the state, and then the model: a model without a state is nobody's."""
        if self.processes.is_main:
            state = {
                "step": self.step,
                "next_index": self.next_index,
                "yield": self.informative,
                "weights": self.vlm.model.state_dict(),
                "optimiser": self.learner.optimiser.state_dict(),
            }
            write_atomically(self.run.out / "state.pt", lambda part: torch.save(state, part))
            save_vlm(self.vlm, self.run.out / "model", {"step": self.step})
        self.accelerator.wait_for_everyone()

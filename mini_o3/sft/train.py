"""Supervised training, start to finish: build the model, go on from the last state, train, save.

Departs from the paper's SFT (LLaMA-Factory) in the data: samples are made where tokens are made for rollouts,
so that mask and ids are the same there and here. For nano it departs in everything else too: from scratch,
Muon, a per-cell loss.
"""

from __future__ import annotations

import json
import math
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState

from mini_o3.models.vlm import steps_of
from mini_o3.sft.config import TrainConfig
from mini_o3.sft.data import IndexedSamples, Source
from mini_o3.sft.log import figures, summary
from mini_o3.sft.model import SftModel
from mini_o3.sft.trainer import ImitationTrainer
from mini_o3.training.run import TrainingRun

STATES = "states"  # folder of the Trainer's checkpoints
_LAST_WRITTEN = "trainer_state.json"  # of a checkpoint: it says that all is there


def train(
    config: TrainConfig,
    make_source: Callable[[SftModel], tuple[Source, int]],
    out: Path,
    *,
    say: Callable[[str], None],
    stop_after: int | None = None,
    track: str | None = None,
) -> Path:
    """Train and leave a checkpoint directory `out/model` that the policy `hf:out/model` can use.

    Goes on from the last whole state under `out/states`. `make_source` gives the samples of data index i for
    any i, and how many indices a round has (0: no end); step k on process p of P takes `scenes` indices from
    (k * P + p) * scenes on, so a resumed run sees the same data.

    Raises:
        UserError: `out` holds a run with another configuration, a model without its states, or another
            process at work; or the data is not what can be learnt from; or the loss is not finite: its batch
            is kept.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; the step at hand was finished and saved.
    """
    torch.set_num_threads(config.threads)
    with TrainingRun(
        out, config, say=say, save_minutes=config.save_minutes, stop_after=stop_after, track=track
    ) as run:
        model = SftModel(config)
        source, count = make_source(model)
        scenes = config.scenes * run.processes.count
        steps = config.steps or math.ceil(count * config.epochs / scenes)
        run.claim()
        trainer = ImitationTrainer(model, IndexedSamples(source, steps * scenes, count), run, steps, STATES)
        with trainer.accelerator.main_process_first():  # which removes what is not whole
            last = last_state(out)
        done = int(last.name.rpartition("-")[2]) if last else 0
        if not run.start(done, steps):
            if last and run.processes.is_main and steps_of(out / "model") != done:
                trainer.load_weights(last)  # a kill came between state and model
                model.save(out, done)
            return out / "model"
        _imitate(trainer, run, last)
        if run.processes.is_main:
            model.save(out, trainer.state.global_step)
        trainer.accelerator.wait_for_everyone()
        run.finish()
    return out / "model"


def _imitate(trainer: ImitationTrainer, run: TrainingRun, last: Path | None) -> None:
    """The steps that are left, from a state on or from the beginning."""
    trainer.add_callback(StepCallback(trainer, run))
    try:
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    except BaseException as error:
        # The frames of the error hold the data workers, and Python waits for those before it ends.
        traceback.clear_frames(error.__traceback__)
        raise


def last_state(out: Path) -> Path | None:
    """The newest state of a run that was written to its end; what a kill cut off is removed."""
    whole = []
    for folder in (out / STATES).glob("checkpoint-*"):
        if not folder.name.removeprefix("checkpoint-").isdecimal():
            continue  # a copy that somebody keeps
        try:
            json.loads((folder / _LAST_WRITTEN).read_text())
            whole.append(folder)
        except (OSError, ValueError, RecursionError):
            shutil.rmtree(folder)
    return max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)


class StepCallback(TrainerCallback):
    """After every step: the log, the progress, and whether to save and to stop."""

    def __init__(self, trainer: ImitationTrainer, run: TrainingRun) -> None:
        self.trainer, self.run, self.config = trainer, run, trainer.config
        self.tallies: list[dict[str, float]] = []

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        step, run = state.global_step, self.run
        self.tallies.append(self.trainer.tally)
        stop = run.must_stop(step)
        if step % self.config.log_every == 0 or stop:
            factor = self.config.lr_factor(step - 1, run.steps)
            row = summary(step, factor, self.tallies, run.elapsed())
            run.record(row)
            run.say(f"step {step}/{run.steps} {figures(row)} | {run.pace()}")
            self.tallies = []
        control.should_save = stop or run.must_save()
        control.should_training_stop = stop

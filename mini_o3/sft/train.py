"""Supervised training on transformers' Trainer: loss on what the policy wrote, kill at any time, resume.

Departs from the paper's SFT (LLaMA-Factory) in the data: samples are made where tokens are made for rollouts,
so that mask and ids are the same there and here. For nano it departs in everything else too: from scratch,
Muon, a per-cell loss.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from torch.utils.data import Dataset, SequentialSampler, get_worker_info
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback, TrainerControl, TrainerState

from mini_o3.kit.config import defaults_of
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, make_folder
from mini_o3.kit.run import cut_log, ensure_same_run, folder_lock
from mini_o3.kit.signals import leave_signals_to_the_parent, stop_signals
from mini_o3.models.vlm import steps_of
from mini_o3.sft.batch import CellHead, collate, micro_batches
from mini_o3.sft.config import TrainConfig
from mini_o3.sft.model import KINDS, SftModel
from mini_o3.sft.perception import Sample

STATES = "states"  # folder of the Trainer's checkpoints
_WEIGHTS, _WHOLE = (
    "pupil.pt",
    "trainer_state.json",
)  # the Trainer writes the second last, so it says that all is there
Source = Callable[[int], list[Sample]]


def train(
    config: TrainConfig,
    make_source: Callable[[SftModel], tuple[Source, int]],
    out: Path,
    *,
    report: Callable[[str], None],
    stop_after: int | None = None,
) -> Path:
    """Train and leave a checkpoint directory `out/model` that the policy `hf:out/model` can use.

    Goes on from the last whole state under `out/states`. `make_source` gives the samples of data index i for
    any i, and how many indices a round has (0: no end); step k on process p of P takes `scenes` indices from
    (k * P + p) * scenes on, so a resumed run sees the same data.

    Raises:
        UserError: `out` holds a run with another configuration, a model without its states, or another
            process at work; or the data or the loss is not what can be learnt from.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; the step at hand was finished and saved.
    """
    with folder_lock(make_folder(out)) if _is_main() else nullcontext():
        return _train(config, make_source, out, report if _is_main() else lambda line: None, stop_after)


def _train(
    config: TrainConfig,
    make_source: Callable[[SftModel], tuple[Source, int]],
    out: Path,
    report: Callable[[str], None],
    stop_after: int | None,
) -> Path:
    torch.set_num_threads(config.threads)
    pupil = SftModel(config)
    source, count = make_source(pupil)
    scenes = config.scenes * int(os.environ.get("WORLD_SIZE", "1"))
    steps = config.steps or math.ceil(count * config.epochs / scenes)
    if _is_main():  # only now, so that nothing is claimed for settings that cannot be run
        ensure_same_run(
            out, json.loads(config.model_dump_json()), config.free_to_change, defaults_of(TrainConfig)
        )
    trainer = Imitator(pupil, _Indexed(source, steps * scenes, count), out, steps)
    with trainer.accelerator.main_process_first():  # which removes what is not whole
        last = last_state(out)
    done = int(last.name.rpartition("-")[2]) if last else 0
    end = min(steps, stop_after or steps)
    if last is None and (out / "model").exists():
        raise UserError(f"{out}: holds a model, but no state to go on from; give another `out` folder")
    if _is_main():
        cut_log(out / "metrics.jsonl", done)
    if last and done >= end:
        if _is_main() and steps_of(out / "model") != done:  # a kill came between state and model
            trainer._load_from_checkpoint(str(last))
            pupil.save(out, done)
        report(f"{out}: is at step {done} of {steps} already")
        return out / "model"
    with stop_signals() as stopping:
        watch = _Watch(trainer, out, report, lambda step: stopping() or step >= end)
        trainer.add_callback(watch)
        try:
            trainer.train(resume_from_checkpoint=str(last) if last else None)
        except BaseException as error:
            # Its frames hold the data workers, which wait to be told that it is over, and Python at its end
            # waits for them.
            traceback.clear_frames(error.__traceback__)
            raise
    done = trainer.state.global_step
    if _is_main():
        pupil.save(out, done)
    trainer.accelerator.wait_for_everyone()
    if done < steps:
        report(f"stopped at step {done} of {steps}, saved")
    if done < end:
        raise KeyboardInterrupt
    return out / "model"


def _is_main() -> bool:
    """Whether this is the first process of a `torchrun`, or the only one."""
    return int(os.environ.get("RANK", "0")) == 0


def last_state(out: Path) -> Path | None:
    """The newest state of a run that was written to its end; what a kill cut off is removed."""
    whole = []
    for folder in (out / STATES).glob("checkpoint-*"):
        try:
            json.loads((folder / _WHOLE).read_text())
            whole.append(folder)
        except (OSError, ValueError):
            shutil.rmtree(folder)
    return max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)


class Imitator(Trainer):
    """transformers' Trainer over lists of samples of any length: one step is one list, read in
    micro-batches."""

    def __init__(self, pupil: SftModel, data: _Indexed, out: Path, steps: int) -> None:
        config = pupil.settings
        self.config, self.steps, self.tally = config, steps, dict[str, float]()
        optimiser = config.optimiser_of(pupil)
        arguments = TrainingArguments(
            output_dir=str(out / STATES),
            max_steps=steps,
            per_device_train_batch_size=config.scenes,
            max_grad_norm=1.0,
            save_strategy="no",
            save_total_limit=1,
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            seed=config.seed,
            remove_unused_columns=False,
            use_cpu=not torch.cuda.is_available(),
            bf16=config.bf16,
            optim="adamw_torch",
            dataloader_num_workers=config.workers,
            dataloader_prefetch_factor=4 if config.workers else None,
            ddp_find_unused_parameters=True,
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: config.rate(step, steps))
        super().__init__(
            pupil, arguments, train_dataset=data, optimizers=(optimiser, schedule), data_collator=_together
        )
        self.remove_callback(PrinterCallback)

    def _get_train_sampler(self, *_: Any) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        if "error" in inputs:
            raise inputs["error"]
        model.train()
        samples, pupil = inputs["samples"], self.accelerator.unwrap_model(model)
        tally = {"samples": float(len(samples)), "learn": sum(sum(sample.learn) for sample in samples)}
        groups = micro_batches(samples, self.config.micro_tokens)
        total = torch.zeros((), device=self.args.device)
        cells_only = self.state.global_step < self.config.cells_only
        for number, group in enumerate(groups, start=1):
            batch = collate(group, pupil.vlm.patcher, pupil.vlm.renderer, 0).to(self.args.device)
            with nullcontext() if number == len(groups) else self.accelerator.no_sync(model):
                with self.compute_loss_context_manager():
                    loss = model(batch, tally, cells_only=cells_only)
                self.accelerator.backward(loss)
            total += loss.detach()
        if not math.isfinite(float(total)):
            step = self.state.global_step + 1
            raise UserError(
                f"the loss is {float(total)} in step {step}; the last state is kept, lower the learning rate"
            )
        self.tally = tally
        return total

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(state_dict or self.accelerator.unwrap_model(self.model).state_dict(), folder / _WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        state = torch.load(Path(resume_from_checkpoint) / _WEIGHTS, map_location="cpu", weights_only=True)
        (model or self.model).load_state_dict(state)


class _Indexed(Dataset[list[Sample] | UserError]):
    """A pure function of the index as a torch dataset; bad data is a value, for who is raised to in a worker
    is not heard."""

    def __init__(self, source: Source, count: int, round_: int) -> None:
        self.source, self.count, self.round = source, count, round_

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> list[Sample] | UserError:
        if get_worker_info() is not None:
            torch.set_num_threads(1)
            leave_signals_to_the_parent()
        try:
            return self.source(index % self.round if self.round else index)
        except UserError as error:
            return error


def _together(items: list[list[Sample] | UserError]) -> dict[str, Any]:
    """The samples of all items as one list, or the error of one."""
    for item in items:
        if isinstance(item, UserError):
            return {"error": item}
    return {"samples": [sample for item in items if not isinstance(item, UserError) for sample in item]}


class _Watch(TrainerCallback):
    """The log, the progress, when to save and when to stop."""

    def __init__(
        self, trainer: Imitator, out: Path, report: Callable[[str], None], stop: Callable[[int], bool]
    ) -> None:
        self.trainer, self.out, self.report, self.stop = trainer, out, report, stop
        self.config = trainer.config
        self.began = self.saved = time.monotonic()
        self.first = -1
        self.tallies: list[dict[str, float]] = []

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.first = state.global_step

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        step, config = state.global_step, self.config
        self.tallies.append(self.trainer.tally)
        done = self._agree(self.stop(step))
        if (step % config.log_every == 0 or done) and state.is_world_process_zero:
            seconds = time.monotonic() - self.began
            row = _summary(step, config.rate(step - 1, self.trainer.steps), self.tallies, seconds)
            append_jsonl(self.out / "metrics.jsonl", row)
            self.report(_progress(row, self.trainer.steps, seconds / (step - self.first)))
            self.tallies = []
        if done or self._agree(time.monotonic() - self.saved > config.save_minutes * 60):
            control.should_save = True
            self.saved = time.monotonic()
        control.should_training_stop = done

    def _agree(self, want: bool) -> bool:
        """Whether any process wants to; all save and stop together."""
        return any(gather_object([want])) if self.trainer.accelerator.num_processes > 1 else want


def _summary(step: int, rate: float, tallies: list[dict[str, float]], seconds: float) -> dict[str, Any]:
    total = {key: sum(t.get(key, 0.0) for t in tallies) for key in {k for t in tallies for k in t}}
    row: dict[str, Any] = {"step": step, "rate": round(rate, 4), "seconds": round(seconds, 1)}
    row.update({key: round(total[key] / len(tallies), 4) for key in ("loss", "cells") if key in total})
    for kind in (*KINDS, "drill", *CellHead.KINDS):
        if total.get(f"{kind}_n"):
            row[kind] = round(total[f"{kind}_right"] / total[f"{kind}_n"], 4)
    row["samples"] = int(total["samples"])
    return row


def _progress(row: dict[str, Any], steps: int, seconds_per_step: float) -> str:
    left = (steps - row["step"]) * seconds_per_step / 60
    figures = " ".join(
        f"{key} {row[key]}" for key in ("loss", "cells", *KINDS, "drill", *CellHead.KINDS) if key in row
    )
    return f"step {row['step']}/{steps} {figures} | {seconds_per_step:.2f} s/step, {left:.0f} min left"

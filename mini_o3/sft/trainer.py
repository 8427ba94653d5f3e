"""transformers' Trainer over lists of samples of any length: one step is one list, read in micro-batches."""

from __future__ import annotations

import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from mini_o3.kit.errors import UserError
from mini_o3.sft.batch import collate, micro_batches
from mini_o3.sft.data import IndexedSamples, together
from mini_o3.sft.model import SftModel
from mini_o3.sft.perception import Sample
from mini_o3.training.run import TrainingRun

_WEIGHTS = ("weights.pt", "pupil.pt")  # of a state: the name today, and that of states of earlier versions


class ImitationTrainer(Trainer):
    """A training step learns from a list of samples; `tally` holds the counts of the last one."""

    def __init__(
        self, model: SftModel, data: IndexedSamples, run: TrainingRun, steps: int, states: str
    ) -> None:
        config = model.settings
        self.config, self.run, self.tally = config, run, dict[str, float]()
        optimiser = config.optimiser_of(model)
        arguments = TrainingArguments(
            output_dir=str(run.out / states),
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
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: config.lr_factor(step, steps))
        super().__init__(
            model, arguments, train_dataset=data, optimizers=(optimiser, schedule), data_collator=together
        )
        self.remove_callback(PrinterCallback)

    def _get_train_sampler(self, *_: Any) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Gradients of one step; its loss is the mean over learnt tokens and over labelled cells.

        Raises:
            UserError: the data says so, or the loss is not finite.
        """
        if "error" in inputs:
            raise inputs["error"]
        model.train()
        samples, plain = inputs["samples"], self.accelerator.unwrap_model(model)
        tally = {"samples": float(len(samples)), "learn": sum(sum(sample.learn) for sample in samples)}
        groups = micro_batches(samples, self.config.micro_tokens)
        total = torch.zeros((), device=self.args.device)
        cells_only = self.state.global_step < self.config.cells_only
        for number, group in enumerate(groups, start=1):
            batch = collate(group, plain.vlm.patcher, plain.vlm.renderer, 0).to(self.args.device)
            with nullcontext() if number == len(groups) else self.accelerator.no_sync(model):
                with self.compute_loss_context_manager():
                    loss = model(batch, tally, cells_only=cells_only)
                self.accelerator.backward(loss)
            total += loss.detach()
        if not math.isfinite(float(total)):
            raise self._keep(samples, float(total))
        self.tally = tally
        return total

    def _keep(self, samples: list[Sample], loss: float) -> UserError:
        """Keep the samples of a step whose loss is not finite."""
        views = [view for sample in samples for view in sample.views]
        sequences, first = [], 0
        for sample in samples:
            numbers = list(range(first, first := first + len(sample.views)))
            cells = None if sample.cells is None else sample.cells.tolist()
            sequences.append({"ids": sample.ids, "learn": sample.learn, "views": numbers, "cells": cells})
        return self.run.keep_batch(f"the loss is {loss}", self.state.global_step + 1, sequences, views)

    def load_weights(self, state: Path, model: Any = None) -> None:
        """The weights of a state into the model."""
        path = next(state / name for name in _WEIGHTS if (state / name).is_file())
        (model or self.model).load_state_dict(torch.load(path, map_location="cpu", weights_only=True))

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        state = state_dict or self.accelerator.unwrap_model(self.model).state_dict()
        torch.save(state, folder / _WEIGHTS[0])

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        self.load_weights(Path(resume_from_checkpoint), model)

"""Training on Accelerate: first proposals without steps, then steps and cross-attention; kill and resume."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor

from mini_o3.grounding.checkpoint import load_model, save_model
from mini_o3.grounding.config import GroundingConfig
from mini_o3.grounding.criterion import criterion
from mini_o3.grounding.data.coco import read_coco
from mini_o3.grounding.data.samples import GroundingSample, GroundingSet
from mini_o3.grounding.data.transforms import Augmentation, augment, normalised, to_array
from mini_o3.grounding.evaluate import evaluate
from mini_o3.grounding.model import GroundingModel
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, make_folder, write_atomically
from mini_o3.kit.rng import stream
from mini_o3.kit.run import cut_log, ensure_same_run, folder_lock
from mini_o3.kit.signals import stop_signals
from mini_o3.vision.picture import open_picture

STATE, LOG = "state.pt", "log.jsonl"


def lr_at(step: int, config: GroundingConfig) -> float:
    """Learning rate of an update counted from 0: a linear warm-up, then a cosine down to 0."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    share = (step - config.warmup) / max(config.steps - config.warmup, 1)
    return config.lr * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


class Batch:
    """Pictures (B, 3, S, S), queries (Q,), the picture of each (Q,), and their boxes."""

    def __init__(
        self, samples: list[GroundingSample], names: int, config: GroundingConfig, *key: int
    ) -> None:
        pictures, queries, image_of, self.targets = [], [], [], []
        for place, sample in enumerate(samples):
            rng = stream("grounding", config.seed, *key, place)
            picture, boxes, kept = augment(open_picture(sample.path), sample.boxes, Augmentation(), rng)
            boxes = normalised(boxes, picture.size)
            here = sorted(set(sample.labels[kept & ~sample.crowd].tolist()))
            away = np.setdiff1d(np.arange(names), sample.labels)
            absent = rng.choice(away, min(config.absent, len(away)), replace=False).tolist()
            pictures.append(to_array(picture, config.model.image))
            for label in [*here, *absent]:
                queries.append(label)
                image_of.append(place)
                mine = (sample.labels == label) & kept & ~sample.crowd
                self.targets.append(torch.from_numpy(boxes[mine]))
        self.pictures = torch.from_numpy(np.stack(pictures))
        self.queries, self.image_of = torch.tensor(queries), torch.tensor(image_of)

    def to(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        return (
            self.pictures.to(device),
            self.queries.to(device),
            self.image_of.to(device),
            [boxes.to(device) for boxes in self.targets],
        )


def train(
    config: GroundingConfig, out: Path, *, say: Callable[[str], None], stop_after: int | None = None
) -> Path:
    """Train, and leave the model that measured best in `out/model`. A run that was stopped goes on.

    Which pictures an update sees depends on its number and the seed alone, on any number of processes.

    Raises:
        UserError: a set cannot be read or has nothing to learn from, `out` holds a run with other settings,
            or another process is at work there.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; the update at hand was finished and saved.
    """
    torch.set_num_threads(config.threads)
    accelerator = Accelerator(
        mixed_precision="bf16" if config.bf16 else "no",
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    main = accelerator.is_main_process
    with folder_lock(make_folder(out)) if main else nullcontext():
        if main:
            ensure_same_run(out, config.model_dump(mode="json"))
        run = _Run(config, out, accelerator, say if main else lambda line: None)
        with stop_signals() as stopped:
            return run.go(stopped, stop_after)


class _Run:
    """A training in its folder."""

    def __init__(
        self, config: GroundingConfig, out: Path, accelerator: Accelerator, say: Callable[[str], None]
    ) -> None:
        self.config, self.out, self.accelerator, self.say = config, out, accelerator, say
        self.data, self.val = read_coco(config.train), read_coco(config.val)
        if not any(len(sample.labels) for sample in self.data.samples):
            raise UserError(f"{config.train}: has no boxes to learn from; give another set")
        if config.eval_pictures:
            self.val = GroundingSet(self.val.names, self.val.samples[: config.eval_pictures])
        torch.manual_seed(config.seed)
        model = _begin(config, self.data.names)
        optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        self.step, self.best, self.since = 0, -1.0, 0
        path = out / STATE
        if path.exists():
            state = torch.load(path, map_location="cpu", weights_only=True)
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            self.step, self.best, self.since = state["step"], state["best"], state["since"]
        if accelerator.is_main_process:
            cut_log(out / LOG, self.step)
        self.plain: GroundingModel = model
        self.model, self.optimizer = accelerator.prepare(model, optimizer)

    def go(self, stopped: Callable[[], bool], stop_after: int | None) -> Path:
        config, last = self.config, min(self.config.steps, stop_after or self.config.steps)
        while self.step < last and not self._had_enough():
            parts = self._update()
            self.step += 1
            measured = {}
            if self.step % config.eval_every == 0 or self.step == config.steps:
                measured = self._measure()
            if self.accelerator.is_main_process:
                append_jsonl(
                    self.out / LOG, {"step": self.step, "lr": lr_at(self.step - 1, config)} | parts | measured
                )
            if measured or self.step % 10 == 0:
                what = " ".join(f"{name} {value:.4g}" for name, value in (parts | measured).items())
                self.say(f"step {self.step}/{config.steps} {what}")
            if measured or self.step == last:
                self._save()
            if self._any(stopped()):
                self._save()
                raise KeyboardInterrupt
        return self.out / "model"

    def _had_enough(self) -> bool:
        return bool(self.config.patience) and self.since >= self.config.patience

    def _any(self, mine: bool) -> bool:
        told = torch.tensor([float(mine)], device=self.accelerator.device)
        return bool(self.accelerator.reduce(told, "sum").item() > 0)

    def _update(self) -> dict[str, float]:
        """One update: this process works off its share of the batch in portions."""
        config, me = self.config, self.accelerator
        self.model.train()
        rng = stream("grounding", config.seed, "order", self.step)
        chosen = rng.choice(
            len(self.data.samples), config.batch, replace=config.batch > len(self.data.samples)
        )
        mine = np.array_split(chosen, me.num_processes)[me.process_index]
        starts = range(0, len(mine), config.micro)
        sums: dict[str, float] = {}
        steps = 0 if self.step < config.plain_steps else None
        for start in starts:
            portion = [self.data.samples[i] for i in mine[start : start + config.micro]]
            batch = Batch(portion, len(self.data.names), config, self.step, me.process_index, start)
            pictures, queries, image_of, targets = batch.to(me.device)
            last = start == starts[-1]
            with nullcontext() if last else me.no_sync(self.model):
                with me.autocast():
                    output = self.model(pictures, queries, image_of, steps=steps)
                loss, parts = criterion(output, targets, config.step_cost)
                me.backward(loss / len(starts))
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value / len(starts)
        norm = float(me.clip_grad_norm_(self.model.parameters(), config.clip))
        for group in self.optimizer.param_groups:
            group["lr"] = lr_at(self.step, config)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return {"loss": sum(sums.values()), "norm": norm, **sums}

    def _measure(self) -> dict[str, float]:
        """Measure on `val`, and keep the model if it is the best so far. All processes do so, and agree."""
        figures = evaluate(self.plain, self.val, steps=0 if self.step <= self.config.plain_steps else None)
        better = figures["mAP"] > self.best
        self.since = 0 if better else self.since + 1
        if better:
            self.best = float(figures["mAP"])
            if self.accelerator.is_main_process:
                save_model(self.plain, self.out / "model", threshold=figures["threshold"], step=self.step)
        return {name: float(figures[name]) for name in ("mAP", "ndcg@10", "steps")}

    def _save(self) -> None:
        if not self.accelerator.is_main_process:
            return
        state: dict[str, Any] = {
            "model": self.plain.state_dict(),
            "optimizer": self.optimizer.optimizer.state_dict(),
            "step": self.step,
            "best": self.best,
            "since": self.since,
        }
        write_atomically(self.out / STATE, lambda part: torch.save(state, part))


def _begin(config: GroundingConfig, names: list[str]) -> GroundingModel:
    if not config.start:
        return GroundingModel(config.model, names)
    model, _ = load_model(config.start)
    if model.config != config.model or model.names != names:
        raise UserError(f"{config.start}: is a model of other settings or categories; give one that fits")
    return model

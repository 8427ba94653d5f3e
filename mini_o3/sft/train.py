"""The training loop of both supervised stages: next-token loss on what the policy wrote, kill at any time, resume.

Departs from the paper's SFT (LLaMA-Factory, AdamW, a pretrained 7B model) in that everything is trained from scratch, by
Muon, and in the per-cell loss of the perception stage.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader, Dataset
from transformers import Qwen2_5_VLForConditionalGeneration

from mini_o3.kit.errors import UserError
from mini_o3.kit.rundir import append_jsonl, claim_run, cut_log, make_folder, write_atomically
from mini_o3.kit.signals import leave_signals_to_the_parent, stop_signals
from mini_o3.models.nano import NANO_BUDGET, NANO_TURN, PROCESSOR, new_nano, save_checkpoint
from mini_o3.models.patches import Patcher
from mini_o3.models.render import ChatRenderer
from mini_o3.models.tower import encode_views
from mini_o3.probes.sprites import COLOURS, DIGITS, SHAPES
from mini_o3.sft.batch import Batch, CellHead, collate, count, micro_batches
from mini_o3.sft.config import TrainConfig
from mini_o3.sft.perception import Sample

HEAD_FILE = "cell_head.safetensors"  # beside the model: the next stage trains it further, nobody ships it
Source = Callable[[int], list[Sample]]


class _Indexed(Dataset[list[Sample]]):
    """A pure function of the index as a torch dataset that starts at `start`."""

    def __init__(self, source: Source, start: int, stop: int) -> None:
        self.source, self.start, self.count = source, start, stop - start

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> list[Sample]:
        torch.set_num_threads(1)
        return self.source(self.start + index)


def train(
    config: TrainConfig,
    make_source: Callable[[ChatRenderer], Source],
    out: Path,
    *,
    report: Callable[[str], None],
    stop_after: int | None = None,
) -> Path:
    """Train nano and leave a checkpoint directory `out/model` that `--policy hf:out/model` can use.

    Goes on from `out/state.pt` if it is there. `make_source` gives the samples of data index i for any i; batch k holds
    indices k * scenes .. (k + 1) * scenes - 1, so a resumed run sees the same data.

    Raises:
        UserError: `out` holds a run with another configuration.
    """
    make_folder(out)
    torch.set_num_threads(config.threads)
    learner = Learner(config)
    step = _resume(config, out, learner)
    data = _Indexed(make_source(learner.renderer), step * config.scenes, config.steps * config.scenes)
    loader = DataLoader(
        data,
        batch_size=config.scenes,
        num_workers=config.workers,
        collate_fn=lambda lists: [sample for samples in lists for sample in samples],
        prefetch_factor=4 if config.workers else None,
        worker_init_fn=leave_signals_to_the_parent,
    )
    began, first, saved = time.monotonic(), step, time.monotonic()
    tallies: list[dict[str, float]] = []
    with stop_signals() as stopping:
        for samples in loader:
            tallies.append(learner.update(samples, step))
            step += 1
            done = step == config.steps or step == stop_after or stopping()
            if step % config.log_every == 0 or done:
                row = _summary(step, config.rate(step - 1), tallies, time.monotonic() - began)
                append_jsonl(out / "metrics.jsonl", row)
                report(_progress(config, row, step, (time.monotonic() - began) / (step - first)))
                tallies = []
            if done or time.monotonic() - saved > config.save_minutes * 60:
                _save(out, learner, step)
                saved = time.monotonic()
            if done:
                break
    settings = {"budget": NANO_BUDGET.to_dict(), "profile": "nano", "turn_tokens": NANO_TURN, "step": step}
    save_checkpoint(learner.model, learner.tokenizer, out / "model", settings, dtype=torch.float16)  # half the size
    write_atomically(out / HEAD_FILE, lambda path: save_file(learner.head.state_dict(), path))
    if step < config.steps:
        report(f"stopped at step {step} of {config.steps}, saved; run the same command again to go on")
    return out / "model"


class Learner:
    """A model in training: everything one optimiser step needs."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.model, self.tokenizer = new_nano(config.seed)
        if config.start:
            _load_weights(self.model, Path(config.start) / "model")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.head = CellHead(self.model.config.text_config.hidden_size)
        if config.start:
            self.head.load_state_dict(load_file(Path(config.start) / HEAD_FILE))
        self.modules = torch.nn.ModuleDict({"model": self.model, "cell_head": self.head})
        self.optimisers = config.optimisers(self.modules)
        self.renderer, self.patcher = ChatRenderer(self.tokenizer), Patcher.of(PROCESSOR)
        self.kinds = _token_kinds(self.tokenizer)
        self.model.train()

    def update(self, samples: list[Sample], step: int) -> dict[str, float]:
        """One optimiser step on `samples`; returns sums for the log."""
        rate = self.config.rate(step)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * rate
            optimiser.zero_grad(set_to_none=True)
        tally = {"samples": float(len(samples)), "learn": sum(sum(sample.learn) for sample in samples)}
        for group_samples in micro_batches(samples, self.config.micro_tokens):
            batch = collate(group_samples, self.patcher, self.renderer.image_pad, 0)
            loss = self.loss(batch, tally, cells_only=step < self.config.cells_only)
            if not math.isfinite(float(loss.detach())):
                raise AssertionError(f"the loss is {float(loss.detach())} at step {step}: {tally}")
            loss.backward()
        torch.nn.utils.clip_grad_norm_(self.modules.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        return tally

    def loss(self, batch: Batch, tally: dict[str, float], *, cells_only: bool) -> torch.Tensor:
        """Loss of a micro-batch as its part of the step's mean, over learnt tokens and over cells; adds to `tally`."""
        core, image_pad = self.model.model, self.renderer.image_pad
        loss = torch.zeros(())
        embedded = core.language_model.embed_tokens(batch.ids)
        if len(batch.grids):
            views = encode_views(core.visual, batch.rows, batch.grids)
            views = views.reshape(-1, views.shape[-1])
            embedded = embedded.masked_scatter((batch.ids == image_pad)[..., None], views)
            if self.config.cell_weight and batch.cells is not None:
                share = len(batch.cells) / tally["samples"]
                cells = self.head.loss(views, batch.cells, tally)
                tally["cells"] = tally.get("cells", 0.0) + float(cells.detach()) * share
                loss = self.config.cell_weight * share * cells
        if cells_only:
            return loss
        # Padding is on the right and attention is causal, so no mask is needed.
        hidden = core.language_model(inputs_embeds=embedded, position_ids=batch.places, use_cache=False).last_hidden_state
        wanted = batch.learn[:, 1:] > 0
        logits, truth = self.model.lm_head(hidden[:, :-1][wanted]), batch.ids[:, 1:][wanted]
        text = (F.cross_entropy(logits, truth, reduction="none") * batch.learn[:, 1:][wanted]).sum() / tally["learn"]
        tally["loss"] = tally.get("loss", 0.0) + float(text.detach())
        right, kinds = logits.argmax(-1) == truth, self.kinds[truth]
        for index, kind in enumerate(_KINDS):
            count(tally, kind, right[kinds == index])
        if not len(batch.grids):
            count(tally, "drill", right)
        return loss + text


_KINDS = ("other", "number", "colour", "shape", "digit")


def _token_kinds(tokenizer: Any) -> torch.Tensor:
    """For every token id, which kind of word it is: an index into `_KINDS`."""
    kinds = torch.zeros(len(tokenizer) + 64, dtype=torch.int64)
    for token, index in tokenizer.get_vocab().items():
        word = token.strip()
        if len(word) == 4 and word[1] == ".":
            kinds[index] = 1
        elif word in COLOURS:
            kinds[index] = 2
        elif word in SHAPES:
            kinds[index] = 3
        elif word in DIGITS:
            kinds[index] = 4
    return kinds


def _summary(step: int, rate: float, tallies: list[dict[str, float]], seconds: float) -> dict[str, Any]:
    total = {key: sum(t.get(key, 0.0) for t in tallies) for key in {k for t in tallies for k in t}}
    row: dict[str, Any] = {"step": step, "rate": round(rate, 4), "seconds": round(seconds, 1)}
    row.update({key: round(total[key] / len(tallies), 4) for key in ("loss", "cells") if key in total})
    for kind in (*_KINDS, "drill", *CellHead.KINDS):
        if total.get(f"{kind}_n"):
            row[kind] = round(total[f"{kind}_right"] / total[f"{kind}_n"], 4)
    row["samples"] = int(total["samples"])
    return row


def _progress(config: TrainConfig, row: dict[str, Any], step: int, seconds_per_step: float) -> str:
    left = (config.steps - step) * seconds_per_step / 60
    figures = " ".join(f"{key} {row[key]}" for key in ("loss", "cells", *_KINDS, "drill", *CellHead.KINDS) if key in row)
    return f"step {step}/{config.steps} {figures} | {seconds_per_step:.2f} s/step, {left:.0f} min left"


def _save(out: Path, learner: Learner, step: int) -> None:
    state = {
        "step": step,
        "weights": learner.modules.state_dict(),
        "optimisers": [optimiser.state_dict() for optimiser in learner.optimisers],
    }
    write_atomically(out / "state.pt", lambda path: torch.save(state, path))


def _resume(config: TrainConfig, out: Path, learner: Learner) -> int:
    """Load the last state, if any, cut the log back to it, and return the step to go on from."""
    claim_run(out, json.loads(config.model_dump_json()), config.free_to_change)
    if not (out / "state.pt").exists():
        (out / "metrics.jsonl").unlink(missing_ok=True)
        return 0
    state = torch.load(out / "state.pt", map_location="cpu", weights_only=True)
    learner.modules.load_state_dict(state["weights"])
    for optimiser, saved in zip(learner.optimisers, state["optimisers"], strict=True):
        optimiser.load_state_dict(saved)
    cut_log(out / "metrics.jsonl", int(state["step"]))
    return int(state["step"])


def _load_weights(model: Qwen2_5_VLForConditionalGeneration, folder: Path) -> None:
    """Start from the weights of `folder`; its saved names are transformers' business, so transformers reads them."""
    if not (folder / "model.safetensors").is_file():
        raise UserError(f"{folder}: no model.safetensors there; `start` must name the run folder of an earlier stage")
    model.load_state_dict(Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).state_dict())

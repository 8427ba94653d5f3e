"""A model in supervised training, with the loss that it learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from mini_o3.kit.files import write_atomically
from mini_o3.models.chat import ChatRenderer
from mini_o3.models.forward import hidden_states
from mini_o3.models.nano import NANO_BUDGET, NANO_TURN, PROCESSOR, new_nano
from mini_o3.models.patches import Patcher
from mini_o3.models.shipped import checkpoint_in
from mini_o3.models.tower import encode_patches
from mini_o3.models.vlm import Vlm, enable_gradient_checkpointing, load_vlm, save_vlm
from mini_o3.probes.shapes.words import COLOURS, DIGITS, SHAPES
from mini_o3.sft.batch import Batch, CellHead, count
from mini_o3.sft.config import TrainConfig

HEAD_FILE = "cell_head.safetensors"  # beside the model: the next stage trains it further, nobody ships it
#: Kinds of words that are counted apart.
KINDS = ("other", "number", "colour", "shape", "digit")


class SftModel(torch.nn.Module):
    """The model, and the head that reads cells; `forward` is the loss of a micro-batch."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.settings = config
        self.vlm = (
            load_vlm(checkpoint_in(config.start), "cpu", torch.float32)
            if config.start
            else _random_nano(config.seed)
        )
        self.model = self.vlm.model
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.cell_head = CellHead(self.model.config.text_config.hidden_size)
        start = checkpoint_in(config.start)
        heads = (start.parent / HEAD_FILE, start.parent / "cell_heads" / f"{start.name}.safetensors")
        known = next((path for path in heads if path.is_file()), None)
        if config.start and known:
            self.cell_head.load_state_dict(load_file(known))
        if config.freeze_vision:
            self.vlm.visual.requires_grad_(False)
        if config.gradient_checkpointing:
            enable_gradient_checkpointing(self.model)
        self.kinds = _token_kinds(self.vlm.renderer.tokenizer)

    def save(self, out: Path, step: int) -> None:
        """Write the head, and then `out/model`, a checkpoint, which says of what step both are."""
        write_atomically(out / HEAD_FILE, lambda path: save_file(self.cell_head.state_dict(), path))
        save_vlm(self.vlm, out / "model", {"step": step})

    def forward(self, batch: Batch, tally: dict[str, float], cells_only: bool = False) -> torch.Tensor:
        """Loss of a micro-batch as its part of the step's mean, over learnt tokens and over cells; adds to
        `tally`."""
        loss, tokens = torch.zeros((), device=batch.ids.device), None
        if len(batch.grids):
            tokens = encode_patches(self.vlm.visual, batch.rows, batch.grids)
            if self.settings.cell_weight and batch.cells is not None:
                share = len(batch.cells) / tally["samples"]
                cells = self.cell_head.loss(tokens, batch.cells, tally)
                tally["cell_loss"] = tally.get("cell_loss", 0.0) + float(cells.detach()) * share
                loss = self.settings.cell_weight * share * cells
        if cells_only:
            return loss
        hidden = hidden_states(self.vlm, batch.ids, batch.position_ids, tokens)
        wanted = batch.learn[:, 1:] > 0
        logits, truth = self.model.lm_head(hidden[:, :-1][wanted]).float(), batch.ids[:, 1:][wanted]
        text = (F.cross_entropy(logits, truth, reduction="none") * batch.learn[:, 1:][wanted]).sum() / tally[
            "learn"
        ]
        tally["loss"] = tally.get("loss", 0.0) + float(text.detach())
        right, kinds = logits.argmax(-1) == truth, self.kinds.to(truth.device)[truth]
        for index, kind in enumerate(KINDS):
            count(tally, kind, right[kinds == index])
        if not len(batch.grids):
            count(tally, "drill", right)
        return loss + text


def _random_nano(seed: int) -> Vlm:
    """nano with random weights."""
    model, tokenizer = new_nano(seed)
    patcher = Patcher.of(PROCESSOR)
    return Vlm(
        model,
        ChatRenderer(tokenizer, patcher.patch * patcher.merge),
        patcher,
        NANO_BUDGET,
        "nano",
        NANO_TURN,
        int(model.config.text_config.max_position_embeddings),
        torch.float16,
        PROCESSOR,
    )


def _token_kinds(tokenizer: Any) -> torch.Tensor:
    """For every token id, which kind of word it is: an index into `KINDS`."""
    kinds = torch.zeros(len(tokenizer) + 1024, dtype=torch.int64)
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

"""One policy update: log-probabilities of what was written, the clipped objective, a step of AdamW.

Departs from the released code in cost, not in kind: a view is encoded once per update however many rollouts
saw it (twice if the vision tower learns), and a rollout without gradient is never read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from accelerate import Accelerator
from PIL import Image

from mini_o3.grpo.batch import MiniBatch, Packed, collate, pack
from mini_o3.grpo.config import GrpoConfig
from mini_o3.grpo.loss import policy_loss
from mini_o3.models.forward import chosen_log_probs, encode_views, hidden_states
from mini_o3.models.views import split_views
from mini_o3.models.vlm import Vlm, enable_gradient_checkpointing


class NonFinite(ArithmeticError):
    """The loss or the gradient of an update is not a finite number; the weights are as before."""


class Learner:
    """A model that is trained, alike on every process: each reads its own rollouts, gradients are summed."""

    def __init__(self, vlm: Vlm, config: GrpoConfig, accelerator: Accelerator) -> None:
        self.vlm, self.config, self.accelerator = vlm, config, accelerator
        self.renderer = vlm.renderer
        vlm.model.requires_grad_(True)
        if config.gradient_checkpointing:
            enable_gradient_checkpointing(vlm.model)
        if config.freeze_vision:
            vlm.visual.requires_grad_(False)
        self.parameters = [p for p in vlm.model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=config.lr, betas=(0.9, 0.999), weight_decay=config.weight_decay
        )

    @property
    def trains_vision(self) -> bool:
        return not self.config.freeze_vision

    def update(self, batch: MiniBatch) -> dict[str, float]:
        """One optimiser step; returns sums for the log: loss, tokens, clipped tokens, entropy, and the
        gradient's norm.

        Raises:
            NonFinite: the loss or the gradient is not a finite number, alike on all processes.
        """
        self.optimiser.zero_grad(set_to_none=True)
        sums = {
            "loss": 0.0,
            "tokens": 0.0,
            "clipped": 0.0,
            "entropy": 0.0,
            "rollouts": float(len(batch.trajectories)),
        }
        parts = split_views(batch.views, self.vlm.patcher.patch)
        seen = self.look(parts)
        self.vlm.model.train(self.config.gradient_checkpointing)  # which transformers does in this mode only
        for packed in self.packs(batch):
            self._loss(packed, seen, sums).backward()
        if self.trains_vision:
            self._backward_through_views(parts, seen)
        self.vlm.model.eval()
        sums = self._sum_over_processes(sums)
        sums["grad_norm"] = float(torch.nn.utils.clip_grad_norm_(self.parameters, self.config.max_grad_norm))
        for name, what in (("loss", "the loss"), ("grad_norm", "the norm of the gradient")):
            if not math.isfinite(sums[name]):
                raise NonFinite(f"{what} is {sums[name]}")
        self.optimiser.step()
        return sums

    @torch.no_grad()
    def look(self, parts: Sequence[list[Image.Image]]) -> list[torch.Tensor]:
        """Image tokens of every view, which collect gradients if the vision tower is trained."""
        return [
            tokens.requires_grad_(self.trains_vision)
            for part in parts
            for tokens in encode_views(self.vlm, part)
        ]

    def packs(self, batch: MiniBatch) -> Iterator[Packed]:
        """The rollouts of a mini-batch, as many at a time as `micro_tokens` allows."""
        grids = self.renderer.grids(batch.views)
        for rows in pack(batch.trajectories, self.config.micro_tokens):
            yield collate(rows, grids, self.renderer.image_pad)

    def log_probs(self, packed: Packed, seen: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities (B, T) of the tokens the policy wrote (0 elsewhere), and the entropy (N,) where
        it wrote them.

        The distribution is the one that was sampled from: at the sampling temperature, without vision tokens.
        `seen` holds the image tokens of every view of the mini-batch.
        """
        device = self.vlm.device
        ids, wrote = packed.ids.to(device), packed.mask.to(device)[:, 1:] > 0
        tokens = torch.cat([seen[view] for view in packed.views]) if packed.views else None
        hidden = hidden_states(self.vlm, ids, packed.position_ids.to(device), tokens)
        chosen, entropy = chosen_log_probs(
            self.vlm, hidden[:, :-1][wrote], ids[:, 1:][wrote], self.config.temperature
        )
        out = torch.zeros(wrote.shape, device=device, dtype=chosen.dtype).masked_scatter(wrote, chosen)
        return torch.nn.functional.pad(out, (1, 0)), entropy

    def _loss(self, packed: Packed, seen: Sequence[torch.Tensor], sums: dict[str, float]) -> torch.Tensor:
        device = self.vlm.device
        log_probs, entropy = self.log_probs(packed, seen)
        loss, clipped = policy_loss(
            log_probs,
            packed.old.to(device),
            packed.mask.to(device),
            packed.weights.to(device),
            self.config.clip,
            self.config.token_mean,
        )
        sums["loss"] += float(loss.detach())
        sums["tokens"] += float(packed.mask.sum())
        sums["clipped"] += float(clipped)
        sums["entropy"] += float(entropy.sum())
        return loss

    def _backward_through_views(
        self, parts: Sequence[list[Image.Image]], seen: Sequence[torch.Tensor]
    ) -> None:
        """Encode every view again, now with a graph, part by part: memory does not grow with the number of
        views."""
        left = iter(seen)
        for part in parts:
            grads = [tokens.grad for tokens in (next(left) for _ in part)]
            torch.autograd.backward(encode_views(self.vlm, part), grads)

    def _sum_over_processes(self, sums: dict[str, float]) -> dict[str, float]:
        if self.accelerator.num_processes == 1:
            return sums
        for parameter in self.parameters:
            if parameter.grad is None:  # nothing to read here, or a part of the model that no text reaches
                parameter.grad = torch.zeros_like(parameter)
            parameter.grad = self.accelerator.reduce(parameter.grad, "sum")
        total = self.accelerator.reduce(
            torch.tensor(list(sums.values()), dtype=torch.float64, device=self.vlm.device), "sum"
        )
        return dict(zip(sums, total.tolist(), strict=True))

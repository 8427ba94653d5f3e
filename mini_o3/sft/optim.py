"""Muon for matrices, AdamW for the rest.

Departs from `torch.optim.Muon` in one thing: the Newton-Schulz iteration runs in the parameters' own float32.
torch's runs in bfloat16, which is 50 times slower than float32 on a processor without bfloat16 units.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # Jordan et al., "Muon", 2024: quintic tuned for steep convergence


def orthogonalise(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """The nearest semi-orthogonal matrix, roughly: singular values end between 0.7 and 1.2. Shape (rows,
    columns)."""
    a, b, c = _COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum and orthogonalised updates for groups of matrices (`muon=True`), AdamW for all others.

    One optimiser, because a trainer knows one. Groups need `lr` and may have `momentum`, `betas`,
    `weight_decay`.
    """

    def __init__(self, groups: Iterable[dict[str, Any]]) -> None:
        defaults = {
            "lr": 1e-3,
            "muon": False,
            "momentum": 0.95,
            "betas": (0.9, 0.98),
            "eps": 1e-8,
            "weight_decay": 0.0,
        }
        super().__init__(list(groups), defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    (_muon if group["muon"] else _adam)(parameter, self.state[parameter], group)


def _muon(parameter: torch.Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    if not state:
        state["momentum"] = torch.zeros_like(parameter)
    momentum = state["momentum"].mul_(group["momentum"]).add_(parameter.grad)
    update = orthogonalise(parameter.grad + group["momentum"] * momentum)
    scale = max(1.0, parameter.shape[0] / parameter.shape[1]) ** 0.5
    parameter.add_(update, alpha=-group["lr"] * scale)


def _adam(parameter: torch.Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    if not state:
        state.update(
            step=torch.zeros(()), mean=torch.zeros_like(parameter), square=torch.zeros_like(parameter)
        )
    first, second = group["betas"]
    state["step"] += 1
    state["mean"].lerp_(parameter.grad, 1 - first)
    state["square"].mul_(second).addcmul_(parameter.grad, parameter.grad, value=1 - second)
    count = float(state["step"])
    spread = (state["square"] / (1 - second**count)).sqrt_().add_(group["eps"])
    parameter.addcdiv_(state["mean"], spread, value=-group["lr"] / (1 - first**count))


def muon_groups(
    model: torch.nn.Module, muon_lr: float, adam_lr: float, weight_decay: float = 0.01
) -> list[dict[str, Any]]:
    """Muon for the matrices inside blocks; AdamW for embeddings, patch filters, heads, norms and biases."""
    matrices: list[torch.nn.Parameter] = []
    rest: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        inner = parameter.ndim == 2 and "embed_tokens" not in name and "head" not in name
        if parameter.requires_grad:
            (matrices if inner else rest).append(parameter)
    return [
        {"params": matrices, "muon": True, "lr": muon_lr, "weight_decay": weight_decay},
        {"params": rest, "lr": adam_lr},
    ]

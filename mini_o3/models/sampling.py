"""How tokens are sampled, for one sequence or a batch of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a local model writes a turn.

    Attributes:
        temperature: 0 is greedy.
        max_tokens: longest turn.
        stops: texts that end a turn and stay in it.
    """

    temperature: float = 0.0
    max_tokens: int = 1024
    stops: tuple[str, ...] = ("</grounding>", "</answer>")


@dataclass(frozen=True, slots=True)
class Sampled:
    """The tokens of one turn; `finished` is False if the length limit cut it off."""

    ids: list[int]
    log_probs: list[float]
    finished: bool


def log_probs(
    logits: torch.Tensor, temperature: torch.Tensor | float, forbidden: Sequence[int]
) -> torch.Tensor:
    """Log-probabilities (B, vocabulary) of the distribution that is sampled from, in float32.

    `temperature` is above 0, one number or (B, 1). The `forbidden` tokens have probability 0.
    """
    excluded = torch.zeros(logits.shape[-1], dtype=torch.bool, device=logits.device)
    excluded[list(forbidden)] = True
    return torch.log_softmax((logits.float() / temperature).masked_fill(excluded, -torch.inf), -1)


def sample(
    logits: torch.Tensor, temperatures: Sequence[float], uniforms: Sequence[float], forbidden: Sequence[int]
) -> tuple[list[int], list[float]]:
    """One token per row of `logits` (B, vocabulary), and its log-probability.

    Log-probabilities are those of the distribution sampled from: without `forbidden` tokens, at the
    temperature (at 1 if greedy). `uniforms` in [0, 1) decide, one per row, so that a row's token does not
    depend on what else is in the batch.
    """
    device = logits.device
    of_rows = log_probs(
        logits, torch.tensor([t or 1.0 for t in temperatures], device=device)[:, None], forbidden
    )
    tokens = of_rows.argmax(-1)
    if any(temperatures):
        exact = of_rows.cpu() if device.type == "mps" else of_rows  # which has no float64
        cumulated = exact.double().exp().cumsum(-1)
        points = torch.tensor(list(uniforms), dtype=torch.double, device=exact.device)
        wanted = points[:, None] * cumulated[:, -1:]
        drawn = torch.searchsorted(cumulated, wanted, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)
        is_drawn = torch.tensor([t > 0 for t in temperatures], device=device)
        tokens = torch.where(is_drawn, drawn.to(device), tokens)
    return tokens.tolist(), of_rows.gather(-1, tokens[:, None])[:, 0].tolist()

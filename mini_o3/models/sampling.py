"""How tokens are drawn, for one conversation or a batch of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. Temperature 0 is greedy; `stops` end a turn and stay in its text."""

    temperature: float = 0.0
    max_tokens: int = 1024
    stops: tuple[str, ...] = ("</grounding>", "</answer>")


@dataclass(frozen=True, slots=True)
class Sampled:
    """What was drawn in one turn; `finished` is False if the length limit cut it off."""

    ids: list[int]
    log_probs: list[float]
    finished: bool


def draw(
    logits: torch.Tensor, temperatures: Sequence[float], uniforms: Sequence[float], forbidden: Sequence[int]
) -> tuple[list[int], list[float]]:
    """One token per row of `logits` (B, vocabulary), and its log-probability.

    Log-probabilities are those of the distribution drawn from: `forbidden` tokens excluded, at the
    temperature (at 1 if greedy). `uniforms` in [0, 1) decide, one per row, so that a row's draw does not
    depend on what else is in the batch.
    """
    scores = logits.float().clone()
    scores[:, list(forbidden)] = -torch.inf
    heat = torch.tensor([t or 1.0 for t in temperatures], device=scores.device)
    spread = torch.log_softmax(scores / heat[:, None], -1)
    tokens = spread.argmax(-1)
    if any(temperatures):
        cumulated = spread.double().exp().cumsum(-1)
        wanted = (
            torch.tensor(list(uniforms), dtype=torch.double, device=scores.device)[:, None]
            * cumulated[:, -1:]
        )
        drawn = torch.searchsorted(cumulated, wanted, right=True)[:, 0].clamp(max=scores.shape[-1] - 1)
        tokens = torch.where(torch.tensor([t > 0 for t in temperatures], device=scores.device), drawn, tokens)
    return tokens.tolist(), spread.gather(-1, tokens[:, None])[:, 0].tolist()

"""How tokens are sampled, for one sequence or a batch of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

_BLOCK = 512  # entries of the vocabulary that are summed before one is looked for
_AT_ONCE = 1 << 24  # logits that are held in float32 at a time: 64 MiB


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
    tokens, chosen = [], []
    at_once = max(_AT_ONCE // logits.shape[-1], 1)
    for first in range(0, len(logits), at_once):
        part = slice(first, first + at_once)
        found = _sample(logits[part], temperatures[part], uniforms[part], forbidden)
        tokens.append(found[0])
        chosen.append(found[1])
    return torch.cat(tokens).tolist(), torch.cat(chosen).tolist()


def _sample(
    logits: torch.Tensor, temperatures: Sequence[float], uniforms: Sequence[float], forbidden: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    device = logits.device
    of_rows = log_probs(
        logits, torch.tensor([t or 1.0 for t in temperatures], device=device)[:, None], forbidden
    )
    tokens = of_rows.argmax(-1)
    if any(temperatures):
        is_drawn = torch.tensor([t > 0 for t in temperatures], device=device)
        tokens = torch.where(is_drawn, draw(of_rows.exp(), uniforms), tokens)
    return tokens, of_rows.gather(-1, tokens[:, None])[:, 0]


def draw(probabilities: torch.Tensor, uniforms: Sequence[float]) -> torch.Tensor:
    """The index (B,) in every row of `probabilities` (B, vocabulary) below which `uniforms` of its sum lie.

    First the block of the vocabulary is found, then the place in it, so that only sums of blocks and one
    block per row are held in float64.
    """
    rows, vocabulary = probabilities.shape
    exact = torch.float32 if probabilities.device.type == "mps" else torch.float64  # which it does not have
    blocks = F.pad(probabilities, (0, -vocabulary % _BLOCK)).view(rows, -1, _BLOCK)
    sums = blocks.sum(-1, dtype=exact)
    before = sums.cumsum(-1)
    points = torch.tensor(uniforms, dtype=exact, device=sums.device)[:, None] * before[:, -1:]
    block = _first_above(before, points)
    inside = blocks.gather(1, block[:, :, None].expand(-1, -1, _BLOCK))[:, 0].to(exact).cumsum(-1)
    rest = points - before.gather(1, block) + inside[:, -1:]
    return (block * _BLOCK + _first_above(inside, rest))[:, 0]


def _first_above(cumulated: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Index (B, 1) of the first entry above its point; where rounding leaves none, of the last that adds."""
    last = (cumulated < cumulated[:, -1:]).sum(-1, keepdim=True)
    return torch.minimum(torch.searchsorted(cumulated, points, right=True), last)

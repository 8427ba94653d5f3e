"""The clipped policy objective over the tokens that the policy wrote.

Departs from the paper in nothing: no KL term, no entropy term, asymmetric clipping. The mean over a rollout's
own tokens (`tokens="rollout"`) is what its formula says; `tokens="batch"` weighs every token of a batch
alike, as DAPO does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mini_o3.grpo.advantages import TokenMean

if TYPE_CHECKING:
    import torch  # only for types: settings, which hold a `Clip`, are checked without loading torch

_FARTHEST = 20.0  # largest logarithm of a ratio that is told from larger ones; exp of more than 88 overflows


@dataclass(frozen=True, slots=True)
class Clip:
    """How far the probability of a token may move before it stops to pay: down to 1 - low, up to 1 + high."""

    low: float = 0.2
    high: float = 0.3


def policy_loss(
    log_probs: torch.Tensor,
    old: torch.Tensor,
    mask: torch.Tensor,
    advantages: torch.Tensor,
    clip: Clip,
    tokens: TokenMean = "rollout",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum of the losses of some rollouts, and how many of their tokens were clipped.

    Args:
        log_probs, old: (B, T) of each token under the policy now and when it was drawn.
        mask: (B, T) 1 where the policy wrote the token.
        advantages: (B,), or weights that hold the normaliser too: the loss is linear in a positive factor.
        tokens: "rollout": each rollout's loss is the mean over its tokens, and the normaliser counts
            rollouts; "batch": it is the sum over its tokens, and the normaliser counts tokens.
    """
    mask = mask.to(log_probs.dtype)
    # The ratio is 1 where the policy wrote nothing. Without the clamp an infinite ratio times a gradient of
    # zero would be NaN.
    ratio = ((log_probs - old) * mask).clamp(-_FARTHEST, _FARTHEST).exp()
    surrogate = ratio * advantages[:, None]
    clipped_surrogate = ratio.clamp(1 - clip.low, 1 + clip.high) * advantages[:, None]
    losses = -(surrogate.minimum(clipped_surrogate) * mask).sum(-1)
    if tokens == "rollout":
        losses = losses / mask.sum(-1).clamp(min=1)
    return losses.sum(), ((clipped_surrogate < surrogate) * mask).sum()

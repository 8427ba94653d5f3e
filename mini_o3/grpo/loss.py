"""The clipped policy objective over the tokens that the policy wrote.

Departs from the paper in nothing: no KL term, no entropy term, asymmetric clipping. The mean over a rollout's
own tokens (`tokens="rollout"`) is what its formula says; `tokens="batch"` weighs every token of a batch
alike, as DAPO does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch  # not loaded for it: settings are checked without torch, and they hold a `Clip`


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
    tokens: Literal["rollout", "batch"] = "rollout",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum of the losses of some rollouts, to be divided by the mini-batch's normaliser; and how many tokens
    were clipped.

    Args:
        log_probs, old: (B, T) of each token under the policy now and when it was drawn.
        mask: (B, T) 1 where the policy wrote the token.
        advantages: (B,).
        tokens: "rollout": each rollout's loss is the mean over its tokens, and the normaliser counts
            rollouts; "batch": it is the sum over its tokens, and the normaliser counts tokens.
    """
    mask = mask.to(log_probs.dtype)
    ratio = ((log_probs - old) * mask).exp()  # 1 where nothing was written: no overflow, no gradient
    gain = ratio * advantages[:, None]
    kept = ratio.clamp(1 - clip.low, 1 + clip.high) * advantages[:, None]
    losses = -(gain.minimum(kept) * mask).sum(-1)
    if tokens == "rollout":
        losses = losses / mask.sum(-1).clamp(min=1)
    return losses.sum(), ((kept < gain) * mask).sum()

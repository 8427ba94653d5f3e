"""The loss: every step is supervised, tokens learn whether they lie in a target, and steps cost something."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mini_o3.grounding.backbone import token_centres
from mini_o3.grounding.boxes import paired_giou, to_xyxy
from mini_o3.grounding.matcher import match
from mini_o3.grounding.model import Look, Output

WEIGHT_L1, WEIGHT_GIOU, WEIGHT_SCORE, WEIGHT_RELEVANCE = 5.0, 2.0, 1.0, 1.0


def focal(logits: Tensor, truth: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Focal loss of each element (Lin et al. 2017)."""
    p = logits.sigmoid()
    right = p * truth + (1 - p) * (1 - truth)
    weight = alpha * truth + (1 - alpha) * (1 - truth)
    return (
        weight
        * (1 - right) ** gamma
        * functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    )


def criterion(
    output: Output, targets: list[Tensor], step_cost: float = 0.0
) -> tuple[Tensor, dict[str, float]]:
    """The loss of Q queries, and its parts as numbers.

    The expected number of steps of a query is the sum of its `alive`; `step_cost` is charged for each.

    Args:
        targets: Q tensors (N_q, 4) cxcywh, N_q may be 0.
    """
    count = max(sum(map(len, targets)), 1)
    parts: dict[str, Tensor] = {}
    for look in output.looks:
        for name, value in _look_loss(look, targets, count).items():
            parts[name] = parts.get(name, torch.zeros((), device=value.device)) + value / len(output.looks)
    if output.relevance is not None:
        truth = _inside(targets, output.relevance.shape[1], output.relevance.device)
        loss = focal(output.relevance.float(), truth)
        parts["relevance"] = WEIGHT_RELEVANCE * loss.sum() / truth.sum().clamp(min=1.0)
    if output.alive is not None and step_cost and len(output.alive):
        parts["steps"] = step_cost * output.alive.float().sum(0).mean()
    total = torch.stack(list(parts.values())).sum()
    return total, {name: float(value.detach()) for name, value in parts.items()}


def _look_loss(look: Look, targets: list[Tensor], count: int) -> dict[str, Tensor]:
    pairs = match(look.boxes, look.logits, targets)
    truth = torch.zeros_like(look.logits, dtype=torch.float32)
    for query, (rows, _) in enumerate(pairs):
        truth[query, rows] = 1.0
    found = torch.cat([look.boxes[query, rows] for query, (rows, _) in enumerate(pairs)]).float()
    wanted = torch.cat([targets[query][columns] for query, (_, columns) in enumerate(pairs)]).float()
    giou = paired_giou(to_xyxy(found), to_xyxy(wanted))
    return {
        "score": WEIGHT_SCORE * focal(look.logits.float(), truth).sum() / count,
        "l1": WEIGHT_L1 * (found - wanted).abs().sum() / count,
        "giou": WEIGHT_GIOU * (1 - giou).sum() / count,
    }


def _inside(targets: list[Tensor], tokens: int, device: torch.device) -> Tensor:
    """1 for the tokens whose middle lies in a target, or that are the nearest to one's centre: (Q, T)."""
    centres = token_centres(round(tokens**0.5), device)
    truth = torch.zeros((len(targets), tokens), device=device)
    for row, boxes in zip(truth, targets, strict=True):
        for box in boxes.float():
            row[((centres - box[:2]).abs() <= box[2:] / 2).all(-1)] = 1.0
            row[(centres - box[:2]).norm(dim=-1).argmin()] = 1.0
    return truth

"""Which box answers for which target: the assignment of least cost (Carion et al. 2020, without classes)."""

from __future__ import annotations

import torch
from torch import Tensor

from mini_o3.grounding.boxes import pairwise_iou, to_xyxy

COST_SCORE, COST_L1, COST_GIOU = 2.0, 5.0, 2.0


def cost(boxes: Tensor, logits: Tensor, targets: Tensor) -> Tensor:
    """Costs (K, N) of every box for every target: boxes (K, 4) and targets (N, 4) cxcywh, logits (K,)."""
    distance = torch.cdist(boxes.float(), targets.float(), p=1)
    _, giou = pairwise_iou(to_xyxy(boxes.float()), to_xyxy(targets.float()))
    return COST_L1 * distance - COST_GIOU * giou - COST_SCORE * logits.float().sigmoid()[:, None]


@torch.no_grad()
def match(boxes: Tensor, logits: Tensor, targets: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """For each of Q queries the indices of boxes and of the targets they answer for, in order of the boxes.

    Args:
        boxes: (Q, K, 4) cxcywh.
        logits: (Q, K).
        targets: Q tensors (N_q, 4) cxcywh; N_q may be 0, and greater than K: then some targets go without.
    """
    from scipy.optimize import linear_sum_assignment

    pairs = []
    for mine, scores, wanted in zip(boxes, logits, targets, strict=True):
        if len(wanted) == 0:
            rows = columns = torch.zeros(0, dtype=torch.long)
        else:
            found = linear_sum_assignment(cost(mine, scores, wanted).cpu().numpy())
            rows, columns = (torch.as_tensor(part, dtype=torch.long) for part in found)
        pairs.append((rows.to(boxes.device), columns.to(boxes.device)))
    return pairs

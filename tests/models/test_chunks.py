"""Log-probabilities computed a part at a time are those computed at once, and so are their gradients."""

import torch

from mini_o3.models.forward import chosen_log_probs
from mini_o3.models.sampling import log_probs
from mini_o3.models.shipped import NANO_DIR
from mini_o3.models.vlm import load_vlm


def test_log_probs_in_chunks_are_those_at_once():
    vlm = load_vlm(NANO_DIR)
    torch.manual_seed(1)
    hidden = torch.randn(50, vlm.language.config.hidden_size)
    targets = torch.randint(300, 600, (50,))
    found = []
    for at_once in (7, 1000):
        given = hidden.clone().requires_grad_()
        vlm.model.zero_grad()
        chosen, entropy = chosen_log_probs(vlm, given, targets, 0.7, at_once=at_once)
        chosen.square().sum().backward()
        found.append((chosen, entropy, given.grad, vlm.model.lm_head.weight.grad.clone()))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-5)
    logits = vlm.model.lm_head(hidden)
    plain = log_probs(logits, 0.7, vlm.renderer.forbidden)
    torch.testing.assert_close(found[0][0], plain.gather(1, targets[:, None])[:, 0], atol=1e-5, rtol=1e-5)

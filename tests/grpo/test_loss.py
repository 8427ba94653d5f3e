"""The objective equals a slow reference in plain Python, and its gradient equals differences of that
reference."""

import math

import pytest
import torch

from mini_o3.grpo.loss import Clip, policy_loss

CLIP = Clip()


def reference(new, old, mask, advantages, tokens):
    total = 0.0
    for row, advantage in enumerate(advantages):
        terms = []
        for n, o, wrote in zip(new[row], old[row], mask[row], strict=True):
            if wrote:
                ratio = math.exp(n - o)
                terms.append(min(ratio * advantage, min(max(ratio, 0.8), 1.3) * advantage))
        total -= sum(terms) / (max(len(terms), 1) if tokens == "rollout" else 1)
    return total


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    old = -3 * torch.rand(6, 9, generator=generator, dtype=torch.double)
    new = old + 0.5 * torch.randn(6, 9, generator=generator, dtype=torch.double)
    mask = (torch.rand(6, 9, generator=generator) < 0.6).long()
    mask[5] = 0  # a rollout that wrote nothing
    return new, old, mask, torch.tensor([1.7, -0.6, 0.3, -1.1, 0.0, 2.0], dtype=torch.double)


@pytest.mark.parametrize("tokens", ["rollout", "batch"])
def test_loss_and_gradient_equal_the_reference(batch, tokens):
    new, old, mask, advantages = batch
    new.requires_grad_()
    loss, clipped = policy_loss(new, old, mask, advantages, CLIP, tokens)
    loss.backward()
    plain = [tensor.detach().tolist() for tensor in batch]
    assert float(loss.detach()) == pytest.approx(reference(*plain, tokens), abs=1e-9)
    assert 0 < int(clipped) < int(mask.sum())
    step = 1e-6
    for row in range(6):
        for column in range(9):
            up, down = ([list(r) for r in plain[0]] for _ in range(2))
            up[row][column] += step
            down[row][column] -= step
            slope = (reference(up, *plain[1:], tokens) - reference(down, *plain[1:], tokens)) / (2 * step)
            assert float(new.grad[row, column]) == pytest.approx(slope, abs=1e-6)


def test_at_the_first_update_the_gradient_is_that_of_the_plain_policy_gradient():
    new = torch.tensor([[-1.0, -2.0], [-0.5, -0.1]], requires_grad=True)
    loss, clipped = policy_loss(new, new.detach(), torch.ones(2, 2), torch.tensor([1.0, -1.0]), CLIP)
    loss.backward()
    assert new.grad.tolist() == [[-0.5, -0.5], [0.5, 0.5]]
    assert int(clipped) == 0


@pytest.mark.parametrize(
    ("ratio", "advantage", "moves"), [(1.25, 1, True), (1.31, 1, False), (0.81, -1, True), (0.79, -1, False)]
)
def test_a_token_stops_to_pay_beyond_the_clip_and_the_upper_bound_is_wider(ratio, advantage, moves):
    new = torch.tensor([[math.log(ratio)]], requires_grad=True)
    policy_loss(new, torch.zeros(1, 1), torch.ones(1, 1), torch.tensor([float(advantage)]), CLIP)[
        0
    ].backward()
    assert bool(new.grad.abs().sum() > 0) == moves


def test_tokens_of_the_environment_change_nothing_however_unlikely_they_are():
    new = torch.tensor([[-1.0, -800.0]], requires_grad=True)
    loss, _ = policy_loss(new, torch.tensor([[-1.0, 0.0]]), torch.tensor([[1, 0]]), torch.tensor([1.0]), CLIP)
    loss.backward()
    assert loss.item() == -1.0
    assert new.grad.tolist() == [[-1.0, 0.0]]


@pytest.mark.parametrize("log_ratio", [94.0, -94.0, 800.0, math.inf, -math.inf])
@pytest.mark.parametrize("advantage", [1.0, -1.0, 0.0])
def test_a_token_that_became_far_more_or_less_likely_has_a_finite_loss_and_gradient(log_ratio, advantage):
    new = torch.tensor([[log_ratio, -1.0]], requires_grad=True)
    old = torch.tensor([[0.0, -1.0]])
    loss, _ = policy_loss(new, old, torch.ones(1, 2), torch.tensor([advantage]), CLIP)
    loss.backward()
    assert math.isfinite(loss.item())
    assert new.grad.tolist() == [[0.0, -advantage / 2]]

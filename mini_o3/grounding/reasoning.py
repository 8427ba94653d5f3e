"""Gated steps of cross-attention between the slots of a query and the tokens of its picture.

Departs from the source in the gate: it scales what a step changes, so that stopping has a gradient. The
product of a query's gates is how far it still moves; once that is small, the query is computed no further.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mini_o3.grounding.heads import BoxHead, inverse_sigmoid


class State(NamedTuple):
    """Where Q queries stand: slots (Q, K, D), boxes (Q, K, 4) cxcywh, last attention (Q, K, T)."""

    slots: Tensor
    boxes: Tensor
    attention: Tensor


def sine_embedding(boxes: Tensor, width: int) -> Tensor:
    """Sines and cosines of every coordinate: (..., C) in 0..1 -> (..., C * width)."""
    frequencies = 2.0 ** torch.arange(width // 2, device=boxes.device, dtype=torch.float32) * torch.pi
    angles = boxes.float()[..., None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(-2).to(boxes.dtype)


class Attention(nn.Module):
    """Multi-head attention that gives its map, averaged over heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, asking: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """(Q, K, D), (Q, T, D), (Q, T, D) -> (Q, K, D) and the map (Q, K, T), whose rows sum to 1."""
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.q, asking), (self.k, keys), (self.v, values))
        )
        weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).flatten(-2)), weights.mean(1)


class Step(nn.Module):
    """One step: slots look at the picture, at one another, think, and move their boxes."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.place = nn.Linear(4 * 16, width)
        self.look, self.compare = Attention(width, heads), Attention(width, heads)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.think = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.box = BoxHead(width)

    def forward(self, state: State, keys: Tensor, values: Tensor, gate: Tensor) -> State:
        """A step of size `gate` (Q,), 0..1; with 0 slots and boxes come out as they went in."""
        slots, boxes, _ = state
        scale = gate[:, None, None]
        place = self.place(sine_embedding(boxes.detach(), 16))
        found, attention = self.look(self.norms[0](slots) + place, keys, values)
        moved = slots + found
        normed = self.norms[1](moved)
        moved = moved + self.compare(normed + place, normed + place, normed)[0]
        moved = moved + self.think(self.norms[2](moved))
        new_slots = slots + scale * (moved - slots)
        new_boxes = (inverse_sigmoid(boxes.detach()) + self.box(new_slots)).sigmoid()
        new_boxes = boxes + scale * (new_boxes - boxes)
        return State(new_slots, new_boxes, attention)


class Reasoner(nn.Module):
    """Steps and the gates between them. The first step is always made; its gate is 1."""

    def __init__(self, width: int, heads: int, steps: int, stop_below: float) -> None:
        super().__init__()
        self.stop_below = stop_below
        self.steps = nn.ModuleList(Step(width, heads) for _ in range(steps))
        self.gates = nn.ModuleList(nn.Linear(width, 1) for _ in range(max(steps - 1, 0)))
        for gate in self.gates:
            assert isinstance(gate, nn.Linear)
            nn.init.zeros_(gate.weight)
            nn.init.constant_(gate.bias, 3.0)  # open: a new model makes all its steps

    def forward(
        self, state: State, tokens: Tensor, places: Tensor, image_of: Tensor, gated: bool, steps: int | None
    ) -> tuple[list[State], Tensor]:
        """The states after every step, and how far each query still moved in it: (steps, Q), first row 1.

        Without gradients, queries that have stopped are left out of the computation and keep their state;
        a row of the second result then holds 0 for them.

        Args:
            tokens: (B, T, D) of the pictures.
            places: (T, D), added to the keys.
            image_of: (Q,) index of each query's picture.
            steps: make only so many of the steps.
        """
        states: list[State] = []
        alive = torch.ones(len(state.slots), device=tokens.device, dtype=tokens.dtype)
        history: list[Tensor] = []
        for index, step in enumerate(self.steps if steps is None else list(self.steps)[:steps]):
            if gated and index:
                alive = alive * self.gates[index - 1](state.slots.mean(1)).sigmoid()[:, 0]
                if not torch.is_grad_enabled():
                    alive = torch.where(alive < self.stop_below, torch.zeros_like(alive), alive)
            if torch.is_grad_enabled() or not gated or bool((alive > 0).all()):
                mine = tokens[image_of]
                state = step(state, mine + places, mine, alive)
            elif bool((alive > 0).any()):
                going = alive.nonzero()[:, 0]
                mine = tokens[image_of[going]]
                moved = step(State(*(part[going] for part in state)), mine + places, mine, alive[going])
                state = State(*(old.index_copy(0, going, new) for old, new in zip(state, moved, strict=True)))
            states.append(state)
            history.append(alive)
        return states, torch.stack(history) if history else alive.new_zeros((0, len(alive)))

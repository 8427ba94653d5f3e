"""The grounding model: a picture and the names of things in, ranked boxes out, after several gated looks.

pictures (B, 3, S, S) -> Backbone -> tokens (B, T, D)
query vectors (Q, D)  -> relevance of each token -> the K best tokens become slots with a first box
slots (Q, K, D)       -> Reasoner, step by step  -> boxes and scores after every step
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mini_o3.grounding.backbone import Backbone, token_centres
from mini_o3.grounding.config import ModelConfig
from mini_o3.grounding.heads import BoxHead, ScoreHead, inverse_sigmoid
from mini_o3.grounding.reasoning import Reasoner, State, sine_embedding


class Look(NamedTuple):
    """What a query holds after a step.

    Attributes:
        boxes: (Q, K, 4) cxcywh, normalised.
        logits: (Q, K); their sigmoid is the score.
        attention: (Q, K, T) over the image tokens; rows sum to 1.
    """

    boxes: Tensor
    logits: Tensor
    attention: Tensor


class Output(NamedTuple):
    """What every model of this room, baselines too, returns.

    Attributes:
        looks: after every step, the last is the answer; a baseline has one.
        relevance: (Q, T) logits that a token lies in a box of the query; None in models without proposals.
        alive: (steps, Q) how far a query still moved in a step, 0..1; None in models without gates.
    """

    looks: list[Look]
    relevance: Tensor | None
    alive: Tensor | None


class GroundingModel(nn.Module):
    """See the head of this module for the figure. `names` are the categories it has an embedding of."""

    def __init__(self, config: ModelConfig, names: list[str]) -> None:
        super().__init__()
        self.config, self.names = config, list(names)
        width = config.width
        self.backbone = Backbone(config)
        self.narrow = nn.Linear(self.backbone.width, width)
        self.norm = nn.LayerNorm(width)
        self.place = nn.Linear(2 * 16, width)
        self.categories = nn.Embedding(len(names), width)
        nn.init.normal_(self.categories.weight, std=width**-0.5)
        self.ask = nn.Linear(width, width)
        self.first_box = BoxHead(width)
        self.scores = ScoreHead(width)
        self.reasoner = Reasoner(width, config.heads, config.steps, config.stop_below)

    def forward(
        self,
        pictures: Tensor,
        categories: Tensor,
        image_of: Tensor,
        *,
        steps: int | None = None,
        gated: bool | None = None,
    ) -> Output:
        """Look for each of Q categories in its picture.

        Args:
            pictures: (B, 3, S, S), normalised with ImageNet's statistics.
            categories: (Q,) indices into `names`.
            image_of: (Q,) which of the pictures each query is about.
            steps: only so many of the steps; all by default.
            gated: whether gates are used; as configured by default.
        """
        return self.decode(self.backbone(pictures), categories, image_of, steps=steps, gated=gated)

    def decode(
        self,
        features: Tensor,
        categories: Tensor,
        image_of: Tensor,
        *,
        steps: int | None = None,
        gated: bool | None = None,
    ) -> Output:
        """`forward` from the features (B, T, width of the backbone) on, which may come from a cache."""
        tokens = self.norm(self.narrow(features))
        side = round(tokens.shape[1] ** 0.5)
        centres = token_centres(side, tokens.device).to(tokens.dtype)
        query = self.categories(categories)
        relevance = torch.einsum("qtd,qd->qt", tokens[image_of], self.ask(query)) - 3.0
        state = self._propose(tokens, relevance, query, centres, image_of)
        places = self.place(sine_embedding(centres, 16))
        gated = self.config.gated if gated is None else gated
        states, alive = self.reasoner(state, tokens, places, image_of, gated, steps)
        looks = [Look(s.boxes, self.scores(s.slots, query), s.attention) for s in [state, *states]]
        return Output(looks, relevance, alive)

    def _propose(
        self, tokens: Tensor, relevance: Tensor, query: Tensor, centres: Tensor, image_of: Tensor
    ) -> State:
        """The K most relevant tokens of each query as slots, with boxes around their patches."""
        best = relevance.topk(min(self.config.slots, relevance.shape[1]), dim=1).indices  # (Q, K)
        seen = tokens[image_of[:, None], best]
        slots = seen + query[:, None]
        middle = centres[best]
        prior = torch.cat([middle, torch.full_like(middle, 0.2)], dim=-1)
        boxes = (inverse_sigmoid(prior) + self.first_box(slots)).sigmoid()
        attention = torch.zeros_like(relevance)[:, None].expand(-1, best.shape[1], -1)
        return State(slots, boxes, attention.scatter(2, best[..., None], 1.0))

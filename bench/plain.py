"""The loops that everybody writes first: one conversation at a time through transformers' `generate`.

`Plain(cached=True)` keeps the KV cache over turns and encodes only what is new; `cached=False` reads
everything again at every turn. Both are policies, so they run the same episodes as the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache, StoppingCriteria

from mini_o3.episode import Message, Reply, Request
from mini_o3.models.sampling import Sampling
from mini_o3.models.vlm import Vlm
from mini_o3.protocol import load_profile


class Plain:
    """Policy over one loaded model, one conversation at a time."""

    def __init__(self, vlm: Vlm, sampling: Sampling, cached: bool) -> None:
        self.vlm, self.sampling, self.cached = vlm, sampling, cached
        self.name = "cached" if cached else "reencode"
        self.budget, self.profile = vlm.budget, load_profile(vlm.profile or "search")
        self.context_tokens = vlm.context_tokens
        self.stop = _Stops(vlm, sampling.stops)

    def open(self, request: Request | None) -> PlainConversation:
        torch.manual_seed(request.seed if request else 0)
        return PlainConversation(self)


class PlainConversation:
    def __init__(self, policy: Plain) -> None:
        self.policy = policy
        self.ids: list[int] = []
        self.rows: list[torch.Tensor] = []
        self.grids: list[torch.Tensor] = []
        self.cache = DynamicCache()
        self.sampled: list[int] | None = None

    async def reply(self, messages: Sequence[Message]) -> Reply:
        renderer, sampling = self.policy.vlm.renderer, self.policy.sampling
        prompt = renderer.prompt(messages, self.sampled)
        self.ids += prompt.ids
        if prompt.views:
            rows, grids = self.policy.vlm.patcher(prompt.views)
            self.rows.append(rows)
            self.grids.append(grids)
        self.sampled = self._generate(self._new(bool(prompt.views)))
        self.ids += self.sampled
        finished = len(self.sampled) < sampling.max_tokens or self.policy.stop.reached(self.sampled)
        return Reply(
            renderer.decode(self.sampled), finished, tuple(prompt.ids), tuple(self.sampled), (), len(self.ids)
        )

    def _new(self, looked: bool) -> dict[str, Any]:
        """What transformers has to be told of the views."""
        model = self.policy.vlm.model
        told: dict[str, Any] = {"image_grid_thw": torch.cat(self.grids)}
        if not self.policy.cached:
            told["pixel_values"] = torch.cat(self.rows)
        elif looked:
            features = model.get_image_features(self.rows[-1], self.grids[-1], return_dict=True)
            told |= {"mm_encoder_outputs": {"image": features}, "past_key_values": self.cache}
        else:
            told["past_key_values"] = self.cache
        return told

    @torch.inference_mode()
    def _generate(self, told: dict[str, Any]) -> list[int]:
        vlm, sampling = self.policy.vlm, self.policy.sampling
        ids = torch.tensor([self.ids])
        out = vlm.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == vlm.renderer.image_pad).long(),
            do_sample=sampling.temperature > 0,
            temperature=sampling.temperature or None,
            top_k=0,
            top_p=1.0,
            max_new_tokens=sampling.max_tokens,
            eos_token_id=vlm.renderer.im_end,
            pad_token_id=0,
            suppress_tokens=list(vlm.renderer.forbidden),
            stopping_criteria=[self.policy.stop],
            **told,
        )
        return out[0, len(self.ids) :].tolist()

    def close(self) -> None:
        self.cache = DynamicCache()


class _Stops(StoppingCriteria):
    """A turn is over when its action is closed, as in the engine."""

    def __init__(self, vlm: Vlm, stops: tuple[str, ...]) -> None:
        self.decode, self.stops = vlm.renderer.decode, stops
        vocabulary = vlm.renderer.tokenizer.get_vocab()
        self.enders = {index for text, index in vocabulary.items() if ">" in text}

    def reached(self, ids: list[int]) -> bool:
        return ids[-1] in self.enders and self.decode(ids[-24:]).rstrip().endswith(self.stops)

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        return torch.tensor([self.reached(row[-24:].tolist()) for row in input_ids])

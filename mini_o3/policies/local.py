"""A checkpoint on this machine as a policy: nano, or any Qwen2.5-VL directory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mini_o3.episode import Message, Reply, Request
from mini_o3.models.render import Rendered
from mini_o3.models.vlm import Decoder, Sampling, Vlm, load_vlm
from mini_o3.protocol import PromptProfile, load_profile
from mini_o3.vision import PixelBudget


class Local:
    """Policy that decodes with one loaded model; every episode keeps its own KV cache."""

    def __init__(
        self,
        vlm: Vlm,
        name: str,
        *,
        sampling: Sampling | None = None,
        budget: PixelBudget | None = None,
        profile: PromptProfile | None = None,
    ) -> None:
        self.vlm, self.name, self.sampling = vlm, name, sampling or Sampling()
        self.budget = budget or vlm.budget or PixelBudget()
        self.profile = profile or load_profile(vlm.profile or "search")
        self.context_tokens: int | None = vlm.context_tokens

    @classmethod
    def load(cls, folder: str, name: str, *, sampling: Sampling | None = None, budget: PixelBudget | None = None) -> Local:
        return cls(load_vlm(folder), name, sampling=sampling, budget=budget)

    def open(self, request: Request) -> LocalConversation:
        return LocalConversation(self, request.seed)


class LocalConversation:
    def __init__(self, policy: Local, seed: int) -> None:
        self.policy = policy
        self.decoder: Decoder | None = Decoder(policy.vlm, seed)
        self.sampled: list[int] | None = None

    async def reply(self, messages: Sequence[Message]) -> Reply:
        try:
            return await asyncio.to_thread(self._reply, messages)
        except asyncio.CancelledError:
            if self.decoder is not None:
                self.decoder.stopped = True  # the thread cannot be cancelled; it ends after the current token
            raise

    def close(self) -> None:
        self.decoder = None  # frees the cache

    def _reply(self, messages: Sequence[Message]) -> Reply:
        assert self.decoder is not None
        renderer = self.policy.vlm.renderer
        prompt = Rendered()
        if self.sampled is not None:
            prompt.add(renderer.closing(self.sampled))
        for message in messages:
            prompt.add(renderer.message(message.role, message.parts))
        prompt.add(renderer.invitation())
        self.decoder.extend(prompt)
        sampled = self.decoder.sample(self.policy.sampling)
        self.sampled = sampled.ids
        return Reply(
            renderer.decode(sampled.ids), sampled.finished, tuple(prompt.ids), tuple(sampled.ids),
            tuple(sampled.log_probs), self.decoder.length + len(self.decoder.pending),
        )  # fmt: skip

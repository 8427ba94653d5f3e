"""What a collection costs, and the point beyond which nothing more is asked."""

from __future__ import annotations

from collections.abc import Sequence

from mini_o3.episode import Message, Policy, PolicyError, Reply, Request
from mini_o3.episode.policy import Conversation


class Meter:
    """Turns asked for and tokens read and written so far; the limits hold over all starts of a collection."""

    def __init__(
        self, max_requests: int | None, max_tokens: int | None, requests: int = 0, tokens: int = 0
    ) -> None:
        self.max_requests, self.max_tokens = max_requests, max_tokens
        self.requests, self.tokens = requests, tokens

    @property
    def is_spent(self) -> bool:
        return (self.max_requests is not None and self.requests >= self.max_requests) or (
            self.max_tokens is not None and self.tokens >= self.max_tokens
        )


class Metered:
    """A policy whose turns are counted; an episode that would go beyond the budget fails, and says why."""

    def __init__(self, policy: Policy, meter: Meter) -> None:
        self.policy, self.meter = policy, meter
        self.name, self.budget, self.profile = policy.name, policy.budget, policy.profile
        self.context_tokens = policy.context_tokens
        self.requests = self.tokens = 0

    def open(self, request: Request) -> MeteredConversation:
        return MeteredConversation(self, self.policy.open(request))


class MeteredConversation:
    def __init__(self, owner: Metered, inner: Conversation) -> None:
        self.owner, self.inner = owner, inner

    async def reply(self, messages: Sequence[Message]) -> Reply:
        meter, owner = self.owner.meter, self.owner
        if meter.is_spent:
            raise PolicyError("the budget is spent; raise `max_requests` or `max_tokens` to go on")
        meter.requests += 1  # before the answer, so that those who are at it together cannot overspend
        owner.requests += 1
        reply = await self.inner.reply(messages)
        meter.tokens += reply.context_tokens
        owner.tokens += reply.context_tokens
        return reply

    def close(self) -> None:
        self.inner.close()

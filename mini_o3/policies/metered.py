"""Policies whose turns are counted, and episodes that go on after the turns that are recorded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mini_o3.episode import Episode, Message, Policy, PolicyError, Reply, Request, StopReason, Turn
from mini_o3.episode.policy import Conversation
from mini_o3.kit.metering import Meter, model_named
from mini_o3.kit.usage import NO_USAGE, Usage
from mini_o3.protocol import Fault


class Metered:
    """A policy whose turns are counted; an episode that would go beyond the budget fails, and says why.

    Attributes:
        requests, tokens, usage: of this wrapper alone, which is made for one episode.
    """

    def __init__(self, policy: Policy, meter: Meter) -> None:
        """Raises SettingError if the budget is in money and the policy's price is not known."""
        self.policy, self.meter = policy, meter
        self.name, self.budget, self.profile = policy.name, policy.budget, policy.profile
        self.context_tokens = policy.context_tokens
        self.model = model_of(policy)
        self.requests = self.tokens = 0
        self.usage = NO_USAGE
        meter.check_price(self.model)

    def open(self, request: Request) -> MeteredConversation:
        return MeteredConversation(self, self.policy.open(request))


class MeteredConversation:
    def __init__(self, owner: Metered, inner: Conversation) -> None:
        self.owner, self.inner = owner, inner

    async def reply(self, messages: Sequence[Message]) -> Reply:
        owner, meter = self.owner, self.owner.meter
        if spent := meter.spent:
            raise PolicyError(spent)
        # Before the answer, so that those who wait together cannot overspend.
        meter.count(1, 0, NO_USAGE, owner.model)
        owner.requests += 1
        reply = await self.inner.reply(messages)
        meter.count(0, reply.context_tokens, reply.usage, owner.model)
        owner.tokens += reply.context_tokens
        owner.usage += reply.usage
        return reply

    def close(self) -> None:
        self.inner.close()


class Continued:
    """A policy that first says again what it said in the turns of a record, and is asked from there on.

    It must be one that can be told its own turns (`can_continue`), as endpoints are with every request.
    """

    def __init__(self, policy: Policy, turns: Sequence[Turn]) -> None:
        self.policy, self.turns = policy, turns
        self.name, self.budget, self.profile = policy.name, policy.budget, policy.profile
        self.context_tokens = policy.context_tokens

    def open(self, request: Request) -> ContinuedConversation:
        return ContinuedConversation(self.policy.open(request), self.turns)


class ContinuedConversation:
    def __init__(self, inner: Conversation, turns: Sequence[Turn]) -> None:
        self.inner, self.turns = inner, list(turns)
        self.untold: list[Message] = []

    async def reply(self, messages: Sequence[Message]) -> Reply:
        if not self.turns:
            messages, self.untold = [*self.untold, *messages], []
            return await self.inner.reply(messages)
        turn = self.turns.pop(0)
        self.untold += [*messages, Message("assistant", (turn.text,))]
        finished = turn.malformed is None or turn.malformed.kind is not Fault.UNFINISHED
        return Reply(turn.text, finished, context_tokens=turn.usage.total, usage=turn.usage)

    def close(self) -> None:
        self.inner.close()


def model_of(policy: Policy) -> str:
    """The name under which the prices have a policy: that of its model."""
    return model_named(policy.name)


def begun(policy: Policy, records: Iterable[Episode]) -> dict[tuple[str, int], tuple[Turn, ...]]:
    """Turns of the episodes that a passing failure or a budget ended, by their keys: they need not be paid
    for again. None of policies that cannot go on after them."""
    if not getattr(policy, "can_continue", False):
        return {}
    failed = {one.key: one for one in records if one.stop is StopReason.POLICY_ERROR}
    return {key: one.turns for key, one in failed.items() if one.turns and not one.meta.get("lasting")}


def meta_of(metered: Metered, turns: Sequence[Turn]) -> dict[str, object]:
    """What an episode cost, for its record; `usage` if an earlier start paid for some of its turns."""
    found: dict[str, object] = {"requests": metered.requests, "tokens": metered.tokens}
    return found | ({"usage": metered.usage.to_dict()} if turns else {})


def count_spent(meter: Meter, records: Iterable[Episode], model: str) -> None:
    """Count what earlier starts have spent."""
    for episode in records:
        usage = Usage(**episode.meta["usage"]) if "usage" in episode.meta else episode.usage
        meter.count(episode.meta.get("requests", 0), episode.meta.get("tokens", 0), usage, model)

"""What a command has asked for so far, what that cost, and the point beyond which nothing more is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mini_o3.kit.errors import SettingError
from mini_o3.kit.usage import NO_USAGE, Price, Usage

NO_PRICES: Mapping[str, Price] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Budget:
    """Beyond what nothing more is asked; None is no limit.

    What is on its way when the limit is met is waited for and counts, so that tokens and money can go beyond
    it by as much as is asked for at the same time.

    Attributes:
        max_requests: calls of policies and judges.
        max_tokens: tokens read and written.
        max_cost: money, in the currency of the prices.
    """

    max_requests: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None

    def __bool__(self) -> bool:
        return (self.max_requests, self.max_tokens, self.max_cost) != (None, None, None)


def model_named(policy: str) -> str:
    """The model of a policy's name, such as `gpt-5` of `api:gpt-5`: the name under which prices have it."""
    return policy.partition(":")[2] or policy


class Meter:
    """Counts what policies and judges ask for, together; the limits hold over all starts of a run.

    Attributes:
        requests, tokens, usage, cost: so far. `cost` has what a price is known of.
    """

    def __init__(self, budget: Budget | None = None, prices: Mapping[str, Price] = NO_PRICES) -> None:
        self.budget, self.prices = budget or Budget(), prices
        self.requests = self.tokens = 0
        self.usage, self.cost = NO_USAGE, 0.0

    def price_of(self, policy: str) -> Price | None:
        """The price of a policy's model, by the policy's name, such as `api:gpt-5`."""
        return self.prices.get(model_named(policy))

    def check_price(self, model: str) -> None:
        """A limit in money needs the price of every model.

        Raises:
            SettingError: that of this one is not known.
        """
        if self.budget.max_cost is not None and model not in self.prices:
            raise SettingError(
                "max_cost", f"there is no price of {model}; put a table [{model!r}] into the file of `prices`"
            )

    def count(self, requests: int, tokens: int, usage: Usage, model: str) -> None:
        """Add what was asked of a model: a request as it goes out, its tokens when it is back."""
        self.requests += requests
        self.tokens += tokens
        self.usage += usage
        price = self.prices.get(model)
        self.cost += price.of(usage) if price else 0.0

    @property
    def words(self) -> str:
        """What was asked for and used so far."""
        cached = f" ({self.usage.cached:,} of them cached)" if self.usage.cached else ""
        words = f"{self.requests:,} requests, {self.usage.prompt:,} tokens read{cached}"
        words += f", {self.usage.completion:,} written"
        return words + (f", cost {self.cost:,.4f}" if self.cost else "")

    def figures(self) -> dict[str, float]:
        """The same as numbers, for a report."""
        money = {"cost": round(self.cost, 6)} if self.cost else {}
        return {"requests": self.requests, **self.usage.to_dict(), **money}

    @property
    def state(self) -> str:
        """For a line of progress, behind a number: what was used so far, if an endpoint counts it."""
        money = f", cost {self.cost:.2f}" if self.cost else ""
        return f", {self.usage.total:,} tokens{money}" if self.usage.is_known else ""

    @property
    def spent(self) -> str | None:
        """Which limit is met, in words that also say how to go on; None: there is room for a request."""
        for name, used in (("requests", self.requests), ("tokens", self.tokens), ("cost", self.cost)):
            most = getattr(self.budget, f"max_{name}")
            if most is not None and used >= most:
                return f"the budget is spent ({used:,.6g} {name} of {most:,.6g}); raise `max_{name}` to go on"
        return None

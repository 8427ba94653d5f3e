"""Settings of a collection, from a TOML file or the command line; unknown keys fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from mini_o3.coldstart.select import Selection
from mini_o3.kit.chat.settings import changes_words, option_pairs
from mini_o3.kit.metering import Budget, Meter
from mini_o3.kit.usage import read_prices
from mini_o3.policies.spec import PolicySpec, default_temperature

_YOUNGER = ("max_cost", "prices", "turn_tokens", "endpoint", "judge_endpoint")


class CollectConfig(BaseModel):
    """All that determines a collection."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tasks: str = Field(description="folder with tasks.jsonl")
    policy: str = Field(description="as for `mini-o3 ask`")
    judge: str = "auto"
    seed: int = Field(0, ge=0, description="of the draw of exemplars and of the selection")

    exemplars: str = Field(
        "shipped", description="files of exemplars, such as my/*.md; shipped: ours; empty: none"
    )
    shots: int = Field(3, ge=0, description="exemplars in a prompt, drawn anew for every episode")
    own_exemplars: bool = Field(
        False, description="from the second round on, searches kept before are exemplars too"
    )

    rounds: int = Field(3, gt=0, description="each asks again what has yielded nothing")
    samples: int = Field(4, gt=0, le=1000, description="episodes per question and round")
    temperature: float = Field(
        default_factory=lambda known: default_temperature(
            known.get("policy", ""), known.get("samples", 1) * known.get("rounds", 1)
        ),
        ge=0,
        le=2,
        description="of the first round; left out: 0.6 for nano, 1 for other models",
    )
    warmer: float = Field(
        0.15, ge=0, description="added to the temperature in every further round, up to 1.2"
    )
    turns: int = Field(32, gt=0)
    max_pixels: int | None = Field(None, gt=0)
    prompts: str | None = Field(None, description="prompt profile; null: what the policy wants")

    concurrent: int = Field(16, gt=0)
    max_requests: int | None = Field(
        None, gt=0, description="turns asked for over all starts; nothing is asked beyond"
    )
    max_tokens: int | None = Field(None, gt=0, description="context and reply of every turn, over all starts")
    max_cost: float | None = Field(None, ge=0, description="money by the prices, over all starts")
    prices: str | None = Field(None, description="file of prices by model; gives the cost")
    turn_tokens: int | None = Field(None, gt=0, description="longest turn; null: what the policy wants")
    endpoint: dict[str, Any] = Field({}, description="options of the policy's endpoint, by name")
    judge_endpoint: dict[str, Any] = Field({}, description="options of the judge's endpoint, by name")
    select: Selection = Field(default_factory=Selection)

    def policy_spec(self) -> PolicySpec:
        """How the policy is built that is asked."""
        return PolicySpec(
            self.policy,
            self.max_pixels,
            self.prompts,
            None,
            self.temperature,
            self.turn_tokens,
            self.concurrent,
            self.endpoint,
        )

    def meter(self) -> Meter:
        """What counts and limits what is asked for.

        Raises:
            UserError: the prices cannot be read.
        """
        prices = read_prices(Path(self.prices)) if self.prices else {}
        return Meter(Budget(self.max_requests, self.max_tokens, self.max_cost), prices)

    def recorded(self) -> dict[str, Any]:
        """For the record of a run: of the endpoints' options those that can change what is collected.

        Settings that are younger than the first records are left out where they say nothing.
        """
        settings = self.model_dump(mode="json")
        for name in ("endpoint", "judge_endpoint"):
            settings[name] = {key: value for key, value in option_pairs(settings[name]) if changes_words(key)}
        return {name: value for name, value in settings.items() if value or name not in _YOUNGER}

    #: Settings that may change from one start to the next: they do not alter what an episode is.
    free_to_change: ClassVar[frozenset[str]] = frozenset(
        {"rounds", "concurrent", "max_requests", "max_tokens", "max_cost", "prices", "select"}
    )

"""Settings of a collection, from a TOML file or the command line; unknown keys fail."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from mini_o3.coldstart.select import Selection
from mini_o3.policies.spec import PolicySpec, default_temperature


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
    select: Selection = Field(default_factory=Selection)

    def policy_spec(self) -> PolicySpec:
        """How the policy is built that is asked."""
        return PolicySpec(
            self.policy, self.max_pixels, self.prompts, None, self.temperature, concurrency=self.concurrent
        )

    #: Settings that may change from one start to the next: they do not alter what an episode is.
    free_to_change: ClassVar[frozenset[str]] = frozenset(
        {"rounds", "concurrent", "max_requests", "max_tokens", "select"}
    )

"""The evaluation protocol: everything that changes a number, in one file that is saved with the numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mini_o3.episode import Limits, Policy, SearchTask
from mini_o3.judge import Judge
from mini_o3.kit.config import read_config
from mini_o3.kit.errors import SettingError
from mini_o3.kit.run import revision
from mini_o3.policies.spec import PolicySpec
from mini_o3.presets import preset

PROTOCOL_FILE = "protocol.json"
#: Version of the reports of new evaluations: 2 has intervals (`certainty`). Older protocols say none, and the
#: reports that are written from them stay as they were.
REPORT_VERSION = 2


class Protocol(BaseModel):
    """What is asked for. `mini-o3 presets protocols` lists the shipped ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompts: str | None = Field(None, description="prompt profile; null: what the policy wants")
    dialect: str | None = Field(None, description="how the policy speaks; null: as its prompts say")
    max_pixels: int | None = Field(None, gt=0, description="largest view; null: what the policy wants")
    turns: int = Field(32, gt=0)
    images: int | None = Field(
        None, gt=0, description="views per episode, the first included; null: as turns allow"
    )
    context_tokens: int | None = Field(None, gt=0)
    void_retries: int = Field(2, ge=0)
    samples: int = Field(1, gt=0, le=10_000, description="episodes per question: K of Avg@K")
    samples_of: dict[str, int] = Field({}, description="another K for tasks whose source begins so")
    temperature: float = Field(0.0, ge=0, le=2)
    turn_tokens: int | None = Field(None, gt=0, description="longest turn; null: what the policy wants")
    judge: str = "auto"
    endpoint: dict[str, Any] = Field({}, description="options of the policy's endpoint, by name")
    judge_endpoint: dict[str, Any] = Field({}, description="options of the judge's endpoint, by name")
    views: Literal["honest", "black", "swapped", "blind"] = Field(
        "honest",
        description=(
            "control experiments: black or other pictures' observations; blind: nothing is seen at all"
        ),
    )

    @property
    def limits(self) -> Limits:
        return Limits(self.turns, self.images, self.context_tokens, self.void_retries)

    def policy_spec(self, policy: str, concurrency: int = 1) -> PolicySpec:
        """How a policy is built that is measured by this protocol."""
        return PolicySpec(
            policy,
            self.max_pixels,
            self.prompts,
            self.dialect,
            self.temperature,
            self.turn_tokens,
            concurrency,
            self.endpoint,
        )

    def samples_for(self, task: SearchTask) -> int:
        return next(
            (k for source, k in self.samples_of.items() if task.source.startswith(source)), self.samples
        )


def read_protocol(name: str | None, **changes: Any) -> Protocol:
    """A shipped protocol by name, or one from a file; `changes` that are not None win.

    Raises:
        UserError: there is no such protocol, its file is not one, or it draws the same episode several times.
    """
    protocol = read_config(preset("protocols", name) if name else None, Protocol, **changes)
    if protocol.samples > 1 and protocol.temperature == 0:
        raise SettingError(
            "samples", "greedy episodes on one task are all the same; give a `temperature` above 0"
        )
    return protocol


def manifest(
    protocol: Protocol, policy: Policy, spec: str, tasks: Sequence[SearchTask], folder: str, judge: Judge
) -> dict[str, Any]:
    """The protocol with what it came to: hashes, budgets, names. Two evaluations with equal manifests should
    agree.

    Of the options of endpoints it holds what can change a number, and no secret.
    """
    return {
        **protocol.model_dump(mode="json"),
        "tasks": folder,
        "tasks_hash": tasks_hash(tasks),
        "policy": spec,
        "profile": f"{policy.profile.name}@{policy.profile.hash}",
        "dialect": policy.profile.dialect,
        "weights": getattr(policy, "weights", None),  # of a model on this machine; nobody else shows theirs
        "budget": policy.budget.to_dict(),
        "turn_tokens": getattr(policy, "turn_tokens", None),
        "endpoint": getattr(policy, "recorded", {}),
        "judge": judge.name,
        "judge_endpoint": getattr(judge, "recorded", {}),
        "report": REPORT_VERSION,
        "revision": revision(),
    }


def younger_than(record: Mapping[str, Any], protocol: Protocol, made: Mapping[str, Any]) -> dict[str, Any]:
    """What the settings of `made` were that a record does not hold, since it was written before them.

    Turns were as long as the policy wants: a protocol that says otherwise is another one.
    """
    is_own = protocol.turn_tokens is None and "max_tokens" not in protocol.endpoint
    before: dict[str, Any] = {
        "endpoint": {},
        "judge_endpoint": {},
        "turn_tokens": made["turn_tokens"] if is_own else None,
    }
    return {name: value for name, value in before.items() if name not in record}


def tasks_hash(tasks: Sequence[SearchTask]) -> str:
    """Twelve hex digits of what is asked, of which pictures (by name), in which order."""
    return hashlib.sha256(json.dumps([task.id for task in tasks]).encode()).hexdigest()[:12]

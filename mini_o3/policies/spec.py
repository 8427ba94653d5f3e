"""How a policy is built and asked, in words and numbers: one frozen object that loads nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mini_o3.kit.chat.settings import option_pairs
from mini_o3.kit.errors import SettingError
from mini_o3.models.shipped import checkpoint_in
from mini_o3.protocol import PromptProfile, load_profile
from mini_o3.protocol.dialects import load_dialect, view_budget
from mini_o3.vision import PixelBudget

CHOICES = "nano, reader, teacher, human, replay:FILE, hf:DIR, api:URL#MODEL"
_KINDS = ("nano", "reader", "teacher", "human", "replay", "hf", "api")
_WITH_REST = ("replay", "hf", "api")  # kinds that are followed by a colon and a file, folder or endpoint
_OWN_DIALECT = ("nano", "teacher", "human")  # kinds that speak mini_o3 only
_DRAWS = ("nano", "hf", "api")  # kinds that draw their words, so that a second search is another one

_RELEASED = re.compile(r"mini[-_ ]?o3", re.IGNORECASE)  # in the name of released weights

_NANO_TEMPERATURE = 0.6  # at which nano was trained by reinforcement, and at which it is measured
_MODEL_TEMPERATURE = 1.0  # at which the paper measures (arXiv 2509.07969)


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """How a policy is built and asked. How long and how often it searches stays in `Limits` and `Protocol`.

    Attributes:
        policy: who decides, one of `CHOICES`.
        max_pixels: largest view it is shown; None: what it wants. nano always sees what it was trained with.
        prompts: name or folder of a prompt profile; None: what the dialect or the policy wants.
        dialect: in which the policy writes its actions; None: the one that its prompts teach.
        temperature: at which a model draws its words; 0 is greedy. None: greedy for one search of a question,
            `default_temperature` for several. Scripts and people do not draw.
        turn_tokens: longest turn of a model; None: what it wants.
        concurrency: how many episodes of it go on at the same time; more wait for each other.
        endpoint: options of an endpoint by name; see `kit.chat.with_options`. They are kept as pairs.
        device: where a model on this machine runs: cpu, cuda, cuda:1, mps, several with commas between them
            (a replica on each), or all GPUs; None: the fastest.

    Raises:
        SettingError: there is no such policy, or settings that it cannot take.
    """

    policy: str = "nano"
    max_pixels: int | None = None
    prompts: str | None = None
    dialect: str | None = None
    temperature: float | None = None
    turn_tokens: int | None = None
    concurrency: int = 1
    endpoint: Mapping[str, Any] | tuple[tuple[str, str], ...] = ()
    device: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise SettingError("policy", f"no such policy; choose one of {CHOICES}", self.policy)
        if self.kind not in _WITH_REST and self.kind != self.policy:
            raise SettingError(
                "policy", f"nothing may stand after {self.kind!r}; choose one of {CHOICES}", self.policy
            )
        if self.kind in _WITH_REST and not self.rest:
            raise SettingError(
                "policy", f"something is missing after {self.kind!r}; choose one of {CHOICES}", self.policy
            )
        object.__setattr__(self, "endpoint", option_pairs(dict(self.endpoint)))
        if self.endpoint and self.kind != "api":
            raise SettingError("endpoint", f"{self.kind} is no endpoint; leave it out or take api:URL#MODEL")
        if "temperature" in dict(self.endpoint):
            raise SettingError("endpoint", "is a setting of its own; leave it out here", "temperature")
        if self.device and self.kind not in ("nano", "hf"):
            raise SettingError("device", f"{self.kind} runs no model here; leave it out", self.device)
        if self.temperature is not None and self.temperature < 0:
            raise SettingError("temperature", "must be 0 or more", self.temperature)
        for setting in ("turn_tokens", "concurrency"):
            value = getattr(self, setting)
            if value is not None and value < 1:
                raise SettingError(setting, "must be 1 or more", value)
        if self.kind == "nano" and self.max_pixels is not None:
            raise SettingError(
                "max_pixels", "nano only sees views of 168 x 168; leave it out or take another policy"
            )
        if self.kind in ("nano", "teacher") and self.prompts is not None:
            raise SettingError(
                "prompts", f"{self.kind} knows its own only; leave it out or take another policy"
            )

    def drawn(self, searches: int) -> PolicySpec:
        """The same with a temperature: the one given, or the default for `searches` of a question."""
        if self.temperature is not None:
            return self
        return replace(self, temperature=default_temperature(self.policy, searches))

    @property
    def kind(self) -> str:
        """What stands before the colon: nano, reader, teacher, human, replay, hf or api."""
        return self.policy.partition(":")[0]

    @property
    def rest(self) -> str:
        """What stands after the colon: a file, a folder or `URL#MODEL`."""
        return self.policy.partition(":")[2]

    @property
    def draws(self) -> bool:
        """Whether it draws its words, so that a second search of the same picture can be another one."""
        return self.kind in _DRAWS

    @property
    def episodes_at_once(self) -> int:
        """How many episodes may be asked of it at the same time; a person plays one."""
        return 1 if self.kind == "human" else self.concurrency

    def profile(self) -> PromptProfile | None:
        """The prompts asked for; those of a foreign dialect if only that is given; None: the policy's own.

        Raises:
            UserError: there are no such prompts or no such dialect, or the policy does not speak it.
        """
        profile = self._profile()
        if profile and self.kind in _OWN_DIALECT and profile.dialect != "mini_o3":
            raise SettingError(
                "dialect",
                f"{self.kind} speaks mini_o3 only; leave it out or take another policy",
                profile.dialect,
            )
        return profile

    def _profile(self) -> PromptProfile | None:
        if self.dialect is None:
            return None if self.prompts is None else load_profile(self.prompts)
        spoken = load_dialect(self.dialect)
        if self.prompts is None and self.dialect == "mini_o3":
            return None  # which every policy speaks by itself, some with prompts of their own
        return replace(load_profile(self.prompts or spoken.profile), dialect=self.dialect)

    def budget(self) -> PixelBudget:
        """The sizes at which a policy without a wish of its own is shown things.

        Raises:
            UserError: as `profile`, or no view can be so small.
        """
        profile = self.profile()
        return view_budget(profile.dialect if profile else "mini_o3", self.max_pixels)


def is_released_model(spec: PolicySpec) -> bool:
    """Whether the name of a checkpoint or of an endpoint's model is one of the released Mini-o3 weights."""
    name = Path(spec.rest).name if spec.kind == "hf" else spec.rest.rpartition("#")[2]
    return spec.kind in ("hf", "api") and bool(_RELEASED.search(name))


def default_temperature(policy: str, searches: int) -> float:
    """The temperature at which a question is asked `searches` times if none is given.

    One search is greedy. Several are drawn: at 0.6 by nano and by checkpoints trained from it, as they were
    trained and measured, at 1.0 by every other model, as the paper measures.
    """
    if searches <= 1:
        return 0.0
    kind, _, rest = policy.partition(":")
    is_nano = kind == "nano" or (kind == "hf" and _profile_name(checkpoint_in(rest)) == "nano")
    return _NANO_TEMPERATURE if is_nano else _MODEL_TEMPERATURE


def recorded_temperature(record: Path, samples: int) -> float | None:
    """The temperature at which a run that goes on was begun, if it draws as many samples; else None.

    `record` is the `protocol.json` of an evaluation or the `config.json` of a collection. Runs begun when
    the defaults were others go on as they began.
    """
    settings = _read_json(record)
    settings = settings.get("config", settings)
    return settings.get("temperature") if settings.get("samples") == samples else None


def _profile_name(checkpoint: Path) -> str | None:
    """The prompts that a checkpoint directory asks for in its `mini_o3.json`; None if it does not say."""
    return _read_json(checkpoint / "mini_o3.json").get("profile")


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a file, or an empty one: whoever needs the file complains about it later."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

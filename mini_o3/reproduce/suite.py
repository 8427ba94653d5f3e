"""A suite: which policies are trained, how they are measured, what is claimed, what the paper measured. One
TOML file."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mini_o3.evaluate.metrics import LIMITS
from mini_o3.grpo.config import GrpoConfig
from mini_o3.kit.config import read_config, validated
from mini_o3.presets import preset


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Measurement(_Strict):
    """How every policy of a suite is measured, on held-out probes."""

    levels: list[Literal["easy", "medium", "hard"]]
    probes: int = Field(500, gt=0)
    samples: int = Field(8, gt=0, description="episodes per probe: Avg@samples")
    turns: int = Field(32, gt=0)
    temperature: float = Field(1.0, ge=0)

    @model_validator(mode="after")
    def _samples_differ(self) -> Measurement:
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(
                "samples: at temperature 0 they are all the same; give a temperature, or samples = 1"
            )
        return self


class Check(_Strict):
    """A claim that can be decided from the measurements.

    Attributes:
        kind: `rises`: accuracy grows at each of `limits`, one after the other. `ratio`: accuracy at the last
            of `limits` over that at the first is at least `bound`. `margin`: `runs` are better than `than` by
            at least `bound` at the last of `limits`. `flat`: from the first to the last of `limits` accuracy
            grows by at most `bound`.
        runs, than: names of runs; the mean over them counts.
    """

    text: str
    kind: Literal["rises", "ratio", "margin", "flat"]
    runs: list[str]
    than: list[str] = []
    level: str = "hard"
    limits: list[int]
    bound: float = 0.0


class Suite(_Strict):
    """All that a suite says.

    Attributes:
        base: settings of reinforcement learning that all runs share.
        runs: name -> what this run has of its own; `checkpoint = "..."` alone means that nothing is trained.
        quick: what the quick version replaces in `base` and `measure`.
        paper: name of a curve -> accuracy of the paper at turn limits.
    """

    title: str
    question: str
    base: dict[str, Any] = {}
    runs: dict[str, dict[str, Any]]
    measure: Measurement
    checks: list[Check] = []
    paper: dict[str, dict[str, float]] = {}
    notes: str = ""
    quick: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _runs_can_be_made(self) -> Suite:
        for changes in self.runs.values():
            if "checkpoint" not in changes:
                GrpoConfig(**{**self.base, **changes})
        for check in self.checks:
            unknown = sorted({*check.runs, *check.than} - set(self.runs))
            if unknown:
                raise ValueError(
                    f"check {check.text!r} speaks of runs that there are not: {', '.join(unknown)}"
                )
            limits = [limit for limit in check.limits if limit != self.measure.turns and limit not in LIMITS]
            if limits or max(check.limits) > self.measure.turns:
                raise ValueError(
                    f"check {check.text!r} speaks of limits that are not measured: {limits or check.limits}"
                )
            if check.level not in self.measure.levels:
                raise ValueError(
                    f"check {check.text!r} speaks of {check.level} probes, which are not measured"
                )
        return self

    def settings(self, run: str) -> GrpoConfig | None:
        """What a run is trained with; None if it is a checkpoint."""
        changes = self.runs[run]
        return None if "checkpoint" in changes else GrpoConfig(**{**self.base, **changes})


def read_suite(name: str, quick: bool = False, **measure: int | None) -> Suite:
    """The shipped suite of that name, or one from a file.

    `measure` may ask for fewer probes or samples, which the report then says.

    Raises:
        UserError: there is none, or its file is not a suite.
    """
    path = preset("suites", name)
    suite = read_config(path, Suite)
    data = suite.model_dump()
    if quick:
        data["base"] |= suite.quick.get("base", {})
        data["measure"] |= suite.quick.get("measure", {})
    data["measure"] |= {key: value for key, value in measure.items() if value is not None}
    return validated(path, Suite, data)

"""Published times of training, and what the cost model says of them. They are not fitted.

Reports do not say how long searches were: the defaults of `Workload` stand in for it. The paper gives
days, but neither steps nor kind of GPU, so only the ratio of its two runs can be compared.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from mini_o3.scale.plan import Workload, make_plan

# A public port of Mini-o3 to stock verl, May and June 2026: Qwen3.5-9B with LoRA (the nearest shape here
# stands in), 64 questions of 8 searches, 3.1 to 3.5 groups sampled for each that teaches something.
_PORT = Workload(groups=64, rollouts=8, asked=3.3, lora=64)
_MODEL = "qwen3-8b"


class Comparison(NamedTuple):
    """A published figure, what the model says, and its unit."""

    what: str
    published: float
    predicted: float
    unit: str

    @property
    def line(self) -> str:
        said = f"published {self.published:g}{self.unit}, predicted {self.predicted:.3g}{self.unit}"
        return f"{self.what}: {said}, {self.predicted / self.published:.2f} of it"


def compared() -> list[Comparison]:
    """The published step times and the paper's 3 against 10 days (arXiv 2509.07969), beside predictions."""
    long = make_plan(_MODEL, 8, "h200", replace(_PORT, turns=12))
    short = make_plan(_MODEL, 8, "a100", replace(_PORT, turns=6))
    generation = short.seconds["prompts and views are read"] + short.seconds["words are written"]
    six, sixteen = (make_plan("7b", 64, "h100", Workload(turns=turns)).hours for turns in (6, 16))
    return [
        Comparison("a step on 8 x H200, 12 turns, LoRA", 449, long.hours * 3600, " s"),
        Comparison("a step on 8 x A100, 6 turns, LoRA", 733, short.hours * 3600, " s"),
        Comparison("generation of that step", 462, generation, " s"),
        Comparison("16 turns over 6, the paper's 10 over 3 days", 10 / 3, sixteen / six, " times"),
    ]

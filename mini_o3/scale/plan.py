"""The cost model of reinforcement learning: what a process holds, and what a step takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mini_o3.kit.errors import SettingError
from mini_o3.scale.calibration import Calibration, calibration
from mini_o3.scale.shapes import Machine, Shape, read_machine, read_shape

_HALF, _SINGLE = 2, 4  # bytes of bfloat16 and of float32
_RESERVE = 0.08  # of a GPU's memory: its own context, fragments, communication
_LOGIT_ROWS = 4096  # rows of logits that are held at a time in training


@dataclass(frozen=True, slots=True)
class Workload:
    """One step of reinforcement learning.

    Attributes:
        groups, rollouts: questions that teach something, and searches of each.
        asked: how many times as many questions are asked until there are as many of them.
        turns: limit of a search; `used` is the share of it that searches use on average.
        written: tokens that a turn writes.
        prompt, first, crop: tokens of the prompt, the first view, and each further one.
        micro_tokens: tokens per forward pass of the learner.
        slots: searches that a process decodes together.
        lora: rank of adapters; 0: all weights are trained.
        shard: whether weights, gradients and moments are spread over the processes.
    """

    groups: int = 256
    rollouts: int = 16
    asked: float = 1.0
    turns: int = 6
    used: float = 0.75
    written: int = 150
    prompt: int = 600
    first: int = 2550
    crop: int = 500
    micro_tokens: int = 16_384
    slots: int = 32
    lora: int = 0
    shard: bool = True

    @property
    def mean_turns(self) -> float:
        return max(1.0, self.used * self.turns)

    def length(self, turns: float) -> float:
        """Tokens of a search of so many turns."""
        return self.prompt + self.first + turns * self.written + (turns - 1) * self.crop


@dataclass(frozen=True, slots=True)
class Plan:
    """What a process holds, in bytes by what it is for, and seconds of a step by what takes them."""

    shape: Shape
    gpus: int
    machine: Machine
    work: Workload
    memory: dict[str, float]
    seconds: dict[str, float]

    @property
    def bytes(self) -> float:
        return sum(self.memory.values())

    @property
    def fits(self) -> bool:
        return self.bytes <= self.machine.memory * (1 - _RESERVE)

    @property
    def hours(self) -> float:
        return sum(self.seconds.values()) / 3600


def make_plan(
    model: str, gpus: int, gpu: str = "h100", work: Workload | None = None, known: Calibration | None = None
) -> Plan:
    """The plan of one step of `work` with a model by its name or folder.

    Raises:
        SettingError: the model or the GPU is not known.
    """
    if gpus < 1:
        raise SettingError("gpus", "must be 1 or more", gpus)
    work, known = work or Workload(), known or calibration()
    shape, machine = read_shape(model), read_machine(gpu)
    memory = _memory(shape, gpus, work, known)
    return Plan(shape, gpus, machine, work, memory, _seconds(shape, gpus, machine, work, known))


def _memory(shape: Shape, gpus: int, work: Workload, known: Calibration) -> dict[str, float]:
    spread = gpus if work.shard else 1
    learnt = shape.adapters(work.lora) if work.lora else shape.parameters
    frozen = shape.parameters * _HALF if work.lora else 0.0
    longest = work.length(work.turns)
    gathered = 2 * shape.layer + shape.embedding * (1 if shape.tied else 2)
    alive = shape.width + shape.inner + (shape.heads + 2 * shape.kv_heads) * shape.head_width
    kept = known.kept * shape.layers * shape.width + known.alive * alive
    return {
        "weights that are learnt, float32": learnt * _SINGLE / spread,
        "gradients, float32": learnt * _SINGLE / spread,
        "moments of AdamW, float32": 2 * learnt * _SINGLE / spread,
        "weights that are not learnt, bfloat16": frozen / spread,
        "layers gathered at a time, bfloat16": gathered * _HALF,
        "weights of the rollouts, bfloat16": shape.parameters * _HALF,
        "cache of the rollouts": work.slots * longest * shape.cached(),
        "activations": max(work.micro_tokens, longest) * kept * _HALF,
        "logits, float32": 3 * _LOGIT_ROWS * shape.vocabulary * _SINGLE,
    }


def _seconds(
    shape: Shape, gpus: int, machine: Machine, work: Workload, known: Calibration
) -> dict[str, float]:
    turns = work.mean_turns
    length = work.length(turns)
    searches = work.groups * work.rollouts / gpus
    asked = searches * work.asked
    wrote = turns * work.written
    seen = work.first + (turns - 1) * work.crop
    tower = 2 * shape.vision * 4 * seen  # four patches per token
    attention = 2 * shape.layers * shape.heads * shape.head_width * length * length  # causal: half of 4
    head = 2 * shape.embedding
    read = 2 * shape.matrices * (length - wrote) + attention + tower
    passes = asked / min(work.slots, asked) * wrote
    together = min(work.slots, asked)
    moved = shape.matrices * _HALF + shape.embedding * _HALF + together * length / 2 * shape.cached()
    products = together * 2 * (shape.matrices + shape.embedding) / (machine.flops * known.read)
    writing = max(moved / (machine.bandwidth * known.write), products) + known.overhead * shape.layers
    # Forward, the same again for activations that were dropped, and twice that for gradients; with
    # adapters the gradients of the weights are left out.
    passes_of_learning = 3 if work.lora else 4
    learn = passes_of_learning * (2 * shape.matrices * length + attention + tower) + 3 * head * wrote
    gathers = shape.parameters * _HALF * 3 * searches * length / work.micro_tokens if work.shard else 0.0
    return {
        "prompts and views are read": asked * read / (machine.flops * known.read),
        "words are written": passes * writing,
        "is learnt": searches * learn / (machine.flops * known.learn),
        "weights are gathered": gathers / _link(gpus) * (gpus > 1),
    }


def _link(gpus: int) -> float:
    """Bytes/s between GPUs of one machine (NVLink), or between machines of eight."""
    return 200e9 if gpus <= 8 else 40e9


def what_would_fit(plan: Plan, gpu: str) -> list[str]:
    """Changes, each by itself, after which the plan fits; the smallest numbers that do."""
    found = []

    def tried(gpus: int = plan.gpus, at: str = gpu, **changes: object) -> bool:
        work = replace(plan.work, **changes)  # type: ignore[arg-type]
        return make_plan(plan.shape.name, gpus, at, work).fits

    if not plan.work.shard and tried(shard=True):
        found.append("sharding over the processes")
    slots = next((n for n in (16, 8, 4, 2, 1) if n < plan.work.slots and tried(slots=n)), None)
    if slots:
        found.append(f"{slots} searches at a time instead of {plan.work.slots}")
    if not plan.work.lora and tried(lora=64):
        found.append("LoRA of rank 64")
    gpus = next((n for n in (2, 4, 8, 16, 32, 64, 128) if n > plan.gpus and tried(gpus=n)), None)
    if gpus and plan.work.shard:
        found.append(f"{gpus} GPUs of this kind")
    found += [f"{plan.gpus} x {other}" for other in ("h100", "h200") if other != gpu and tried(at=other)]
    if not found:
        several = next(
            (
                n
                for n in (2, 4, 8, 16, 32, 64, 128)
                if n >= plan.gpus and tried(n, lora=64, slots=4, shard=True)
            ),
            None,
        )
        if several:
            found.append(f"LoRA of rank 64, 4 searches at a time and sharding on {several} GPUs together")
    return found

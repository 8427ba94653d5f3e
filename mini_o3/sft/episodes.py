"""SFT data: teacher episodes on fresh probes, rendered exactly as the policy will live them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from mini_o3.episode import EpisodeRun, Limits, Policy, SearchTask, response
from mini_o3.kit.rng import stream
from mini_o3.models.chat import ChatRenderer, Rendered
from mini_o3.policies.corrupted import CorruptedTeacher
from mini_o3.policies.lucky import LuckyTeacher
from mini_o3.policies.teacher import Teacher
from mini_o3.probes import backgrounds
from mini_o3.probes.shapes import LEVELS, questions
from mini_o3.probes.shapes.draw import place
from mini_o3.probes.shapes.generate import training_size
from mini_o3.probes.shapes.levels import drawn
from mini_o3.probes.shapes.scene import FAMILIES, lay_out
from mini_o3.probes.shapes.truth import truth_of
from mini_o3.probes.shapes.words import COLOURS
from mini_o3.sft.drill import comparison_drill
from mini_o3.sft.perception import PerceptionData, Sample
from mini_o3.sft.repetition import repetition_noise

_LAYOUTS = 3  # probes on one background
_NUMBERED = re.compile(r"(observation[ _])(\d+)")
_OTHER_COLOUR = 2.0  # weight of a listed colour that is not the one looked for, see `weigh`
_BESIDE = 3.0  # and of what is said to stand beside something


@dataclass(frozen=True, slots=True)
class EpisodeData:
    """Index -> samples: teacher episodes on one background, or perception samples; and some drills.

    A share of `perception_share` of the indices is perception, with sixteen samples each. In a share of
    `observation_offset` of the episodes the first observation has a higher number: the teacher rarely needs
    more than fifteen, and a model that has hardly seen the others mistakes the last view for an earlier one.
    Pure: the same index and settings give the same samples.
    """

    renderer: ChatRenderer
    seed: int
    perception: PerceptionData
    perception_share: float
    comparison_drills: int = 0
    photos: tuple[Path, ...] = ()
    levels: Mapping[str, float] = field(default_factory=lambda: {"easy": 1.0})
    families: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(FAMILIES, 0.25))
    turns: int = 12
    lucky_guesses: float = 0.0
    corrupted_turns: float = 0.0
    observation_offset: float = 0.0

    def __call__(self, index: int) -> list[Sample]:
        rng = stream("sft", self.seed, index)
        drills = [comparison_drill(self.renderer, rng) for _ in range(self.comparison_drills)]
        if rng.random() < self.perception_share:
            samples = self.perception(index)
            return [*(samples[i] for i in rng.permutation(len(samples))[:16]), *drills]
        empty = backgrounds.paint(rng, training_size(rng), self.photos if rng.random() < 0.35 else ())
        return [*(self._episode(rng, index, empty) for _ in range(_LAYOUTS)), *drills]

    def _episode(self, rng: np.random.Generator, index: int, empty: Image.Image) -> Sample:
        level = LEVELS[drawn(rng, self.levels)]
        scene = lay_out(rng, level, drawn(rng, self.families), empty.size)
        picture = place(rng, scene, empty.copy())
        task = SearchTask(
            f"sft_{index}",
            questions.ask(rng, scene.goal),
            scene.answer,
            level=level.name,
            size=empty.size,
            truth=scene.truth.to_dict(),
        )
        limits, seed = Limits(turns=self.turns), int(rng.integers(2**31))
        offset = int(rng.integers(self.turns)) if rng.random() < self.observation_offset else 0
        # The numbers say which turn it is, and so whether it is time to guess.
        guesses = 0.0 if offset else self.lucky_guesses
        teacher = CorruptedTeacher(LuckyTeacher(Teacher([task]), guesses), self.corrupted_turns)
        sample = render_teacher(self.renderer, task, picture, limits, seed, rng, teacher, offset)
        if offset and len(sample.views) - 1 + offset >= self.turns:  # no episode has such an observation
            return render_teacher(self.renderer, task, picture, limits, seed, rng, teacher)
        return sample


def render_teacher(
    renderer: ChatRenderer,
    task: SearchTask,
    picture: Image.Image,
    limits: Limits,
    seed: int,
    noise: np.random.Generator | None = None,
    teacher: Policy | None = None,
    offset: int = 0,
) -> Sample:
    """Run the teacher on a task and render the conversation. Deliberate mistakes and the environment are not
    learnt.

    With `noise`, lists repeat an item now and then, see `sft.repetition`. `offset` is added to the number of
    every observation, as if so many had come before.
    """
    run = EpisodeRun(task, teacher or Teacher([task]), limits, picture=picture, seed=seed)
    asyncio.run(run.play())
    whole = Rendered()
    for first in run.messages[:2]:
        whole.add(renderer.message(first.role, first.parts))
    for number, turn in enumerate(run.turns, start=1):
        whole.add(renderer.generation_prompt())
        message = renderer.assistant_message(
            _NUMBERED.sub(lambda found: f"{found[1]}{int(found[2]) + offset}", turn.text)
        )
        if not turn.learn:
            message.mask = [0] * len(message.ids)
        if noise is not None:
            message = repetition_noise(renderer, message, noise)
        whole.add(message)
        if turn is run.turns[-1]:
            break
        whole.add(renderer.turn_suffix(message.ids))
        view = None
        if turn.observation is not None:
            view, turn = run.views[turn.observation], replace(turn, observation=turn.observation + offset)
        told = response(run.policy.profile, turn, view, number)
        whole.add(renderer.message(told.role, told.parts))
    return Sample(whole.ids, weigh(renderer, whole, truth_of(task).goal.colour), whole.views)


def weigh(renderer: ChatRenderer, whole: Rendered, sought: str | None) -> list[float]:
    """Loss weights of an episode: 1 for what the policy wrote, more where a guess that needs no look is right
    too often.

    Four in ten of the things in a list have the colour that is sought. A model that writes this colour for
    every one of them loses too little to learn to look: without the weight, 7 of 100 things of another colour
    were named right; with a weight of 4 it was 91 (`bench/list_colours.py`). The weight is lower now that
    nano can see, because a higher one costs targets that are named after what touches them. What stands
    beside a thing was often read as that thing once more: it is a few tokens of one turn.
    """
    colours = {renderer.encode(f" {colour}")[0] for colour in COLOURS if colour != sought}
    opens, beside, closes = (renderer.encode(word)[0] for word in (" things", " beside", ";"))
    weights, part = [], closes
    for token, wrote in zip(whole.ids, whole.mask, strict=True):
        part = closes if token == closes or not wrote else part
        weight = (
            _BESIDE
            if part == beside
            else _OTHER_COLOUR
            if part == opens and sought and token in colours
            else 1.0
        )
        weights.append(wrote * weight)
        part = token if token in (opens, beside) else part
    return weights

"""Exemplars: searches written out in words, to show a model that was never trained for the tool how one goes.

The paper prompts a model with a handful of hand-written searches (arXiv 2509.07969, section on cold-start
data); its own were never published. A file holds one search: what is seen, thought and done, turn by turn.

    # Depth-first search

    Question: What is the number of the bus behind the fountain?

    Sees: A wide square. Far at the back, left of the middle, stands a fountain.
    Thinks: The bus must be behind the fountain, and too small to read here.
    Zooms: [0.20, 0.30, 0.45, 0.50] of original_image

    Sees: The fountain, and the front of a bus. A number is above its window, still blurred.
    ...
    Answers: 42
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path

from mini_o3.episode import Episode
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.reading import read_text
from mini_o3.presets import PRESETS
from mini_o3.protocol import Answer, Malformed, PromptProfile, Zoom, format_action, parse, source_name
from mini_o3.vision import Region

SHIPPED = PRESETS / "exemplars" / "*.md"
_FIELD = re.compile(r"(Question|Sees|Thinks|Zooms|Answers): *(.*)")
_ZOOM = re.compile(r"\[([^\]]*)\] of (original_image|observation_[1-9][0-9]{0,3})")


@dataclass(frozen=True, slots=True)
class Step:
    """One turn of an exemplar: what the newest view shows, in words, and what is done about it, thought
    included."""

    sees: str
    action: Zoom | Answer


@dataclass(frozen=True, slots=True)
class Exemplar:
    name: str
    title: str
    question: str
    steps: tuple[Step, ...]


def read_exemplars(pattern: str) -> list[Exemplar]:
    """The exemplars of all files that a pattern such as `my/*.md` names, sorted by name; `shipped` names
    ours.

    Raises:
        UserError: there are none, or one of them is not an exemplar.
    """
    paths = sorted(Path(name) for name in glob(str(SHIPPED) if pattern == "shipped" else pattern))
    if not paths:
        raise SettingError(
            "exemplars", "no such file; `mini-o3 presets exemplars` lists the shipped ones", pattern
        )
    found = []
    for path in paths:
        text = read_text(path)
        try:
            found.append(parse_exemplar(text, path.stem))
        except ValueError as error:
            raise UserError(f"{path}: {error}; `mini-o3 presets exemplars` lists good ones") from None
    return found


def parse_exemplar(text: str, name: str) -> Exemplar:
    """Read what `format_exemplar` writes.

    Raises:
        ValueError: with what is wrong, and the line.
    """
    title, question = "", ""
    steps: list[Step] = []
    sees: str | None = None
    thinks: str | None = None
    shown = 0  # observations so far
    for number, line, field, value in _fields(text):
        if field == "":
            title = value
            continue
        if not value:
            raise ValueError(f"line {number}: nothing after {field!r}")
        if field == "Question":
            question = value
        elif field == "Sees":
            sees = value
        elif field == "Thinks":
            thinks = value
        elif sees is None or thinks is None:
            raise ValueError(f"line {number}: {field!r} needs a 'Sees:' and a 'Thinks:' before it")
        elif steps and isinstance(steps[-1].action, Answer):
            raise ValueError(f"line {number}: the search has been answered already")
        else:
            action = Answer(value, thinks) if field == "Answers" else _zoom(value, thinks, shown, number)
            if parse(format_action(action)) != action:
                raise ValueError(
                    f"line {number}: {line!r} cannot be said in the protocol (tags, or an empty box)"
                )
            steps.append(Step(sees, action))
            shown += isinstance(action, Zoom)
            sees = thinks = None
    if not question:
        raise ValueError("there is no 'Question:'")
    if not steps or not isinstance(steps[-1].action, Answer):
        raise ValueError("the search does not end with 'Answers:'")
    return Exemplar(name, title or name, question, tuple(steps))


def format_exemplar(exemplar: Exemplar) -> str:
    """As a file of presets/exemplars; `parse_exemplar` reads it back."""
    lines = [f"# {exemplar.title}", "", f"Question: {exemplar.question}"]
    for step in exemplar.steps:
        lines += ["", f"Sees: {step.sees}", f"Thinks: {step.action.thought}"]
        if isinstance(step.action, Answer):
            lines.append(f"Answers: {step.action.text}")
        else:
            box = ", ".join(f"{value:g}" for value in step.action.region.xyxy)
            lines.append(f"Zooms: [{box}] of {source_name(step.action.region.frame)}")
    return "\n".join(lines) + "\n"


def exemplar_of(episode: Episode) -> Exemplar | None:
    """A recorded search as an exemplar; what it saw is said by the thought that follows. None if a turn was
    malformed."""
    steps = []
    for number, turn in enumerate(episode.turns):
        action = parse(turn.text)
        if isinstance(action, Malformed) or turn.malformed:
            return None
        sees = "The whole picture." if number == 0 else "The part that was asked for."
        steps.append(Step(sees, replace(action, thought=" ".join(action.thought.split()))))
    if not steps or not isinstance(steps[-1].action, Answer):
        return None
    return Exemplar(
        f"{episode.task_id}_{episode.seed}",
        "A search of before",
        " ".join(episode.question.split()),
        tuple(steps),
    )


def with_exemplars(profile: PromptProfile, exemplars: Sequence[Exemplar]) -> PromptProfile:
    """The profile with the exemplars after its system text; its hash changes with them, its other texts do
    not."""
    if not exemplars:
        return profile
    said = [
        profile.system,
        "Here is how such searches go. Views are described in brackets; you are shown real ones.",
    ]
    said += [_told(number, exemplar) for number, exemplar in enumerate(exemplars, start=1)]
    said.append(
        "The examples end here. What follows is a new picture; nothing that was seen in an example is in it."
    )
    return replace(profile, system="\n\n".join(said))


def _told(number: int, exemplar: Exemplar) -> str:
    lines = [f"Example {number}. Question: {exemplar.question}"]
    for step in exemplar.steps:
        lines += [f"[{step.sees}]", format_action(step.action)]
    return "\n".join(lines)


def _fields(text: str) -> list[tuple[int, str, str, str]]:
    """(line number, line, field, value); the title has no field. Lines without a field go on with the one
    before."""
    found: list[tuple[int, str, str, str]] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        match = _FIELD.fullmatch(line)
        if match:
            found.append((number, line, match[1], match[2].strip()))
        elif line.startswith("# ") and not found:
            found.append((number, line, "", line[2:].strip()))
        elif line and found and found[-1][2]:
            at, first, field, value = found[-1]
            found[-1] = (at, first, field, f"{value} {line}".strip())
        elif line:
            raise ValueError(f"line {number}: {line[:60]!r} belongs to nothing")
    return found


def _zoom(value: str, thought: str, shown: int, number: int) -> Zoom:
    match = _ZOOM.fullmatch(value)
    try:
        box = [float(part) for part in match[1].split(",")] if match else []
    except ValueError:
        box = []
    if match is None or len(box) != 4:
        raise ValueError(f"line {number}: {value!r} is not like '[0.1, 0.2, 0.3, 0.4] of original_image'")
    frame = 0 if match[2] == "original_image" else int(match[2].removeprefix("observation_"))
    if frame > shown:
        raise ValueError(f"line {number}: there is no observation_{frame} yet")
    try:
        x0, y0, x1, y1 = box
        return Zoom(Region(x0, y0, x1, y1, frame), thought)
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from None

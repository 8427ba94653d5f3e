"""Detection labels become search questions: only where the labels leave one answer and no other.

Boxes do not say what else is in a picture, so a question is asked only if every labelled thing near it is
clear of it. There are three kinds: how many there are of a thing, what is next to the only one of its kind,
and on which side of it another one is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mini_o3.benchmarks.boxes import Box, Boxes
from mini_o3.benchmarks.layout import Draft
from mini_o3.kit.rng import stream

LEAST_SIDE = 8  # pixels; a smaller box cannot be recognised for certain
MOST_COUNTED = 9  # more are labelled unreliably, and answered by guessing
_SAME_PLACE = 0.5  # overlap (intersection over union) from which two boxes may be one thing with two names
_FACING = 0.5  # share of the shorter of two facing sides that must face the other
_CLEAR = 0.02  # share of the picture by which two things must be apart to be on different sides

_IRREGULAR = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "mouse": "mice",
    "sheep": "sheep",
    "knife": "knives",
    "goose": "geese",
    "deer": "deer",
    "fish": "fish",
    "foot": "feet",
    "tooth": "teeth",
    "shelf": "shelves",
    "wolf": "wolves",
    "loaf": "loaves",
    "leaf": "leaves",
    "calf": "calves",
}
# Names that are plural or without number: never counted, never asked about with `the`.
_NO_COUNT = {
    "scissors",
    "skis",
    "jeans",
    "glasses",
    "goggles",
    "sunglasses",
    "shorts",
    "broccoli",
    "clothing",
    "furniture",
    "footwear",
}
# Open Images labels people by what is known of them; one picture may mix these names.
_PEOPLE = {"person", "man", "woman", "boy", "girl", "human", "people", "child"}

_SIDES = {
    "left": "What is directly to the left of the {}?",
    "right": "What is directly to the right of the {}?",
    "above": "What is directly above the {}?",
    "below": "What is directly below the {}?",
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A labelled thing: its name in lower case, its box as fractions of the picture. `vague`: a crowd, a
    group, a drawing."""

    name: str
    box: Box
    vague: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and what is labelled in it.

    Attributes:
        size: (width, height) of the upright picture in pixels.
        unsure: names with a label that says nothing (a box without area): not asked about.
    """

    picture: Path
    name: str
    source: str
    size: tuple[int, int]
    things: tuple[Labelled, ...]
    unsure: frozenset[str] = frozenset()


def questions(scene: Scene, seed: int) -> list[Draft]:
    """At most one question of each kind, drawn by `seed` and the scene's name among all that have one answer
    only."""
    rng = stream("scene", scene.source, scene.name, seed)
    drafts = []
    for kind, found in (("count", _counts(scene)), ("beside", _beside(scene)), ("side", _sides(scene))):
        pick = int(rng.integers(2**31))  # drawn for every kind: one kind more or less changes no other
        if found:
            question, answer, things = found[pick % len(found)]
            boxes = Boxes(tuple(thing.box for thing in things), shares=True)
            drafts.append(
                Draft(
                    scene.picture,
                    question,
                    answer,
                    boxes=boxes,
                    source=scene.source,
                    category=kind,
                    name=f"{scene.name}_{kind}",
                    seed=seed,
                )
            )
    return drafts


_Asked = tuple[str, str, tuple[Labelled, ...]]


def _counts(scene: Scene) -> list[_Asked]:
    found: list[_Asked] = []
    for name in _clear_names(scene):
        things = tuple(thing for thing in scene.things if thing.name == name)
        if len(things) <= MOST_COUNTED:
            found.append((f"How many {plural(name)} are there in the picture?", str(len(things)), things))
    return found


def _beside(scene: Scene) -> list[_Asked]:
    """The one labelled thing that reaches into the strip beside an anchor, if it lies wholly there and faces
    it."""
    found: list[_Asked] = []
    for anchor in _only_ones(scene):
        for side, wording in _SIDES.items():
            reached = [t for t in scene.things if t is not anchor and _in_strip(t.box, anchor.box, side)]
            if (
                len(reached) == 1
                and _faces(reached[0].box, anchor.box, side)
                and _is_named(reached[0], scene)
            ):
                found.append((wording.format(anchor.name), reached[0].name, (anchor, reached[0])))
    return found


def _sides(scene: Scene) -> list[_Asked]:
    found: list[_Asked] = []
    alone = _only_ones(scene)
    for first in alone:
        for second in alone:
            if first.box[2] + _CLEAR <= second.box[0]:
                found.append((_which_side(first.name, second.name), "left", (first, second)))
            elif second.box[2] + _CLEAR <= first.box[0]:
                found.append((_which_side(first.name, second.name), "right", (first, second)))
    return found


def _which_side(first: str, second: str) -> str:
    return f"Is the {first} to the left or to the right of the {second}?"


def _only_ones(scene: Scene) -> list[Labelled]:
    counts = Counter(thing.name for thing in scene.things)
    clear = set(_clear_names(scene))
    return [thing for thing in scene.things if thing.name in clear and counts[thing.name] == 1]


def _clear_names(scene: Scene) -> list[str]:
    """Names of which every labelled thing can be told, in the order of their first boxes."""
    return [name for name in dict.fromkeys(t.name for t in scene.things) if _can_be_asked(name, scene)]


def _can_be_asked(name: str, scene: Scene) -> bool:
    return name not in _NO_COUNT and all(
        _is_named(thing, scene) for thing in scene.things if thing.name == name
    )


def _is_named(thing: Labelled, scene: Scene) -> bool:
    """Whether a thing has one name for certain: large enough, no crowd, and not perhaps one thing with
    another box."""
    mixed = {other.name for other in scene.things if other.name in _PEOPLE}
    if thing.name in scene.unsure or (thing.name in mixed and len(mixed) > 1):
        return False
    x0, y0, x1, y1 = thing.box
    wide = min((x1 - x0) * scene.size[0], (y1 - y0) * scene.size[1]) >= LEAST_SIDE
    alone = all(_iou(thing.box, other.box) < _SAME_PLACE for other in scene.things if other is not thing)
    return wide and alone and not thing.vague


def _in_strip(box: Box, anchor: Box, side: str) -> bool:
    """Whether a box reaches into the strip from one side of the anchor to the edge of the picture."""
    across = side in ("left", "right")
    low, high = (1, 3) if across else (0, 2)
    if not (box[low] < anchor[high] and anchor[low] < box[high]):
        return False
    return {
        "left": box[0] < anchor[0],
        "right": box[2] > anchor[2],
        "above": box[1] < anchor[1],
        "below": box[3] > anchor[3],
    }[side]


def _faces(box: Box, anchor: Box, side: str) -> bool:
    """Whether a box lies wholly on that side, and most of the shorter side of the two faces the other."""
    beyond = {
        "left": box[2] <= anchor[0],
        "right": box[0] >= anchor[2],
        "above": box[3] <= anchor[1],
        "below": box[1] >= anchor[3],
    }[side]
    low, high = (1, 3) if side in ("left", "right") else (0, 2)
    shared = min(box[high], anchor[high]) - max(box[low], anchor[low])
    return beyond and shared >= _FACING * min(box[high] - box[low], anchor[high] - anchor[low])


def _iou(first: Box, second: Box) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return width * height / (sum(areas) - width * height)


def plural(name: str) -> str:
    """The English plural of a label; of several words the last one changes."""
    head, _, word = name.rpartition(" ")
    if word in _IRREGULAR:
        many = _IRREGULAR[word]
    elif word.endswith(("s", "x", "z", "ch", "sh")):
        many = f"{word}es"
    elif word.endswith("y") and word[-2:-1] not in set("aeiou"):
        many = f"{word[:-1]}ies"
    else:
        many = f"{word}s"
    return f"{head} {many}".strip()

"""Questions from what a scene holds: every way to ask that has exactly one right answer, then a varied choice
of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mini_o3.probes.scenes.eye import Eye, least_zooms
from mini_o3.probes.scenes.levels import LEVELS, MOST_ZOOMS, RULE_BUDGET, Level
from mini_o3.probes.scenes.search import cover
from mini_o3.probes.scenes.truth import Hop, Mark, Question, Scene


@dataclass(frozen=True, slots=True)
class Narrow:
    """A way to narrow down where to look by what shows from afar: facts, and the clause that says them."""

    facts: tuple[str, ...] = ()
    clause: str = ""


@dataclass(frozen=True, slots=True)
class Via:
    """The place that a question leads over: a mark of `kind`, told by what shows of it, that `says` a fact of
    the target."""

    kind: str
    facts: tuple[str, ...]
    says: str
    look: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """One family of questions about marks of `kind`.

    `keys` are the facts that tell the target from what looks like it, legible only from near; `ask` is the
    fact asked for. Wordings may name any fact of the target in braces, `{where}` for the narrowing clause
    and `{via_FACT}` for a fact of the place that the question leads over.
    """

    name: str
    kind: str
    keys: tuple[str, ...]
    ask: str
    look: str
    goal: str
    wordings: tuple[str, ...]
    narrow: tuple[Narrow, ...] = (Narrow(),)
    via: Via | None = None


def ask(rng: np.random.Generator, scene: Scene, families: Sequence[Family], count: int) -> list[Question]:
    """`count` questions about different targets, families taken in turn; fewer if the scene does not hold so
    many.

    Each has one right answer and keeps to its level's rule.
    """
    level = LEVELS[scene.level]
    eye = Eye(scene.parts, RULE_BUDGET)
    found = {family.name: iter(_shuffled(rng, list(_all(rng, scene, level, family)))) for family in families}
    direct, led = ([f.name for f in families if (f.via is None) is wanted] for wanted in (True, False))
    rng.shuffle(direct)
    order = [*led * level.led, *direct]
    chosen: list[Question] = []
    taken: set[int] = set()
    while order and len(chosen) < count:
        name = order.pop(0)
        for question in found[name]:
            measured = _measure(question, scene, eye)
            if taken.isdisjoint(question.evidence) and _keeps_to(level, measured, scene):
                chosen.append(measured)
                taken.update(question.evidence[:1])
                order.append(name)
                break
    return chosen


def _keeps_to(level: Level, question: Question, scene: Scene) -> bool:
    """The rule of the level, but for the number of candidates, which was seen to before."""
    return (
        level.turns[0] <= question.turns <= level.turns[1]
        and question.zooms <= MOST_ZOOMS
        and level.area[0] <= target_share(question, scene) <= level.area[1]
    )


def target_share(question: Question, scene: Scene) -> float:
    """Share of the picture that the target takes."""
    rect = scene.parts[question.evidence[0]].rect
    return rect.width * rect.height / (scene.size[0] * scene.size[1])


def _measure(question: Question, scene: Scene, eye: Eye) -> Question:
    turns = 1 + least_zooms(eye, scene.size, [hop.aim for hop in question.hops])
    return replace(question, turns=turns, zooms=cover(question, eye, scene.parts, scene.size))


def _all(rng: np.random.Generator, scene: Scene, level: Level, family: Family) -> Iterator[Question]:
    marks = [mark for mark in scene.marks if mark.kind == family.kind]
    facts = {id(mark): _facts(scene, mark) for mark in scene.marks}
    vias = [mark for mark in scene.marks if family.via and mark.kind == family.via.kind]
    for narrow in family.narrow:
        alike, fitting = defaultdict(list), defaultdict(list)
        for mark in marks:
            known = facts[id(mark)]
            if all(fact in known for fact in (*narrow.facts, *family.keys, family.ask)):
                afar = tuple(known[fact] for fact in narrow.facts)
                alike[afar].append(mark)
                fitting[afar, tuple(known[fact] for fact in family.keys)].append(mark)
        for (afar, _), (target, *others) in fitting.items():
            if others or not level.candidates[0] <= len(alike[afar]) <= level.candidates[1]:
                continue
            known = facts[id(target)]
            names = {**known, "where": narrow.clause.format(**known)}
            hop = _hop(scene, family, target, alike[afar])
            if family.via is None:
                yield _question(
                    rng, family, names, (hop,), [facts[id(mark)][family.ask] for mark in alike[afar]]
                )
                continue
            for via in vias:
                says = facts[id(via)]
                if says.get(family.via.says) == known[family.keys[0]] and _unique(
                    via, vias, facts, family.via
                ):
                    names |= {f"via_{fact}": value for fact, value in says.items()}
                    first = Hop(family.via.look, via.parts, tuple(mark.parts for mark in vias))
                    yield _question(
                        rng,
                        family,
                        names,
                        (first, hop),
                        [facts[id(mark)][family.ask] for mark in alike[afar]],
                    )


def _unique(via: Mark, vias: Sequence[Mark], facts: dict[int, dict[str, str]], rule: Via) -> bool:
    told = (*rule.facts, *rule.keys)
    return sum(all(facts[id(mark)].get(f) == facts[id(via)].get(f) for f in told) for mark in vias) == 1


def _hop(scene: Scene, family: Family, target: Mark, alike: Sequence[Mark]) -> Hop:
    return Hop(
        family.look, _needed(scene, family, target), tuple(_needed(scene, family, mark) for mark in alike)
    )


def _needed(scene: Scene, family: Family, mark: Mark) -> tuple[int, ...]:
    """Parts of a mark that bear what is asked or what tells it apart; the former first."""
    asked = [part for part in mark.parts if family.ask in scene.parts[part].facts]
    keys = [
        part
        for part in mark.parts
        if part not in asked and not scene.parts[part].facts.keys().isdisjoint(family.keys)
    ]
    return (*asked, *keys)


def _question(
    rng: np.random.Generator, family: Family, names: dict[str, str], hops: tuple[Hop, ...], guesses: list[str]
) -> Question:
    wording = family.wordings[rng.integers(len(family.wordings))]
    text = re.sub(r" +([?.,])", r"\1", " ".join(wording.format(**names).split()))
    return Question(family.name, text, names[family.ask], family.goal.format(**names), hops, tuple(guesses))


def _facts(scene: Scene, mark: Mark) -> dict[str, str]:
    known = dict(mark.afar)
    for part in mark.parts:
        known |= scene.parts[part].facts
    return known


def _shuffled(rng: np.random.Generator, questions: list[Question]) -> list[Question]:
    return [questions[index] for index in rng.permutation(len(questions))]

"""A judge from its specification: rules in order, and a model for what they leave open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from mini_o3.episode import Episode, SearchTask
from mini_o3.judge.choice import mme_letter, option_letter, truth_letter
from mini_o3.judge.exact import same
from mini_o3.judge.verdict import CORRECT, INCORRECT, UNPARSED, Kind, Verdict, unjudged, without_judge
from mini_o3.kit.errors import SettingError
from mini_o3.kit.metering import Meter

CHOICES = "auto, exact, choice, choice-mme, llm:URL#MODEL, or rules and a model such as exact+llm:URL#MODEL"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule makes of an answer; `open`: whoever comes next in a chain may know better."""

    verdict: Verdict
    open: bool = False


Rule = Callable[[SearchTask, str], Finding]
Model = Callable[[SearchTask, str], Awaitable[Verdict]]


class Judge(Protocol):
    """Gives verdicts on episodes; many may be asked for at the same time. Verdicts of equal names may be put
    together."""

    @property
    def name(self) -> str: ...

    async def __call__(self, task: SearchTask, episode: Episode) -> Verdict: ...


@dataclass(frozen=True, slots=True)
class Chain:
    """Rules first, a model for the rest.

    Attributes:
        name: the specification, with the hash of the prompt in place of a model's address.
        rules: asked in this order, until one leaves nothing open.
        model: asked for what the rules leave open; what it cannot tell is unjudged. None: the rules' word
            stands.
    """

    name: str
    rules: tuple[Rule, ...]
    model: Model | None = None

    @property
    def recorded(self) -> dict[str, Any]:
        """Options of the model's endpoint that can change a verdict."""
        return getattr(self.model, "recorded", {})

    async def __call__(self, task: SearchTask, episode: Episode) -> Verdict:
        verdict = without_judge(episode, task.answer)
        if verdict is not None:
            return verdict
        assert episode.answer is not None
        verdict = unjudged("no rule")
        for rule in self.rules:
            found = rule(task, episode.answer)
            if not found.open:
                return found.verdict
            verdict = found.verdict if found.verdict.is_judged or not verdict.is_judged else verdict
        return verdict if self.model is None else await self.model(task, episode.answer)


def exact_rule(task: SearchTask, answer: str) -> Finding:
    """Correct if the texts are the same after normalising; that they are not leaves open whether they mean
    the same."""
    assert task.answer is not None
    return Finding(CORRECT) if same(answer, task.answer) else Finding(INCORRECT, open=True)


def choice_rule(task: SearchTask, answer: str) -> Finding:
    """By the letter of the option that the answer names (`choice.option_letter`); an unparsed answer is
    open."""
    return _by_letter(task, answer, option_letter)


def mme_rule(task: SearchTask, answer: str) -> Finding:
    """By the letter that the published scorer of MME-RealWorld reads (`choice.mme_letter`)."""
    return _by_letter(task, answer, mme_letter)


def auto_rule(task: SearchTask, answer: str) -> Finding:
    """`choice` for a task with options, `exact` for others."""
    return (choice_rule if task.options else exact_rule)(task, answer)


RULES: dict[str, Rule] = {
    "auto": auto_rule,
    "exact": exact_rule,
    "choice": choice_rule,
    "choice-mme": mme_rule,
}


def make_judge(
    spec: str,
    *,
    cache: Path | None = None,
    concurrent: int = 16,
    endpoint: Mapping[str, Any] = MappingProxyType({}),
    meter: Meter | None = None,
) -> Chain:
    """The judge that `spec` names: rules joined by `+`, then at most one model.

    Args:
        cache: file in which a model's verdicts are kept; None keeps them in memory.
        concurrent: requests to a model at the same time.
        endpoint: options of the model's endpoint, see `kit.chat.with_options`.
        meter: counts what a model is asked for; beyond its budget answers stay unjudged.

    Raises:
        UserError: there is no such judge, or rules come after a model: they would score what it failed at.
    """
    words, with_model, address = f"+{spec}".partition("+llm:")
    names = words.split("+")[1:]
    unknown = next((name for name in names if name not in RULES), None)
    if unknown is not None:
        raise SettingError("judge", f"{unknown!r} is no judge; choose {CHOICES}", spec)
    rules = tuple(RULES[name] for name in names)
    if endpoint and not with_model:
        raise SettingError("judge_endpoint", f"{spec} asks no endpoint; leave it out or add llm:URL#MODEL")
    if not with_model:
        return Chain("+".join(names), rules)
    if any(f"+{name}" in address for name in (*RULES, "llm:")):
        raise SettingError("judge", "a model comes last, after the rules, as in exact+llm:URL#MODEL", spec)
    from mini_o3.judge.llm import LlmJudge

    model = LlmJudge.parse(address, cache=cache, concurrent=concurrent, endpoint=endpoint, meter=meter)
    return Chain("+".join([*names, model.name]), rules, model)


def _by_letter(task: SearchTask, answer: str, read: Callable[[str, tuple[str, ...]], str | None]) -> Finding:
    assert task.answer is not None
    if not task.options:
        return Finding(unjudged("no options"), open=True)
    truth = truth_letter(task.answer, task.options)
    if truth is None:
        return Finding(unjudged(f"no such option: {task.answer}"), open=True)
    letter = read(answer, task.options)
    if letter is None:
        return Finding(Verdict(Kind.INCORRECT, UNPARSED), open=True)
    return Finding(CORRECT if letter == truth else INCORRECT)

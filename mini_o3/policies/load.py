"""`--policy` in words: which policy a specification names, and how it wants to be built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mini_o3.episode import Policy, SearchTask
from mini_o3.kit.errors import UserError
from mini_o3.protocol import PromptProfile, load_profile
from mini_o3.protocol.dialects import load_dialect
from mini_o3.vision import PixelBudget

CHOICES = "nano, teacher, human, replay:FILE, hf:DIR, api:URL#MODEL"


def choose_policy(
    spec: str,
    *,
    max_pixels: int | None = None,
    concurrent: int = 1,
    temperature: float = 0.0,
    prompts: str | None = None,
    dialect: str | None = None,
    picture: str | None = None,
    question: str | None = None,
    tasks: Sequence[SearchTask] = (),
    say: Callable[[str], None] = lambda line: None,
    folder: Path | None = None,
) -> Policy:
    """The policy that `spec` names.

    Args:
        max_pixels: largest view it is shown; None: what it wants. nano always sees what it was trained with.
        concurrent: how many episodes of a local model go on at the same time; more wait for each other.
        temperature: at which a model draws its words; 0 is greedy. Others do not draw.
        prompts: name or folder of a prompt profile; None: what the dialect or the policy wants.
        dialect: in which the policy writes its actions; None: the one that its prompts teach.
        picture, question, tasks: where the teacher finds its probe: beside the picture, or among those given.
        say, folder: how the human policy talks (its answers come from standard input), and where it leaves
            views.

    Raises:
        UserError: there is no such policy, or it cannot be built.
    """
    kind, _, rest = spec.partition(":")
    if kind in ("replay", "hf", "api") and not rest:
        raise UserError(f"--policy {spec}: something is missing after {kind!r}; choose one of {CHOICES}")
    if kind == "nano" and max_pixels is not None:
        raise UserError(
            "--max-pixels: nano only sees views of 168 x 168; leave the option out or take another policy"
        )
    if kind in ("nano", "teacher") and prompts is not None:
        raise UserError(
            f"--prompts: {kind} knows its own prompts only; leave the option out or take another policy"
        )
    profile = _profile(prompts, dialect)
    if kind in ("nano", "teacher", "human") and profile and profile.dialect != "mini_o3":
        raise UserError(
            f"--dialect {profile.dialect}: {kind} speaks mini_o3 only; leave it out or take another policy"
        )
    budget = _budget(max_pixels, load_dialect(profile.dialect).budget if profile else None)
    if kind in ("nano", "hf"):
        from mini_o3.models.shipped import NANO_DIR
        from mini_o3.policies.local import Local

        return Local.load(
            rest or str(NANO_DIR),
            spec,
            slots=concurrent,
            temperature=temperature,
            max_pixels=max_pixels,
            profile=profile,
        )
    if kind == "api":
        from mini_o3.policies.api import Api, ApiSettings

        return Api(replace(ApiSettings.parse(rest), temperature=temperature), budget=budget, profile=profile)
    if kind == "replay":
        from mini_o3.policies.replay import Replay

        return Replay.read(rest, budget=budget, profile=profile)
    if kind == "human":
        from mini_o3.policies.human import Human

        return Human(
            budget=budget, profile=profile, say=say, folder=folder, ask=lambda prompt: _ask(prompt, say)
        )
    if kind == "teacher":
        from mini_o3.policies.teacher import Teacher

        return Teacher(tasks) if tasks else Teacher.for_picture(picture or "", question or "")
    raise UserError(f"--policy {spec}: no such policy; choose one of {CHOICES}")


def _ask(prompt: str, say: Callable[[str], None]) -> str:
    """A line of standard input. The prompt goes where the rest of the talk goes, not into the output."""
    say(prompt.strip())
    return input()


def _profile(prompts: str | None, dialect: str | None) -> PromptProfile | None:
    """The prompts asked for; those of a foreign dialect if only that is given; None: what the policy
    wants."""
    if dialect is None:
        return None if prompts is None else load_profile(prompts)
    spoken = load_dialect(dialect)
    if prompts is None and dialect == "mini_o3":
        return None  # which every policy speaks by itself, some with prompts of their own
    return replace(load_profile(prompts or spoken.profile), dialect=dialect)


def _budget(max_pixels: int | None, wanted: PixelBudget | None) -> PixelBudget | None:
    """What `wanted` is (None: what the policy wants), with no view larger than `max_pixels`."""
    if max_pixels is None:
        return wanted
    base = wanted or PixelBudget()
    try:
        return replace(base, max_pixels=max_pixels, min_pixels=min(base.min_pixels, max_pixels))
    except ValueError as error:
        raise UserError(f"--max-pixels {max_pixels}: {error}") from None

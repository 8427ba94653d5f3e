"""A policy from its specification."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mini_o3.episode import Policy, SearchTask
from mini_o3.kit.extras import require
from mini_o3.models.shipped import NANO_DIR, check_checkpoint, model_folder
from mini_o3.policies.spec import PolicySpec, is_released_model

OTHER_PROMPTS = (
    "released Mini-o3 weights were trained with other prompts than these and do worse without them; import"
    " the official ones with `mini-o3 prompts import constants.py` and give them as `prompts`"
)


def load_policy(
    spec: PolicySpec | str,
    *,
    tasks: Sequence[SearchTask] = (),
    asked: SearchTask | None = None,
    say: Callable[[str], None] = lambda line: None,
    folder: Path | None = None,
    on_text: Callable[[str], None] | None = None,
) -> Policy:
    """The policy that `spec` describes; a text is `PolicySpec(text)`, such as `nano` or `api:URL#MODEL`.

    Args:
        tasks: the probes among which the teacher finds the one it is asked.
        asked: the only question that will be asked; without `tasks` the teacher looks for the probe beside
            its picture.
        say, folder: how the human policy talks (its answers come from standard input), and where it leaves
            views.
        on_text: is told the turns of an endpoint while they are written.

    Raises:
        UserError: there is no such policy, or it cannot be built.
    """
    if isinstance(spec, str):
        spec = PolicySpec(spec)
    policy = _build(spec.drawn(1), tasks, asked, say, folder, on_text)
    if is_released_model(spec) and policy.profile.is_shipped:
        say(f"WARNING: {spec.policy}: {OTHER_PROMPTS}")
    return policy


def _build(
    spec: PolicySpec,
    tasks: Sequence[SearchTask],
    asked: SearchTask | None,
    say: Callable[[str], None],
    folder: Path | None,
    on_text: Callable[[str], None] | None,
) -> Policy:
    profile, budget = (spec.profile(), spec.budget())  # what is wrong is said before torch is loaded
    if spec.kind in ("nano", "hf"):
        check_checkpoint(model_folder(spec.rest or NANO_DIR))
        require("local", f"policy {spec.policy}")
        from mini_o3.policies.local import Local

        return Local.load(spec, say)
    if spec.kind == "reader":
        from mini_o3.policies.reader.policy import Reader

        return Reader(budget=budget, profile=profile)
    if spec.kind == "api":
        from mini_o3.kit.chat import ChatSettings, with_options
        from mini_o3.policies.api import Api

        settings = with_options(
            ChatSettings.parse(spec.rest, temperature=spec.temperature), dict(spec.endpoint)
        )
        if spec.turn_tokens is not None:
            settings = replace(settings, max_tokens=spec.turn_tokens)
        return Api(settings, budget=budget, profile=profile, note=say, on_text=on_text)
    if spec.kind == "replay":
        from mini_o3.policies.replay import Replay

        return Replay.read(spec.rest, budget=budget, profile=profile)
    if spec.kind == "human":
        from mini_o3.policies.human import Human

        return Human(
            budget=budget, profile=profile, say=say, folder=folder, ask=lambda prompt: _read_line(prompt, say)
        )
    from mini_o3.policies.teacher import Teacher

    if tasks or asked is None:
        return Teacher(tasks)
    return Teacher.for_picture(asked.picture, asked.question)


def _read_line(prompt: str, say: Callable[[str], None]) -> str:
    """A line of standard input. The prompt goes where the rest of the talk goes, not into the output."""
    say(prompt.strip())
    return input()

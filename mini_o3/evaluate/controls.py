"""The control experiments of an evaluation: name -> what each changes in the protocol."""

from __future__ import annotations

from typing import Any

_SHOWN = {"observations_black": {"views": "black"}, "observations_swapped": {"views": "swapped"}}


def controls(spec: str) -> dict[str, dict[str, Any]]:
    """The controls of a policy.

    Without a tool, a real model is asked directly, in the `direct` dialect, with and without the picture
    (what it can guess from the question alone); nano and scripts know one dialect, so they get one turn, or
    the picture is black.
    """
    if spec.startswith(("api:", "hf:")):
        direct = {"turns": 1, "dialect": "direct", "prompts": None}
        return {**_SHOWN, "no_tool": direct, "question_alone": {**direct, "views": "blind"}}
    return {**_SHOWN, "no_tool": {"turns": 1}, "nothing_seen": {"views": "blind"}}

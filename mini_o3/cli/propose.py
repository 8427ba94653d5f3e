"""Who gives a policy hints: `--propose`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from mini_o3.kit.errors import SettingError
from mini_o3.vision.proposer import RegionProposer

ProposeOption = Annotated[
    str | None,
    typer.Option("--propose", help="Boxes as hints in the first message: text, or grounding:CHECKPOINT."),
]


def load_proposer(spec: str | None, policy: str, say: Callable[[str], None]) -> RegionProposer | None:
    """The proposer that `spec` names; None if it names none.

    Only the reader was measured with hints, those of `text`; whoever takes others is told.

    Raises:
        UserError: there is no such proposer, or what it needs is missing.
    """
    if spec is None:
        return None
    kind, _, rest = spec.partition(":")
    if (kind, rest) != ("text", "") and not (kind == "grounding" and rest):
        raise SettingError("propose", "no such proposer; choose one of text, grounding:CHECKPOINT", spec)
    if (policy, spec) != ("reader", "text"):
        say(f"note: what {policy} makes of hints of {spec} was not measured")
    if kind == "text":
        from mini_o3.policies.reader.propose import TextProposer

        return TextProposer()
    from mini_o3.kit.extras import require

    require("local", f"proposer {spec}")
    from mini_o3.grounding.predict import GroundingProposer

    return GroundingProposer(rest)

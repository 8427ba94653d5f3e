"""`mini-o3 doctor`: what this machine, an endpoint or a checkpoint can do, and the settings to use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from mini_o3.cli.base import EndpointOption, app, endpoint_options, say
from mini_o3.kit.errors import SettingError

if TYPE_CHECKING:
    from mini_o3.doctor import Finding


@app.command()
def doctor(
    policy: Annotated[
        str | None,
        typer.Argument(help="api:URL#MODEL or hf:DIR; this machine if left out.", show_default=False),
    ] = None,
    endpoint: EndpointOption = None,
    short: Annotated[
        bool, typer.Option("--short", help="Send no long conversations and load no weights.")
    ] = False,
) -> None:
    """Examine a machine, an endpoint or a checkpoint, and print the settings to use.

    An endpoint is asked some twenty small questions about pictures that are made for it; with long
    conversations that is about 50,000 tokens. Ends with status 1 if something fails.
    """
    failed = False
    for finding in _findings(policy, endpoint, short):
        say(finding.line())
        failed = failed or finding.state.value == "FAILS"
    if failed:
        raise typer.Exit(1)


def _findings(policy: str | None, endpoint: list[str] | None, short: bool) -> Iterator[Finding]:
    import asyncio

    from mini_o3.doctor import examine_checkpoint, examine_endpoint, examine_machine
    from mini_o3.kit.chat import ChatSettings, with_options

    kind, _, rest = (policy or "").partition(":")
    if policy is None:
        yield from examine_machine()
    elif kind == "hf" and rest:
        yield from examine_checkpoint(rest, load=not short)
    elif policy == "nano":
        yield from examine_checkpoint("nano", load=not short)
    elif kind == "api" and rest:
        settings = with_options(ChatSettings.parse(rest), dict(endpoint_options(endpoint)))
        findings = examine_endpoint(settings, long=not short)
        with asyncio.Runner() as runner:
            while (found := runner.run(anext(findings, None))) is not None:  # type: ignore[arg-type]
                yield found
    else:
        raise SettingError("policy", "cannot be examined; give api:URL#MODEL, hf:DIR or nothing", policy)

"""`mini-o3 presets`: the settings that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mini_o3.cli.base import app, say
from mini_o3.kit.errors import UserError


@app.command("presets")
def presets_command(
    kind: Annotated[
        str | None, typer.Argument(help="protocols, suites, training ...; all if left out.")
    ] = None,
    name: Annotated[str | None, typer.Argument(help="Print this preset of the kind.")] = None,
    copy: Annotated[
        Path | None, typer.Option(help="Write the preset into this file instead, to change it.")
    ] = None,
) -> None:
    """List the shipped settings, print one, or copy it out."""
    from mini_o3.kit.files import write_text
    from mini_o3.presets import KINDS, preset, presets

    if kind is not None and kind not in KINDS:
        raise UserError(f"KIND {kind}: there is no such kind; choose one of {', '.join(KINDS)}")
    if copy is not None and name is None:
        raise UserError("--copy: name the preset to copy, as in: mini-o3 presets protocols paper --copy FILE")
    if name is None:
        for known in [kind] if kind else KINDS:
            say(f"{known}: {', '.join(presets(known))}")
        return
    assert kind is not None, "arguments come in order"
    text = preset(kind, name).read_text(encoding="utf-8")
    if copy is None:
        say(text.rstrip())
        return
    if copy.exists():
        raise UserError(f"--copy {copy}: is there already; give the name of a new file")
    write_text(copy, text)
    say(f"{copy}")

"""`mini-o3 probe`: pictures in which something small must be found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mini_o3.cli.base import Progress, app, say

probe_app = typer.Typer(no_args_is_help=True, help="Make pictures in which something small must be found.")
app.add_typer(probe_app, name="probe")


@probe_app.command("make")
def probe_make(
    level: Annotated[str, typer.Option(help="easy, medium or hard.")],
    count: Annotated[int, typer.Option(min=1, help="How many probes.")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures and tasks.jsonl.")],
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the first probe; below 500000000 only for training.")
    ] = 500_000_000,
    photos: Annotated[
        str | None, typer.Option(help="Hide things in photographs: a folder of pictures, or `bundled`.")
    ] = None,
) -> None:
    """Make probes: pictures with one question each, and everything about them known.

    The same seed gives the same probe. Run the same command again to go on after an interruption.
    """
    from mini_o3.probes.shapes.make import make_probes

    done = make_probes(level, count, seed, out, photos=photos, report=Progress("probes"))
    say(
        f"{done} probes in {out}; measure with: mini-o3 eval --tasks {out} --policy nano --turns 12 --out"
        f" {out}-nano"
    )

"""`mini-o3 probe build` and `probe readers`: a paper-sized set of pictures and questions, and how much search
it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mini_o3.cli.base import Progress, say
from mini_o3.cli.probe import probe_app


@probe_app.command("build")
def probe_build(
    out: Annotated[Path, typer.Option(help="Folder of the set.")],
    config: Annotated[str, typer.Option(help="Settings of the set: a preset, or a file.")] = "visual_probe",
    photos: Annotated[
        str | None,
        typer.Option(
            help="Photo mode: a folder of your own pictures, or `bundled`.", show_default="the config's"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes.", show_default="one for each core")
    ] = None,
) -> None:
    """Make a Visual Probe set: shelves, streets, crowds, maps, dashboards and photographs with questions
    about small things.

    The same settings give the same files. Run the same command again to go on after an interruption, or to
    check every file of a finished set against its hash.
    """
    from mini_o3.kit.config import read_config
    from mini_o3.presets import preset
    from mini_o3.probes.scenes import WorldConfig, build

    done = build(
        read_config(preset("scenes", config), WorldConfig, photos=photos),
        out,
        workers=workers,
        report=Progress("questions"),
    )
    say(f"{done} questions in {out}; what they are like: {out / 'dataset_card.md'}")


@probe_app.command("readers")
def probe_readers(folder: Annotated[Path, typer.Argument(help="Folder of a finished set.")]) -> None:
    """How much search a set takes: what readers that do not search get right, beside a searcher, level by
    level."""
    from mini_o3.probes.scenes.build import measure_readers

    for line in measure_readers(folder, report=Progress("questions")):
        say(line)
    say(f"{folder / 'readers.json'}")

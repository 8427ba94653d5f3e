"""`mini-o3 probe`: pictures in which something small must be found, and how much search they take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mini_o3.cli.base import Progress, app, say
from mini_o3.kit.errors import UserError

probe_app = typer.Typer(no_args_is_help=True, help="Make pictures in which something small must be found.")
make_app = typer.Typer(
    invoke_without_command=True, help="Make probes: pictures with questions, and everything about them known."
)
app.add_typer(probe_app, name="probe")
probe_app.add_typer(make_app, name="make")

LevelOption = Annotated[str, typer.Option(help="easy, medium or hard.")]
CountOption = Annotated[int, typer.Option(min=1, help="How many probes.")]
ShapesOutOption = Annotated[Path, typer.Option(help="Folder for the pictures and tasks.jsonl.")]
SeedOption = Annotated[
    int, typer.Option(min=0, help="Seed of the first probe; below 500000000 only for training.")
]
ShapesPhotosOption = Annotated[
    str | None, typer.Option(help="Hide things in photographs: a folder of pictures, or `bundled`.")
]


@make_app.command("shapes")
def make_shapes(
    level: LevelOption,
    count: CountOption,
    out: ShapesOutOption,
    seed: SeedOption = 500_000_000,
    photos: ShapesPhotosOption = None,
    absent: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the probes whose target is not there.")
    ] = 0.0,
    pictures: Annotated[int, typer.Option(min=1, max=6, help="Pictures that each question is about.")] = 1,
) -> None:
    """Coloured shapes with digits, one question each: the closed world that nano knows.

    The same seed gives the same probe. Run the same command again to go on after an interruption.
    """
    from mini_o3.probes.shapes.build import make_probes

    done = make_probes(
        level, count, seed, out, photos=photos, absent=absent, pictures=pictures, progress=Progress("probes")
    )
    say(
        f"{done} probes in {out}; measure with: mini-o3 eval --tasks {out} --policy nano --turns 12 --out"
        f" {out}-nano"
    )


@make_app.command("scenes")
def make_scenes(
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
    """Shelves, streets, crowds, maps, dashboards and photographs with questions about small things.

    The same settings give the same files. Run the same command again to go on after an interruption, or to
    check every file of a finished set against its hash.
    """
    from mini_o3.kit.config import read_config
    from mini_o3.presets import preset
    from mini_o3.probes.scenes import ScenesConfig, build

    done = build(
        read_config(preset("scenes", config), ScenesConfig, photos=photos),
        out,
        workers=workers,
        progress=Progress("questions"),
    )
    say(f"{done} questions in {out}; what they are like: {out / 'dataset_card.md'}")


@make_app.callback()
def make_without_kind(
    context: typer.Context,
    level: Annotated[str | None, typer.Option(hidden=True)] = None,
    count: Annotated[int | None, typer.Option(min=1, hidden=True)] = None,
    out: Annotated[Path | None, typer.Option(hidden=True)] = None,
    seed: Annotated[int, typer.Option(min=0, hidden=True)] = 500_000_000,
    photos: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Make probes: pictures with questions, and everything about them known."""
    # `probe make --level ...` made shapes before there were scenes, and `probe build` scenes.
    if context.invoked_subcommand is not None:
        return
    if level is None and count is None and out is None:
        say(context.get_help())
        raise typer.Exit(2)
    if level is None or count is None or out is None:
        raise UserError("probe make: give --level, --count and --out, or one of `shapes` and `scenes`")
    make_shapes(level, count, out, seed, photos)


probe_app.command("build", hidden=True)(make_scenes)


@probe_app.command("readers")
def probe_readers(folder: Annotated[Path, typer.Argument(help="Folder of a finished set.")]) -> None:
    """How much search a set takes: what readers that do not search get right, beside a searcher, level by
    level."""
    from mini_o3.probes.scenes.build import measure_readers

    for line in measure_readers(folder, progress=Progress("questions")):
        say(line)
    say(f"{folder / 'readers.json'}")

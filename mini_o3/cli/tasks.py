"""`mini-o3 tasks`: benchmarks and data sets as folders of tasks, what is in them, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mini_o3.cli.base import Progress, app, say
from mini_o3.kit.errors import UserError

tasks_app = typer.Typer(
    no_args_is_help=True, help="Import benchmarks and data sets, look at them, export tasks."
)
app.add_typer(tasks_app, name="tasks")

_FORMATS = (
    "vstar, hrbench, mme, visualprobe, deepeyes, coldstart, treebench, o3bench, coco, openimages, user or"
    " table"
)
FormatOption = Annotated[str, typer.Option("--format", help=f"What it is: auto, {_FORMATS}.")]
SeedOption = Annotated[
    int, typer.Option(min=0, help="Of orders of options that have to be drawn, and of questions about boxes.")
]


@tasks_app.command("import")
def tasks_import(
    source: Annotated[
        str, typer.Argument(help="Folder of a downloaded data set, one file of it, or hub:NAME[@REVISION].")
    ],
    out: Annotated[Path, typer.Option(help="Folder for tasks.jsonl and the pictures.")],
    format: FormatOption = "auto",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Stop after N tasks; the last row may bring a few more.")
    ] = None,
    seed: SeedOption = 0,
    on_error: Annotated[
        str,
        typer.Option(help="At a row with something wrong: stop, or skip it and list it in skipped.jsonl."),
    ] = "stop",
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy pictures that are files; else they are named where they lie.")
    ] = False,
    decode: Annotated[
        bool,
        typer.Option("--decode", help="Decode every picture, which also finds damage inside a file (slow)."),
    ] = False,
) -> None:
    """Turn a benchmark or data set into tasks: V* Bench, HR-Bench, MME-RealWorld, VisualProbe, DeepEyes and
    others, detection
    labels, or your own JSON lines.

    hub:vstar, hub:hrbench_4k, hub:visualprobe_hard and others are fetched from the Hugging Face hub first,
    any other data set as hub:ORG/NAME; source.json then holds the commit and the hash of every file.

    Run the same command again to go on after an interruption.
    """
    from mini_o3.benchmarks.importer import SKIPPED_FILE, import_tasks

    state = import_tasks(
        source,
        out,
        format=format,
        limit=limit,
        seed=seed,
        on_error=on_error,
        copy=copy,
        decode=decode,
        progress=Progress("tasks"),
    )
    say(f"{state.tasks} tasks in {out} (format {state.format})")
    if state.skipped:
        say(f"{state.skipped} rows skipped: {out / SKIPPED_FILE}")
    if state.silent:
        say(f"{state.silent} rows hold no question, or their picture is not there")
    if state.repeated:
        say(f"{state.repeated} tasks repeat an earlier one")
    say(f"look at them with: mini-o3 tasks inspect {out}")


@tasks_app.command("inspect")
def tasks_inspect(
    source: Annotated[Path, typer.Argument(help="Folder of tasks, or anything that can be imported.")],
    format: FormatOption = "auto",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N tasks.")] = None,
    seed: SeedOption = 0,
    examples: Annotated[
        int, typer.Option(min=0, max=200, help="Pictures on the sheet of examples; 0 for no sheet.")
    ] = 24,
    sheet: Annotated[
        Path | None, typer.Option(help="File of the sheet. [default: runs/inspect/NAME.jpg]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON, nothing else.")] = False,
) -> None:
    """Count what is in it: pictures, answers, categories, options, groups, boxes; and draw a sheet of
    examples."""
    from mini_o3.benchmarks.sheet import Sheet
    from mini_o3.benchmarks.survey import survey
    from mini_o3.kit.files import to_json

    chosen = Sheet(examples) if examples else None
    found = survey(source, format=format, seed=seed, limit=limit, sheet=chosen, progress=Progress("tasks"))
    if as_json:
        print(to_json(found.to_dict()))
    else:
        for line in found.lines():
            say(line)
    if chosen and chosen.kept:
        path = sheet or Path("runs/inspect") / f"{source.resolve().name}.jpg"
        try:
            chosen.save(path)
        except OSError as error:
            raise UserError(f"--sheet {path}: cannot be written ({error.strerror or error})") from None
        if not as_json:
            say(f"{len(chosen.kept)} examples: {path}")


@tasks_app.command("export")
def tasks_export(
    source: Annotated[Path, typer.Argument(help="Folder with tasks.jsonl.")],
    out: Annotated[Path, typer.Option(help="Folder that gets VisualProbe_SPLIT/.")],
    format: Annotated[str, typer.Option("--format", help="Only visualprobe.")] = "visualprobe",
    split: Annotated[str, typer.Option(help="train, easy, medium or hard.")] = "hard",
) -> None:
    """Write tasks in the layout of the released VisualProbe files, which Mini-o3's own training and
    evaluation read.

    Run the same command again to go on after an interruption.
    """
    from mini_o3.benchmarks.visualprobe import write_visualprobe
    from mini_o3.episode import read_tasks

    if format != "visualprobe":
        raise UserError(f"--format {format}: tasks are exported as visualprobe")
    tasks = read_tasks(source)
    if split != "train" and len({task.level for task in tasks}) > 1:  # a split of the release is one level
        tasks = [task for task in tasks if task.level == split]
    path = write_visualprobe(tasks, out, split)
    say(f"{path}")

"""`mini-o3 interop`: files for other evaluation programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mini_o3.cli.base import Progress, app, say

interop_app = typer.Typer(no_args_is_help=True, help="Files for other evaluation programs.")
app.add_typer(interop_app, name="interop")

OnlyOption = Annotated[
    str | None,
    typer.Option(help="Only tasks with options (choice), or without (open). [default: all, if of one kind]"),
]


@interop_app.command("vlmevalkit-tasks")
def vlmevalkit_tasks(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with tasks.jsonl.")],
    out: Annotated[
        Path, typer.Option(help="The table, NAME.tsv; VLMEvalKit finds it in $LMUData as the data set NAME.")
    ],
    only: OnlyOption = None,
) -> None:
    """Write tasks as a data set of VLMEvalKit: one table with the pictures in it."""
    from mini_o3.episode import read_tasks
    from mini_o3.interop.vlmevalkit import write_tasks

    written = write_tasks(read_tasks(source), out, only=only, progress=Progress("tasks"))
    say(f"{out}: {written.rows} tasks, {written.pictures} pictures")
    if written.lost:
        say(
            f"{written.lost} tasks have an option or answer such as `None` or `NA`, which VLMEvalKit reads as"
            " an empty cell"
        )


@interop_app.command("vlmevalkit-predictions")
def vlmevalkit_predictions(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `mini-o3 eval --out` wrote.")],
    out: Annotated[
        Path, typer.Option(help="MODEL_NAME.tsv, .json or .xlsx (with openpyxl), as VLMEvalKit names it.")
    ],
    seed: Annotated[int, typer.Option(min=0, help="Which of an evaluation's samples.")] = 0,
    tasks: Annotated[
        Path | None,
        typer.Option(help="Folder with tasks.jsonl.", show_default="the one that was measured on"),
    ] = None,
    only: OnlyOption = None,
) -> None:
    """Write what an evaluation answered as predictions that VLMEvalKit can score, in the rows of
    `vlmevalkit-tasks`.

    An episode that ended without an answer is written as a refusal, which counts as wrong. Tasks that were
    not asked, or at which the policy failed, are left out.
    """
    from mini_o3.interop.vlmevalkit import write_predictions

    made = write_predictions(folder, out, seed=seed, tasks=tasks, only=only)
    say(f"{out}: {made.rows} predictions of sample {seed}, {made.unanswered} of them without an answer")
    if made.failed or made.missing:
        say(f"left out: {made.failed} tasks at which the policy failed, {made.missing} that were not asked")

"""`mini-o3 report`: an evaluation, or somebody else's log, as one page."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from mini_o3.cli.base import Progress, app, say
from mini_o3.kit.errors import UserError


@app.command("report")
def report_command(
    log: Annotated[
        Path,
        typer.Argument(
            metavar="LOG", help="A folder of `mini-o3 eval` or of `mini-o3 train`, or a log (see below)."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="File for the page.",
            show_default="LOG/report.html of an evaluation or a training, else report.html",
        ),
    ] = None,
    most: Annotated[
        int, typer.Option(min=1, help="Episodes that can be looked at on the page; wrong ones come first.")
    ] = 200,
    picture: Annotated[
        Path | None, typer.Option(help="The original picture of all records of a log.")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder with a log's original pictures, by name.")
    ] = None,
    dialect: Annotated[
        str | None,
        typer.Option(help="In which a log's turns are written.", show_default="guessed from the turns"),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            help="Judge a log, as for `mini-o3 judge run`.", show_default="the log's scores, or the words"
        ),
    ] = None,
) -> None:
    """Write one self-contained HTML page. Of an evaluation: figures, charts, protocol, and a browser of the
    episodes. Of a training: its curves and settings.

    These logs are read too: a Mini-o3 `traj.jsonl` or a folder of them; OpenAI messages in .json or .jsonl;
    verl rollout dumps (`input`, `output`, `gts`, `score`), which need --picture or --pictures; an
    `episodes.jsonl`. Their turns are played again by the rules on the original picture.
    """
    from mini_o3.episode import EPISODES_FILE
    from mini_o3.evaluate.metrics import summarise
    from mini_o3.evaluate.protocol import PROTOCOL_FILE
    from mini_o3.evaluate.report import read_judged, write_report
    from mini_o3.kit.files import make_folder
    from mini_o3.show.report_page import write_page
    from mini_o3.show.training_page import training_log, write_training_page

    if log.is_dir() and not (log / PROTOCOL_FILE).is_file() and (log / EPISODES_FILE).is_file():
        log = log / EPISODES_FILE  # a collection, or an import
    draw, measured = Progress("pictures"), (log / PROTOCOL_FILE).is_file()
    trained = log.is_dir() and not measured and training_log(log) is not None
    out = out or (log if measured or trained else Path()) / "report.html"
    if out.is_dir():
        raise UserError(f"--out {out}: is a folder; name the file, such as {out / 'report.html'}")
    make_folder(out.parent)
    if trained:
        say(write_training_page(log, out))
        return
    if measured:
        rows = read_judged(log)
        figures = write_report(log, rows=rows)
        say(
            write_page(
                out,
                rows,
                figures,
                title=f"Evaluation {log.resolve().name}",
                protocol=figures["protocol"],
                most=most,
                progress=draw,
            )
        )
        return
    from mini_o3.interop.logs.read import read_log
    from mini_o3.judge import make_judge

    with tempfile.TemporaryDirectory(prefix="mini-o3-report-") as scratch:
        found = read_log(
            log,
            Path(scratch),
            picture=picture,
            pictures=pictures,
            dialect=dialect,
            judge=make_judge(judge) if judge else None,
            progress=Progress("episodes"),
        )
        protocol: dict[str, Any] = {
            "log": str(log),
            "layout": found.layout,
            "dialect": found.dialect,
            "verdicts": judge or "the log's own scores; without them equal words are right, others unjudged",
            "limits": "every recorded turn is played; curves are over what was recorded",
        }
        say(
            write_page(
                out,
                found.rows,
                summarise(found.rows),
                title=f"Log {log.resolve().name}",
                protocol=protocol,
                figures=found.figures,
                most=most,
                progress=draw,
            )
        )

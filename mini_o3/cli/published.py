"""`mini-o3 published`: what others report, beside which one's own numbers can be read."""

from __future__ import annotations

from typing import Annotated

import typer

from mini_o3.cli.base import app, say
from mini_o3.kit.errors import UserError


@app.command("published")
def published_command(
    benchmarks: Annotated[
        list[str] | None,
        typer.Argument(help="Benchmarks, named as tasks name their source: vstar, hrbench_4k, ..."),
    ] = None,
) -> None:
    """Print the numbers that others have published, with who measured them and where they stand."""
    from mini_o3.benchmarks.published import TITLES, benchmark_of, published, to_markdown

    for name in benchmarks or ():
        if benchmark_of(name) is None:
            raise UserError(f"{name}: no published numbers; choose from {', '.join(TITLES)}")
    say(to_markdown(published(benchmarks or ())).rstrip())

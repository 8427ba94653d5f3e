"""`mini-o3 find`: one thing looked for in many pictures."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from mini_o3.cli.base import (
    DialectOption,
    EndpointOption,
    MaxCostOption,
    MaxPixelsOption,
    MaxRequestsOption,
    MaxTokensOption,
    PolicyOption,
    PricesOption,
    Progress,
    PromptsOption,
    TurnsOption,
    TurnTokensOption,
    app,
    budget_spent,
    endpoint_options,
    err,
    say,
)
from mini_o3.kit.files import to_json


@app.command()
def find(
    query: Annotated[str, typer.Argument(help="What to look for: a phrase, or a question.")],
    places: Annotated[list[str], typer.Argument(help="Folders, files, patterns, archives, videos.")],
    policy: PolicyOption = "nano",
    turns: TurnsOption = 32,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N pictures.")] = None,
    like: Annotated[
        Path | None,
        typer.Option("--like", help="A picture of it: those that look like it are searched first."),
    ] = None,
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="With --like: only the N that look most like it.")
    ] = None,
    every: Annotated[float, typer.Option("--every", help="Seconds between looks at a clip.")] = 1.0,
    finer: Annotated[
        int, typer.Option("--finer", min=0, help="Around a hit in a clip N more looks before and after it.")
    ] = 3,
    concurrent: Annotated[int, typer.Option("--concurrent", min=1, help="Searches at the same time.")] = 16,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Only files of the same content are searched once, no near copies."),
    ] = False,
    pages: Annotated[
        str, typer.Option("--pages", help="Which searches get a page of their own: all, found or none.")
    ] = "all",
    max_pixels: MaxPixelsOption = None,
    prompts: PromptsOption = None,
    dialect: DialectOption = None,
    endpoint: EndpointOption = None,
    turn_tokens: TurnTokensOption = None,
    prices: PricesOption = None,
    max_requests: MaxRequestsOption = None,
    max_tokens: MaxTokensOption = None,
    max_cost: MaxCostOption = None,
    lines: Annotated[int, typer.Option("--lines", min=0, help="Lines of the table.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as one line of JSON.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the results. [default: runs/find/, by query and policy]"),
    ] = None,
) -> None:
    """Look for one thing in many pictures, each by itself.

    Writes a folder with `hits.jsonl`, `hits.csv`, `coco.json` and `index.html`, a contact sheet that opens
    every search. Run the same command again to go on after an interruption. Exit status: 0 found somewhere,
    3 nowhere, 4 nowhere and somewhere given up, 5 nowhere and somewhere stopped by a limit, 1 nowhere and
    something failed, 2 bad input, 6 stopped by a budget, 130 interrupted.
    """
    from mini_o3.finding import run
    from mini_o3.finding.found import Interrupted
    from mini_o3.finding.outputs import table_lines
    from mini_o3.kit.metering import Budget, Meter
    from mini_o3.kit.usage import read_prices
    from mini_o3.policies.spec import PolicySpec
    from mini_o3.show.result import EXIT_CODES

    meter = Meter(Budget(max_requests, max_tokens, max_cost), read_prices(prices) if prices else {})
    interrupted = False
    try:
        found = run.find(
            query,
            *places,
            policy=PolicySpec(
                policy,
                max_pixels,
                prompts,
                dialect,
                turn_tokens=turn_tokens,
                endpoint=endpoint_options(endpoint),
            ),
            out=out or Path("runs/find") / _name(query, policy),
            turns=turns,
            limit=limit,
            like=like,
            top=top,
            every=every,
            finer=finer,
            concurrent=concurrent,
            near=not exact,
            pages=pages,
            meter=meter,
            progress=Progress,
            note=err,
        )
    except Interrupted as stopped:
        found, interrupted = stopped.found, True
    if as_json:
        print(to_json(found.to_dict()))
    else:
        for line in [*table_lines(found.results, lines), *found.lines()]:
            say(line)
        say(f"open {found.page}")
    if interrupted:
        err("interrupted; what was finished is kept: run the same command again to go on")
        sys.exit(130)
    budget_spent(meter.spent if found.halted else None)
    sys.exit(EXIT_CODES.get(found.status, 0))


def _name(query: str, policy: str) -> str:
    """A folder name for a query and a policy, the same each time."""
    words = re.sub(r"[^a-z0-9]+", "-", query.lower())[:40].strip("-")
    return f"{words}-{hashlib.sha256(f'{query} {policy}'.encode()).hexdigest()[:6]}"

"""`mini-o3 ask`: one question about one picture."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from mini_o3.cli.base import (
    DialectOption,
    EndpointOption,
    MaxPixelsOption,
    PolicyOption,
    PromptsOption,
    TemperatureOption,
    TurnsOption,
    app,
    endpoint_options,
    err,
    say,
)
from mini_o3.kit.files import to_json


@app.command()
def ask(
    picture: Annotated[str, typer.Argument(help="A picture file.")],
    question: Annotated[str, typer.Argument(help="What you want to know about it.")],
    policy: PolicyOption = "nano",
    turns: TurnsOption = 32,
    max_pixels: MaxPixelsOption = None,
    prompts: PromptsOption = None,
    dialect: DialectOption = None,
    samples: Annotated[
        int, typer.Option("--samples", min=1, max=64, help="Searches; the most frequent answer is taken.")
    ] = 1,
    temperature: TemperatureOption = None,
    endpoint: EndpointOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print status, answer, evidence and record as one line of JSON.")
    ] = False,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="With --json: token ids and log-probabilities, too.")
    ] = False,
    prices: Annotated[
        Path | None,
        typer.Option(help="TOML file of prices per million tokens, a table [MODEL] each; gives the cost."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the record and the page. [default: runs/ask/TIME]"),
    ] = None,
) -> None:
    """Ask one question about one picture, and watch the search.

    Writes a folder with `episode.json`, `episodes.jsonl` and `episode.html`, a page that needs nothing else.
    Several searches (`--samples`) go on at the same time and vote. Exit status: 0 answered, 3 not found, 4
    given up, 5 stopped by a limit, 1 failed, 2 bad input, 130 interrupted.
    """
    from mini_o3 import asking
    from mini_o3.kit.usage import read_prices
    from mini_o3.policies.spec import PolicySpec
    from mini_o3.show.result import EXIT_CODES, result_of

    price = read_prices(prices).get(policy.rpartition("#")[2]) if prices else None
    interrupted = False
    try:
        asked = asking.ask(
            picture,
            question,
            PolicySpec(
                policy, max_pixels, prompts, dialect, temperature, endpoint=endpoint_options(endpoint)
            ),
            turns=turns,
            samples=samples,
            out=out or Path("runs/ask") / time.strftime("%Y%m%d-%H%M%S"),
            say=(lambda line: None) if as_json else say,
            note=err,
        )
    except asking.Interrupted as stopped:
        asked, interrupted = stopped.asked, True
    if as_json:
        print(to_json(result_of(asked.episode, price, tokens)))
    else:
        if price and asked.episode.usage.is_known:
            say(f"cost      {price.of(asked.episode.usage):.4f}")
        say(f"open {asked.page}")
    if interrupted:
        sys.exit(130)
    sys.exit(EXIT_CODES[asked.episode.status])

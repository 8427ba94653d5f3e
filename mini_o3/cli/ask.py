"""`mini-o3 ask`: one question about one picture or several."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mini_o3.cli.base import (
    BUDGET_SPENT,
    DeviceOption,
    DialectOption,
    EndpointOption,
    MaxCostOption,
    MaxPixelsOption,
    MaxRequestsOption,
    MaxTokensOption,
    PolicyOption,
    PricesOption,
    PromptsOption,
    TemperatureOption,
    TurnsOption,
    TurnTokensOption,
    app,
    endpoint_options,
    err,
    in_options,
    say,
)
from mini_o3.cli.propose import ProposeOption, load_proposer
from mini_o3.kit.files import to_json

if TYPE_CHECKING:
    from mini_o3.show.terminal import Typing


@app.command()
def ask(
    pictures: Annotated[list[str], typer.Argument(help="A picture file, or several.")],
    question: Annotated[str, typer.Argument(help="What you want to know about them.")],
    policy: PolicyOption = "nano",
    turns: TurnsOption = 32,
    max_pixels: MaxPixelsOption = None,
    prompts: PromptsOption = None,
    dialect: DialectOption = None,
    samples: Annotated[
        int, typer.Option("--samples", min=1, max=64, help="Searches; the most frequent answer is taken.")
    ] = 1,
    temperature: TemperatureOption = None,
    turn_tokens: TurnTokensOption = None,
    device: DeviceOption = None,
    endpoint: EndpointOption = None,
    propose: ProposeOption = None,
    stream: Annotated[
        bool | None,
        typer.Option(
            "--stream/--no-stream",
            help="Show the turns of an endpoint while they are written.",
            show_default="on a terminal",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print status, answer, evidence and record as one line of JSON.")
    ] = False,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="With --json: token ids and log-probabilities, too.")
    ] = False,
    prices: PricesOption = None,
    max_requests: MaxRequestsOption = None,
    max_tokens: MaxTokensOption = None,
    max_cost: MaxCostOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the record and the page. [default: runs/ask/TIME]"),
    ] = None,
) -> None:
    """Ask one question about one picture or several, and watch the search.

    Writes a folder with `episode.json`, `episodes.jsonl` and `episode.html`, a page that needs nothing else.
    Several searches (`--samples`) go on at the same time and vote. Exit status: 0 answered, 3 not found, 4
    given up, 5 stopped by a limit, 6 stopped by a budget (--max-requests, --max-tokens, --max-cost), 1
    failed, 2 bad input, 130 interrupted. With the same --out a search that a budget or a failing endpoint
    stopped goes on with its next turn.
    """
    from mini_o3 import asking
    from mini_o3.kit.metering import Budget, Meter
    from mini_o3.kit.usage import read_prices
    from mini_o3.policies.spec import PolicySpec
    from mini_o3.show.result import EXIT_CODES, result_of

    meter = Meter(Budget(max_requests, max_tokens, max_cost), read_prices(prices) if prices else {})
    interrupted = False
    try:
        asked = asking.ask(
            pictures,
            question,
            PolicySpec(
                policy,
                max_pixels,
                prompts,
                dialect,
                temperature,
                turn_tokens,
                endpoint=endpoint_options(endpoint),
                device=device,
            ),
            turns=turns,
            samples=samples,
            meter=meter,
            propose=load_proposer(propose, policy, err),
            typing=_typing(policy, samples == 1 and not as_json, stream),
            out=out or Path("runs/ask") / time.strftime("%Y%m%d-%H%M%S"),
            say=(lambda line: None) if as_json else say,
            note=err,
        )
    except asking.Interrupted as stopped:
        asked, interrupted = stopped.asked, True
    if as_json:
        print(to_json(result_of(asked.episode, meter.price_of(asked.episode.policy), tokens)))
    else:
        if meter.cost:
            say(f"cost      {meter.cost:.4f}" + (f" of {samples} searches" if samples > 1 else ""))
        say(f"open {asked.page}")
    if interrupted:
        sys.exit(130)
    if meter.spent and asked.answer is None:
        err(
            in_options(
                f"{meter.spent}; {asked.folder} goes on with the same --out", typer.main.get_command(app)
            )
        )
        sys.exit(BUDGET_SPENT)
    sys.exit(EXIT_CODES[asked.episode.status])


def _typing(policy: str, can: bool, wanted: bool | None) -> Typing | None:
    from mini_o3.show.terminal import Typing

    if not (can and policy.startswith("api:") and (sys.stdout.isatty() if wanted is None else wanted)):
        return None
    return Typing(lambda text: print(text, end="", flush=True))

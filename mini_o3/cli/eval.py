"""`mini-o3 eval`: how good a policy is, by a protocol that is saved with the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mini_o3.cli.base import (
    DeviceOption,
    DialectOption,
    EndpointOption,
    JudgeEndpointOption,
    MaxCostOption,
    MaxPixelsOption,
    MaxRequestsOption,
    MaxTokensOption,
    PricesOption,
    Progress,
    PromptsOption,
    TemperatureOption,
    TurnTokensOption,
    app,
    budget_spent,
    endpoint_options,
    err,
    say,
)
from mini_o3.cli.propose import ProposeOption, load_proposer
from mini_o3.kit.errors import UserError

eval_app = typer.Typer(
    invoke_without_command=True,
    no_args_is_help=True,
    help="Measure a policy on tasks, by a protocol that is saved with the numbers.",
)
app.add_typer(eval_app, name="eval")


@eval_app.callback()
def evaluate_command(
    context: typer.Context,
    tasks: Annotated[Path | None, typer.Option(help="Folder with tasks.jsonl.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report and the episodes.")] = None,
    policy: Annotated[
        str,
        typer.Option(help="Who decides: nano, reader, teacher, human, replay:FILE, hf:DIR or api:URL#MODEL."),
    ] = "nano",
    protocol: Annotated[
        str | None,
        typer.Option(
            help="paper, official-readme, released, greedy, or a file; options given here win over it."
        ),
    ] = None,
    turns: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Turns an episode may take. [default: 32]")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Episodes per task; K of them give Avg@K. [default: 1]")
    ] = None,
    temperature: TemperatureOption = None,
    judge: Annotated[str | None, typer.Option(help="As for `mini-o3 judge run`. [default: auto]")] = None,
    max_pixels: MaxPixelsOption = None,
    prompts: PromptsOption = None,
    dialect: DialectOption = None,
    turn_tokens: TurnTokensOption = None,
    endpoint: EndpointOption = None,
    propose: ProposeOption = None,
    judge_endpoint: JudgeEndpointOption = None,
    views: Annotated[
        str | None, typer.Option(help="A control experiment: black, swapped or blind. [default: honest]")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N tasks.")] = None,
    shard: Annotated[
        str | None, typer.Option(help="Only part i of n, as i/n; see `mini-o3 eval merge`.")
    ] = None,
    faithfulness: Annotated[
        bool,
        typer.Option("--faithfulness", help="Then the control experiments: is it the looking that helps?"),
    ] = False,
    check_curve: Annotated[
        int, typer.Option(min=0, help="Then run N episodes again at 8 turns: the curve must hold for them.")
    ] = 0,
    against: Annotated[
        str | None,
        typer.Option(
            help="A figure to read the accuracy beside: published:KEY, with a key of `mini-o3 published`."
        ),
    ] = None,
    concurrent: Annotated[
        int, typer.Option(min=1, help="Episodes at the same time; a person always plays one.")
    ] = 16,
    device: DeviceOption = None,
    max_requests: MaxRequestsOption = None,
    max_tokens: MaxTokensOption = None,
    max_cost: MaxCostOption = None,
    prices: PricesOption = None,
) -> None:
    """Measure a policy: accuracy with its error, the curve over turn limits, how episodes ended.

    Run the same command again to go on after an interruption. Budgets (--max-requests, --max-tokens,
    --max-cost) are of policy and judge together, over all starts; the command then ends with status 6, and
    goes on with a larger one.
    """
    if context.invoked_subcommand is not None:
        return
    from mini_o3.evaluate.evaluation import always_failed, run_evaluation
    from mini_o3.evaluate.report import first_error
    from mini_o3.kit.metering import Budget
    from mini_o3.kit.usage import read_prices

    if tasks is None or out is None:
        raise UserError(
            f"{'--tasks' if tasks is None else '--out'}: is missing; `mini-o3 eval --help` shows all options"
        )
    report = run_evaluation(
        tasks,
        policy,
        out,
        protocol=protocol,
        limit=limit,
        shard=shard,
        faithfulness=faithfulness,
        check_curve=check_curve,
        against=against,
        concurrent=concurrent,
        propose=load_proposer(propose, policy, err),
        device=device,
        budget=Budget(max_requests, max_tokens, max_cost),
        prices=read_prices(prices) if prices else {},
        progress=Progress,
        say=say,
        note=err,
        turns=turns,
        samples=samples,
        temperature=temperature,
        judge=judge,
        max_pixels=max_pixels,
        prompts=prompts,
        dialect=dialect,
        turn_tokens=turn_tokens,
        endpoint=endpoint_options(endpoint) or None,
        judge_endpoint=endpoint_options(judge_endpoint, "judge_endpoint") or None,
        views=views,
    )
    _tell(report, out)
    budget_spent(report.get("budget_spent"))
    if always_failed(report):
        raise UserError(
            f"--policy {policy}: failed at every task ({first_error(out)}); mend it, then run the same"
            " command again"
        )


@eval_app.command("diff")
def diff(
    first: Annotated[Path, typer.Argument(help="A folder that `mini-o3 eval --out` wrote.")],
    second: Annotated[Path, typer.Argument(help="Another.")],
    html: Annotated[
        Path | None, typer.Option(help="File for a page with the tasks that flipped, side by side.")
    ] = None,
) -> None:
    """Compare two evaluations: first how they were made, then what came out, paired by task."""
    from mini_o3.evaluate.compare import compare, to_lines

    lines = to_lines(compare(first, second), first, second)
    for line in lines:
        say(line)
    if html is not None:
        from mini_o3.evaluate.report import read_judged
        from mini_o3.show.diff_page import flips, write_diff

        found = flips(read_judged(first), read_judged(second))
        say(write_diff(html, (first.name, second.name), lines, found))


@eval_app.command("merge")
def merge(
    folders: Annotated[list[Path], typer.Argument(help="All shards of one evaluation.")],
    out: Annotated[Path, typer.Option(help="Folder for the whole.")],
) -> None:
    """Put the shards of an evaluation together."""
    from mini_o3.evaluate.shards import merge as run

    _tell(run(folders, out), out)


@eval_app.command("report")
def report(folder: Annotated[Path, typer.Argument(help="A folder that `mini-o3 eval --out` wrote.")]) -> None:
    """Write the report of an evaluation again, after `mini-o3 judge run` has filled in verdicts."""
    from mini_o3.evaluate.report import write_report

    _tell(write_report(folder), folder)


def _tell(report: dict[str, Any], folder: Path) -> None:
    from mini_o3.evaluate.report import summary_lines

    for line in summary_lines(report):
        say(line)
    say(f"{folder / 'report.md'}, report.json")

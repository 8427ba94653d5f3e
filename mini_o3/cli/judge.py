"""`mini-o3 judge`: verdicts on recorded episodes, and how far two judges agree."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mini_o3.cli.base import (
    EndpointOption,
    MaxCostOption,
    MaxRequestsOption,
    MaxTokensOption,
    PricesOption,
    Progress,
    app,
    budget_spent,
    endpoint_options,
    say,
)
from mini_o3.kit.errors import UserError

if TYPE_CHECKING:
    from mini_o3.episode.store import Key
    from mini_o3.judge import Judge, Verdict
    from mini_o3.judge.folder import Attempt
    from mini_o3.kit.metering import Meter

CACHE_FILE = "judge_cache.jsonl"

judge_app = typer.Typer(
    no_args_is_help=True, help="Verdicts on recorded episodes, and how far two judges agree."
)
app.add_typer(judge_app, name="judge")

FolderArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="A folder that `mini-o3 eval --out` wrote.")
]
TasksOption = Annotated[
    Path | None, typer.Option(help="Folder with tasks.jsonl.", show_default="the one that was measured on")
]
CacheOption = Annotated[
    Path | None,
    typer.Option(help="File that keeps what a model has judged.", show_default=f"DIR/{CACHE_FILE}"),
]
ConcurrentOption = Annotated[int, typer.Option(min=1, help="Requests to a model at the same time.")]
_JUDGES = (
    "auto, exact, choice, choice-mme, llm:URL#MODEL[,prompt=FILE], or rules first, such as"
    " exact+llm:URL#MODEL"
)


@judge_app.command("run")
def judge_run(
    folder: FolderArgument,
    judge: Annotated[str, typer.Option(help=f"Who judges: {_JUDGES}.")] = "auto",
    tasks: TasksOption = None,
    out: Annotated[
        Path | None, typer.Option(help="File for the verdicts.", show_default="DIR/verdicts.jsonl")
    ] = None,
    cache: CacheOption = None,
    concurrent: ConcurrentOption = 16,
    endpoint: EndpointOption = None,
    max_requests: MaxRequestsOption = None,
    max_tokens: MaxTokensOption = None,
    max_cost: MaxCostOption = None,
    prices: PricesOption = None,
) -> None:
    """Judge the episodes of a folder into `verdicts.jsonl`: only those without a verdict, and those left
    unjudged.

    A budget (--max-requests, --max-tokens, --max-cost) holds over all starts; met, it ends the command with
    status 6. An answer at which a judge fails stays unjudged and is in no figure; the command then ends with
    status 1.
    Run it again to judge it, also after an interruption. The policy is not asked again.

    After `llm:URL#MODEL` there may be `,prompt=FILE`, `,max_tokens=N`, `,timeout=SECONDS` and `,attempts=N`.
    The prompt is a text in which `{question}`, `{truth}` and `{answer}` are filled in; a line `---` ends its
    system message, if it has one. The key of the endpoint comes from MINI_O3_JUDGE_API_KEY, MINI_O3_API_KEY
    or OPENAI_API_KEY.
    """
    from mini_o3.judge.folder import judge_folder
    from mini_o3.judge.llm import spent_on_judging
    from mini_o3.kit.metering import Budget, Meter
    from mini_o3.kit.run import folder_lock
    from mini_o3.kit.usage import read_prices

    meter = Meter(Budget(max_requests, max_tokens, max_cost), read_prices(prices) if prices else {})
    for model, requests, usage in spent_on_judging(cache or folder / CACHE_FILE):
        meter.count(requests, usage.total, usage, model)
    made = _made(judge, folder, cache, concurrent, endpoint_options(endpoint), meter)
    with folder_lock(folder) if folder.is_dir() else nullcontext():
        tally = judge_folder(
            folder, made, tasks=tasks, out=out, concurrent=concurrent, progress=Progress("episodes judged")
        )
    say(tally.headline())
    for line in tally.reasons():
        say(f"  {line}")
    if meter.usage.is_known:
        say(f"judge: {meter.words}")
    if tally.failed:
        budget_spent(meter.spent)
    if tally.failed:
        raise typer.Exit(1)


@judge_app.command("agree")
def judge_agree(
    folder: FolderArgument,
    judge: Annotated[
        list[str] | None, typer.Option(help=f"A judge to compare; may be given twice: {_JUDGES}.")
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Verdicts to compare: a verdicts.jsonl, or a folder that holds it."),
    ] = None,
    tasks: TasksOption = None,
    cache: CacheOption = None,
    concurrent: ConcurrentOption = 16,
) -> None:
    """Compare two judges on the same episodes: counts, raw agreement, Cohen's kappa with its error, the
    disagreements.

    Two of --judge and --against; if only one is given, the other is the folder's own `verdicts.jsonl`. Writes
    no verdicts.
    """
    from mini_o3.judge.agreement import agreement
    from mini_o3.judge.folder import read_attempts

    rows = read_attempts(folder, tasks)
    files = list(against or [])
    if len(judge or []) + len(files) == 1:
        files.insert(0, folder)
    if len(judge or []) + len(files) != 2:
        raise UserError("judge agree: give two judges: --judge twice, --against FILE twice, or one of each")
    named = [_from_file(path) for path in files]
    made = [_made(spec, folder, cache, concurrent) for spec in judge or []]
    named += [(one.name, _verdicts(one, rows, concurrent)) for one in made]
    (first, ones), (second, others) = named
    keys = [row for row in rows if row.key in ones and row.key in others]
    found = agreement((ones[row.key], others[row.key]) for row in keys)
    for line in found.table(first, second):
        say(line)
    say("")
    if found.raw is None:
        say(
            f"no answer was judged by both ({len(keys)} episodes, {len(rows) - len(keys)} without a verdict"
            " of both)"
        )
    else:
        kappa = (
            "not defined: both gave one verdict only"
            if found.kappa is None
            else f"{found.kappa:.3f} +- {found.stderr:.3f}"
        )
        say(f"agreement {found.raw:.3f} on {found.both} answers judged by both, Cohen's kappa {kappa}")
    for row in keys:
        one, other = ones[row.key], others[row.key]
        if one.is_judged and other.is_judged and one.kind is not other.kind:
            _show(row, one, other)


def _from_file(path: Path) -> tuple[str, dict[Key, Verdict]]:
    from mini_o3.judge.record import VerdictStore

    store = VerdictStore(path)
    if not store.path.is_file():
        raise UserError(f"{store.path}: no such file; make it with: mini-o3 judge run {store.path.parent}")
    return f"{' and '.join(store.judges)} ({store.path})", store.verdicts


def _made(
    spec: str,
    folder: Path,
    cache: Path | None,
    concurrent: int,
    endpoint: dict[str, str] | None = None,
    meter: Meter | None = None,
) -> Judge:
    from mini_o3.judge import make_judge

    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give one that `mini-o3 eval --out` wrote")
    return make_judge(
        spec, cache=cache or folder / CACHE_FILE, concurrent=concurrent, endpoint=endpoint or {}, meter=meter
    )


def _verdicts(judge: Judge, rows: list[Attempt], concurrent: int) -> dict[Key, Verdict]:
    from mini_o3.judge.folder import ask_judge

    found: dict[Key, Verdict] = {}

    def note(row: Attempt, verdict: Verdict) -> None:
        found[row.key] = verdict

    ask_judge(rows, judge, note, concurrent, Progress(f"episodes judged by {judge.name}"))
    return found


def _show(row: Attempt, one: Verdict, other: Verdict) -> None:
    from mini_o3.judge.neutral import quoted, visible

    say(f"\n{row.task.id} seed {row.episode.seed}: {' / '.join(_words(verdict) for verdict in (one, other))}")
    say(f"  question: {visible(row.task.asked)}".replace("\n", "\n    "))
    say(f"  expected: {visible(row.task.answer or 'not known')}")
    say(f"  answer:   {row.episode.stop.value if row.episode.answer is None else quoted(row.episode.answer)}")


def _words(verdict: Verdict) -> str:
    return f"{verdict.kind.value} ({verdict.reason})" if verdict.reason else verdict.kind.value

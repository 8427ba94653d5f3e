"""`mini-o3 collect`, `fake-endpoint` and `prompts`: cold-start data."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from mini_o3.cli.base import (
    DeviceOption,
    EndpointOption,
    JudgeEndpointOption,
    MaxCostOption,
    MaxPixelsOption,
    MaxRequestsOption,
    MaxTokensOption,
    PricesOption,
    Progress,
    PromptsOption,
    TurnTokensOption,
    app,
    budget_spent,
    endpoint_options,
    err,
    in_options,
    say,
)
from mini_o3.kit.errors import UserError

collect_app = typer.Typer(
    invoke_without_command=True,
    no_args_is_help=True,
    help=(
        "Collect searches worth imitating: few-shot prompting of any vision endpoint, what is right is kept."
    ),
)
app.add_typer(collect_app, name="collect")


@collect_app.callback()
def collect(
    context: typer.Context,
    tasks: Annotated[str | None, typer.Option(help="Folder with tasks.jsonl.")] = None,
    policy: Annotated[str | None, typer.Option(help="api:URL#MODEL, hf:DIR, nano or teacher.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the collection.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings, such as those of the selection; options given here win.")
    ] = None,
    judge: Annotated[str | None, typer.Option(help="As for `mini-o3 judge run`. [default: auto]")] = None,
    exemplars: Annotated[
        str | None, typer.Option(help="Files of exemplars, such as my/*.md. [default: ours]")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Episodes per question and round. [default: 4]")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Each asks again what has yielded nothing. [default: 3]")
    ] = None,
    turns: Annotated[int | None, typer.Option(min=1, help="Turns an episode may take. [default: 32]")] = None,
    max_pixels: MaxPixelsOption = None,
    prompts: PromptsOption = None,
    turn_tokens: TurnTokensOption = None,
    device: DeviceOption = None,
    endpoint: EndpointOption = None,
    judge_endpoint: JudgeEndpointOption = None,
    max_requests: MaxRequestsOption = None,
    max_tokens: MaxTokensOption = None,
    max_cost: MaxCostOption = None,
    prices: PricesOption = None,
    concurrent: Annotated[
        int | None, typer.Option(min=1, help="Episodes at the same time. [default: 16]")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the draw of exemplars. [default: 0]")] = None,
) -> None:
    """Ask, judge, keep; and go back to the questions that yielded nothing.

    Run the same command again to go on after an interruption. Budgets (--max-requests, --max-tokens,
    --max-cost) are of policy and judge together, over all starts; the command then ends with status 6, and
    goes on with a larger one. OUT/kept is what `mini-o3 train sft --episodes`
    imitates.
    """
    if context.invoked_subcommand is not None:
        return
    from mini_o3.coldstart.collect import JUDGE_CACHE
    from mini_o3.coldstart.collect import collect as run
    from mini_o3.coldstart.config import CollectConfig
    from mini_o3.coldstart.select import Status
    from mini_o3.episode import read_tasks
    from mini_o3.evaluate.report import first_error
    from mini_o3.judge import make_judge
    from mini_o3.kit.config import read_config
    from mini_o3.policies.load import load_policy
    from mini_o3.policies.spec import recorded_temperature

    given: dict[str, Any] = {
        "tasks": tasks,
        "policy": policy,
        "judge": judge,
        "exemplars": exemplars,
        "samples": samples,
        "rounds": rounds,
        "turns": turns,
        "max_pixels": max_pixels,
        "prompts": prompts,
        "max_requests": max_requests,
        "max_tokens": max_tokens,
        "max_cost": max_cost,
        "prices": None if prices is None else str(prices),
        "turn_tokens": turn_tokens,
        "endpoint": endpoint_options(endpoint) or None,
        "judge_endpoint": endpoint_options(judge_endpoint, "judge_endpoint") or None,
        "concurrent": concurrent,
        "seed": seed,
    }
    if out is None:
        raise UserError("--out: is missing; name a folder for the collection")
    settings = read_config(config, CollectConfig, **given)
    if "temperature" not in settings.model_fields_set:
        begun = recorded_temperature(out / "config.json", settings.samples)
        settings = settings.model_copy(update={} if begun is None else {"temperature": begun})
    found = [task for task in read_tasks(settings.tasks) if task.answer is not None]
    if not found:
        raise UserError(f"{settings.tasks}: no task there has an answer, and only right searches are kept")
    spec = replace(settings.policy_spec(), device=device)
    chosen, meter = load_policy(spec, tasks=found, say=err), settings.meter()
    judging = make_judge(
        settings.judge, cache=out / JUDGE_CACHE, endpoint=settings.judge_endpoint, meter=meter
    )
    progress = Progress("episodes of this round")
    summary = run(settings, found, chosen, judging, out, meter=meter, progress=progress)
    say(in_options(summary.headline(), context.command))
    if summary.spending:
        say(f"policy and judge: {summary.cost_words}")
    if summary.total(Status.KEPT) == 0:
        err(f"nothing was kept: see the reasons in {out / 'report.md'}")
    else:
        say(
            f"{out / 'report.md'}; imitate what was kept with: mini-o3 train sft --episodes {out / 'kept'}"
            " --config ..."
        )
    budget_spent(summary.budget_spent)
    if summary.always_failed:
        raise UserError(
            f"--policy {settings.policy}: failed in every episode ({first_error(out)}); mend it, then run the"
            " same command again"
        )


@collect_app.command("export")
def export(
    folder: Annotated[
        Path, typer.Argument(help="Folder of a collection, or any folder with episodes.jsonl.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    form: Annotated[str, typer.Option("--format", help="parquet, sharegpt, trl or coldstart.")] = "parquet",
) -> None:
    """Write kept searches as training data for other programs, with the views as the policy saw them."""
    from mini_o3.coldstart.export import export as run

    say(run(folder, out, form, progress=Progress("episodes")))


@collect_app.command("import")
def import_(
    files: Annotated[
        list[Path], typer.Argument(help="Parquet files in the layout of Mini-o3-Coldstart-Dataset.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for episodes.jsonl and the pictures.")],
) -> None:
    """Read recorded conversations as episodes, played again by the rules: `mini-o3 train sft --episodes`
    takes them."""
    from mini_o3.interop.coldstart import import_conversations

    say(import_conversations(files, out, progress=Progress("conversations")))


@app.command("fake-endpoint")
def fake_endpoint(
    tasks: Annotated[Path, typer.Option(help="Probes it knows the way through: a folder with tasks.jsonl.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 0,
    fail: Annotated[float, typer.Option(min=0, max=1, help="Share of requests that end in an error.")] = 0.0,
    slow: Annotated[
        float, typer.Option(min=0, max=1, help="Share of requests that are answered late.")
    ] = 0.0,
    seconds: Annotated[float, typer.Option(min=0, help="How late.")] = 2.0,
    malformed: Annotated[
        float, typer.Option(min=0, max=1, help="Share of turns that are not an action.")
    ] = 0.0,
    wrong: Annotated[
        float, typer.Option(min=0, max=1, help="Share of episodes that end in a wrong answer.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Serve an OpenAI-compatible chat endpoint on this machine that plays the teacher, and fails as often as
    it is told to.

    For trying `collect`, `eval` and `judge` without a model.
    """
    from mini_o3.episode import read_tasks
    from mini_o3.kit.fake_endpoint import Endpoint
    from mini_o3.policies.fake_endpoint import Faults, Player

    player = Player(read_tasks(tasks), Faults(fail, slow, malformed, wrong, seconds, seed))
    stop = threading.Event()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wanted, lambda *_: stop.set())
    try:
        server = Endpoint(answer=player, port=port, keep=False)
    except OSError as error:
        raise UserError(
            f"--port {port}: cannot be listened on ({error.strerror}); give another one, or 0 for any"
        ) from None
    with server as endpoint:
        say(f"--policy api:{endpoint.url}#fake")
        while not stop.wait(0.5):
            pass


prompts_app = typer.Typer(
    no_args_is_help=True, help="Prompt profiles: the environment's side of the conversation."
)
app.add_typer(prompts_app, name="prompts")


@prompts_app.command("import")
def prompts_import(
    file: Annotated[Path, typer.Argument(help="The official constants.py, or rows of the cold-start data.")],
    out: Annotated[Path, typer.Option(help="Folder of the profile.")],
) -> None:
    """Take over the prompts that other weights were trained on, byte for byte; nothing in the file is
    executed."""
    from mini_o3.protocol.imported import import_profile

    profile = import_profile(file, out)
    say(f"profile {profile.name}@{profile.hash} in {out}; use it with --prompts {out}")

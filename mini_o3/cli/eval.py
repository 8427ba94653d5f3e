"""`mini-o3 eval`: how good a policy is, by a protocol that is saved with the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mini_o3.cli.base import (
    DialectOption,
    MaxPixelsOption,
    Progress,
    PromptsOption,
    TemperatureOption,
    app,
    say,
)
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
        str, typer.Option(help="Who decides: nano, teacher, human, replay:FILE, hf:DIR or api:URL#MODEL.")
    ] = "nano",
    protocol: Annotated[
        str | None,
        typer.Option(help="paper, official-readme, greedy, or a file; options given here win over it."),
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
    concurrent: Annotated[
        int, typer.Option(min=1, help="Episodes at the same time; a person always plays one.")
    ] = 16,
) -> None:
    """Measure a policy: accuracy with its error, the curve over turn limits, how episodes ended.

    Run the same command again to go on after an interruption.
    """
    if context.invoked_subcommand is not None:
        return
    from mini_o3.episode import StopReason, read_tasks
    from mini_o3.evaluate.controls import controls
    from mini_o3.evaluate.lenses import are_several
    from mini_o3.evaluate.protocol import PROTOCOL_FILE, read_protocol
    from mini_o3.evaluate.report import CONTROLS as FOLDER
    from mini_o3.evaluate.report import first_error, write_report
    from mini_o3.evaluate.shards import shard as part_of
    from mini_o3.policies.spec import default_temperature, recorded_temperature

    if tasks is None or out is None:
        raise UserError(
            f"{'--tasks' if tasks is None else '--out'}: is missing; `mini-o3 eval --help` shows all options"
        )
    if temperature is None and protocol is None:
        temperature = recorded_temperature(out / PROTOCOL_FILE, samples or 1)
        if temperature is None:
            temperature = default_temperature(policy, samples or 1)
    asked = read_protocol(
        protocol,
        turns=turns,
        samples=samples,
        temperature=temperature,
        judge=judge,
        max_pixels=max_pixels,
        prompts=prompts,
        dialect=dialect,
        views=views,
    )
    everything = read_tasks(tasks)
    found = everything[:limit]
    if not found:
        raise UserError(f"{tasks / 'tasks.jsonl'}: holds no task; import or make some first")
    part = part_of(found, shard) if shard else found
    more = {"limit": limit} | ({"shard": shard} if shard else {})
    evaluation = _Evaluation(policy, str(tasks), found, everything, concurrent, more)
    report = evaluation.run(part, asked, out)
    if faithfulness:
        for name, change in controls(policy).items():
            if change.get("views") == "swapped" and not are_several(everything):
                say(f"control: {name.replace('_', ' ')}: left out, all tasks are on one picture")
                continue
            say(f"control: {name.replace('_', ' ')}")
            evaluation.run(part, asked.model_copy(update=change), out / FOLDER / name)
        report = write_report(out, part)
    _told(report)
    if report["stops"].get(StopReason.POLICY_ERROR.value) == report["episodes"]:
        raise UserError(
            f"--policy {policy}: failed at every task ({first_error(out)}); mend it, then run the same"
            " command again"
        )
    if check_curve:
        evaluation.check(out, asked, check_curve)
    say(f"{out / 'report.md'}, report.json")


@eval_app.command("diff")
def diff(
    first: Annotated[Path, typer.Argument(help="A folder that `mini-o3 eval --out` wrote.")],
    second: Annotated[Path, typer.Argument(help="Another.")],
) -> None:
    """Compare two evaluations: first how they were made, then what came out, paired by task."""
    from mini_o3.evaluate.compare import compare, to_lines

    for line in to_lines(compare(first, second), first, second):
        say(line)


@eval_app.command("merge")
def merge(
    folders: Annotated[list[Path], typer.Argument(help="All shards of one evaluation.")],
    out: Annotated[Path, typer.Option(help="Folder for the whole.")],
) -> None:
    """Put the shards of an evaluation together."""
    from mini_o3.evaluate.shards import merge as run

    _told(run(folders, out))
    say(f"{out / 'report.md'}, report.json")


@eval_app.command("report")
def report(folder: Annotated[Path, typer.Argument(help="A folder that `mini-o3 eval --out` wrote.")]) -> None:
    """Write the report of an evaluation again, after `mini-o3 judge run` has filled in verdicts."""
    from mini_o3.evaluate.report import write_report

    _told(write_report(folder))
    say(f"{folder / 'report.md'}, report.json")


class _Evaluation:
    """One policy and one set of tasks, measured by several protocols."""

    def __init__(
        self, spec: str, folder: str, tasks: Any, everything: Any, concurrent: int, more: dict[str, Any]
    ) -> None:
        self.spec, self.folder, self.tasks, self.everything, self.more = spec, folder, tasks, everything, more
        self.concurrent = 1 if spec == "human" else concurrent
        self.policies: dict[Any, Any] = {}

    def policy(self, protocol: Any) -> Any:
        from mini_o3.policies.load import load_policy

        spec = protocol.policy_spec(self.spec, self.concurrent)
        if spec not in self.policies:
            self.policies[spec] = load_policy(spec, tasks=self.tasks, say=say)
        return self.policies[spec]

    def run(self, part: Any, protocol: Any, out: Path) -> dict[str, Any]:
        from mini_o3.evaluate.protocol import manifest
        from mini_o3.evaluate.run import evaluate
        from mini_o3.judge import make_judge
        from mini_o3.kit.run import folder_lock

        judge = make_judge(protocol.judge, cache=out / "judge_cache.jsonl", concurrent=self.concurrent)
        policy = self.policy(protocol)
        made = manifest(protocol, policy, self.spec, self.tasks, self.folder, judge.name) | self.more
        with folder_lock(out):
            return evaluate(
                part,
                policy,
                protocol,
                judge,
                out,
                manifest=made,
                among=self.everything,
                concurrent=self.concurrent,
                progress=Progress("episodes"),
            )

    def check(self, out: Path, protocol: Any, count: int) -> None:
        from mini_o3.evaluate.checks import check_curve
        from mini_o3.evaluate.report import read_judged
        from mini_o3.kit.files import write_json

        limit = min(8, protocol.turns)
        rows = read_judged(out, self.tasks)
        found = check_curve(
            rows, self.policy(protocol), protocol, limit, count, self.concurrent, self.everything
        )
        write_json(out / "curve_check.json", found)
        same = found["episodes"] - len(found["differing"])
        say(
            f"run again at {limit} turns: {same} of {found['episodes']} episodes end as the long ones stood"
            " then"
        )


def _told(report: dict[str, Any]) -> None:
    from mini_o3.evaluate.report import headline

    say(headline(report))
    say(
        "at turn limits "
        + ", ".join(f"{limit}: {point['accuracy']}" for limit, point in report["curve"].items())
    )
    for name, control in report.get("faithfulness", {}).items():
        say(f"  {name.replace('_', ' ')}: {control['accuracy']}")

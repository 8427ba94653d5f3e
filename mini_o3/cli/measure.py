"""`mini-o3 eval`: how good a policy is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mini_o3.cli.base import MaxPixelsOption, PolicyOption, Progress, TurnsOption, app, say
from mini_o3.kit.errors import UserError


@app.command("eval")
def evaluate_command(
    tasks: Annotated[Path, typer.Option(help="Folder with tasks.jsonl.")],
    out: Annotated[Path, typer.Option(help="Folder for report.json and episodes.jsonl.")],
    policy: PolicyOption = "nano",
    turns: TurnsOption = 32,
    max_pixels: MaxPixelsOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N tasks.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Episodes per task; K of them give Avg@K.")] = 1,
    temperature: Annotated[
        float,
        typer.Option(
            max=2.0,
            show_default=False,
            help="At which a model draws its words; 0 is greedy. [default: 0, or 1 with --samples]",
        ),
    ] = -1.0,
    concurrent: Annotated[int, typer.Option(min=1, help="Episodes at the same time; a person always plays one.")] = 16,
) -> None:
    """Measure a policy on tasks by exact match, with the curve over turn limits up to --turns.

    Run the same command again to go on after an interruption.
    """
    from mini_o3.episode import Limits, read_tasks
    from mini_o3.evaluate.run import evaluate
    from mini_o3.policies.choose import choose_policy

    found = read_tasks(tasks)[:limit]
    concurrent = 1 if policy == "human" else concurrent
    temperature = (1.0 if samples > 1 else 0.0) if temperature < 0 else temperature
    if samples > 1 and temperature == 0:
        raise UserError("--samples: greedy episodes on one task are all the same; give a --temperature above 0")
    chosen = choose_policy(
        policy, max_pixels=max_pixels, concurrent=concurrent, temperature=temperature, tasks=found, say=say
    )
    settings: dict[str, Any] = {
        "tasks": str(tasks), "policy": policy, "turns": turns, "max_pixels": max_pixels, "limit": limit,
        "samples": samples, "temperature": temperature,
        "profile": f"{chosen.profile.name}@{chosen.profile.hash}",
    }  # fmt: skip
    progress = Progress("episodes")
    report = evaluate(
        found, chosen, Limits(turns=turns), out, settings=settings, samples=samples, concurrent=concurrent,
        report=lambda done, total, accuracy: progress(done, total, f"accuracy {accuracy:.3f}"),
    )  # fmt: skip
    error = "" if report["stderr"] is None else f" +- {report['stderr']}"
    each = f" x {samples}" if samples > 1 else ""
    say(f"accuracy {report['accuracy']}{error} on {report['tasks']} tasks{each} ({report['unjudged']} unjudged)")
    say("at turn limits " + ", ".join(f"{limit}: {point['accuracy']}" for limit, point in report["curve"].items()))
    say(f"{out / 'report.json'}")

"""`mini-o3 plan`: what a training takes, before anything starts."""

from __future__ import annotations

from typing import Annotated

import typer

from mini_o3.cli.base import app, err, say


@app.command()
def plan(
    model: Annotated[
        str, typer.Option(help="3b, 7b, 32b, 72b, qwen3-2b, qwen3-4b, qwen3-8b, or a checkpoint folder.")
    ] = "7b",
    gpus: Annotated[int, typer.Option(min=1, help="Processes, one GPU each.")] = 8,
    gpu: Annotated[str, typer.Option(help="a100, h100, h200, l40s or rtx4090.")] = "h100",
    turns: Annotated[int, typer.Option(min=1, help="Turn limit of a search.")] = 6,
    groups: Annotated[int, typer.Option(min=1, help="Questions per step that teach something.")] = 256,
    rollouts: Annotated[int, typer.Option(min=2, help="Searches of a question.")] = 16,
    asked: Annotated[
        float, typer.Option(min=1, help="Times as many questions are asked until there are enough.")
    ] = 1.0,
    first: Annotated[int, typer.Option(min=1, help="Tokens of the first view.")] = 2550,
    crop: Annotated[int, typer.Option(min=1, help="Tokens of a further view.")] = 500,
    written: Annotated[int, typer.Option(min=1, help="Tokens that a turn writes.")] = 150,
    slots: Annotated[int, typer.Option(min=1, help="Searches that a process decodes together.")] = 32,
    micro_tokens: Annotated[
        int, typer.Option("--micro-tokens", min=1, help="Tokens per forward pass of the learner.")
    ] = 16_384,
    lora: Annotated[int, typer.Option(min=0, help="Rank of adapters; 0: all weights are trained.")] = 0,
    shard: Annotated[
        bool, typer.Option("--shard/--no-shard", help="Spread weights and moments over the processes.")
    ] = True,
    steps: Annotated[int, typer.Option(min=0, help="Also say the days of so many steps.")] = 0,
) -> None:
    """Say the memory of a process and the hours of a step of reinforcement learning, before it is started.

    The shares of the peak are measured on random models of four sizes; how far the plan is off published
    figures is said with it. Ends with status 1 if it does not fit, and names what would.
    """
    from mini_o3.scale.plan import Workload, make_plan, what_would_fit
    from mini_o3.scale.published import compared

    work = Workload(
        groups=groups,
        rollouts=rollouts,
        asked=asked,
        turns=turns,
        written=written,
        first=first,
        crop=crop,
        micro_tokens=micro_tokens,
        slots=slots,
        lora=lora,
        shard=shard,
    )
    found = make_plan(model, gpus, gpu, work)
    say(f"{model}, {found.shape.parameters / 1e9:.1f} billion parameters, on {gpus} x {gpu}")
    say(f"memory of a process: {found.bytes / 1e9:.0f} GB of {found.machine.memory / 1e9:.0f} GB")
    for name, size in sorted(found.memory.items(), key=lambda item: -item[1]):
        if size:
            say(f"  {size / 1e9:7.1f} GB  {name}")
    if shard or lora:
        say(
            "this counts an engine that shards or trains adapters; `mini-o3 train` does neither yet"
            " (--no-shard counts what it takes)"
        )
    if not found.fits:
        would = what_would_fit(found, gpu.lower())
        err(f"does not fit; what would: {'; '.join(would) or 'none of the changes that are known here'}")
        raise typer.Exit(1)
    say(f"a step: {found.hours:.2f} hours")
    for name, seconds in sorted(found.seconds.items(), key=lambda item: -item[1]):
        if seconds:
            say(f"  {seconds:7.0f} s   {name}")
    if steps:
        say(f"{steps} steps: {found.hours * steps / 24:.1f} days")
    say("searches are taken to use three quarters of their turns; judging and validating are not counted")
    say("how far off published figures, none of which was fitted:")
    for comparison in compared():
        say(f"  {comparison.line}")

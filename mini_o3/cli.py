"""The command line: one verb per stage, thin."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from mini_o3.kit.errors import UserError
from mini_o3.kit.rundir import to_json

app = typer.Typer(
    name="mini-o3", no_args_is_help=True, add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False,
    help="Visual search by thinking with images: a policy looks at a large picture, zooms in, looks again, and answers.",
)  # fmt: skip
probe_app = typer.Typer(no_args_is_help=True, help="Make pictures in which something small must be found.")
train_app = typer.Typer(no_args_is_help=True, help="Train nano, the embedded model.")
app.add_typer(probe_app, name="probe")
app.add_typer(train_app, name="train")

MAX_QUESTION = 4000  # characters; four times the longest question of the published benchmarks
PolicyOption = Annotated[
    str, typer.Option("--policy", help="Who decides: nano, teacher, human, replay:FILE, hf:DIR or api:URL#MODEL.")
]
TurnsOption = Annotated[int, typer.Option("--turns", min=1, max=1000, help="Turns it may take; with T at most T - 1 zooms.")]
MaxPixelsOption = Annotated[
    int | None, typer.Option("--max-pixels", help="Largest view it is shown, in pixels. [default: what the policy wants]")
]


def main() -> None:
    """Entry point: user errors become one line and status 2, Ctrl-C one line and status 130."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names need not be text
    try:
        app()
    except UserError as error:
        _err(f"error: {error}")
        sys.exit(2)
    except SystemExit as stop:
        # typer turns Ctrl-C into an exit; `ask` says itself what an interruption means for it.
        if isinstance(getattr(stop.__context__, "__cause__", None), KeyboardInterrupt):
            _err("interrupted; what was finished is kept: run the same command again to go on")
        raise


@app.command()
def ask(
    picture: Annotated[str, typer.Argument(help="A picture file.")],
    question: Annotated[str, typer.Argument(help="What you want to know about it.")],
    policy: PolicyOption = "nano",
    turns: TurnsOption = 32,
    max_pixels: MaxPixelsOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the episode record as one line of JSON, nothing else.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the record and the page. [default: runs/ask/TIME]")
    ] = None,
) -> None:
    """Ask one question about one picture, and watch the search.

    Writes a folder with `episode.json`, `episodes.jsonl` and `episode.html`, a page that needs nothing else.
    """
    from mini_o3.asking import ask_one

    say = (lambda line: None) if as_json else _say
    folder = out or Path("runs/ask") / time.strftime("%Y%m%d-%H%M%S")
    result = ask_one(picture, _question(question), policy, turns=turns, max_pixels=max_pixels, out=folder, say=say, note=_err)
    if as_json:
        print(to_json(result.episode.to_dict()))
    else:
        _say(f"open {result.page}")
    if result.episode.stop.value in ("policy_error", "interrupted"):
        sys.exit(130 if result.episode.stop.value == "interrupted" else 1)


@probe_app.command("make")
def probe_make(
    level: Annotated[str, typer.Option(help="easy, medium or hard.")],
    count: Annotated[int, typer.Option(min=1, help="How many probes.")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures and tasks.jsonl.")],
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the first probe; below 500000000 only for training.")
    ] = 500_000_000,
    photos: Annotated[
        str | None, typer.Option(help="Hide things in photographs: a folder of pictures, or `bundled`.")
    ] = None,
) -> None:
    """Make probes: pictures with one question each, and everything about them known.

    The same seed gives the same probe. Run the same command again to go on after an interruption.
    """
    from mini_o3.probes.make import make_probes

    done = make_probes(level, count, seed, out, photos=photos, report=_Progress("probes"))
    _say(f"{done} probes in {out}; measure with: mini-o3 eval --tasks {out} --policy nano --turns 12 --out {out}-nano")


@train_app.command("perception")
def train_perception(
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/perception"),
    config: Annotated[Path, typer.Option(help="Settings of the run.")] = Path("configs/perception_nano.toml"),
    steps: Annotated[int | None, typer.Option(min=1, help="Stop after this step; the schedule stays the config's.")] = None,
) -> None:
    """Teach nano to see: what stands where in a view, and what it is called.

    Run the same command again to go on after an interruption.
    """
    _train("perception", out, config, steps)


@train_app.command("sft")
def train_sft(
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/sft"),
    config: Annotated[Path, typer.Option(help="Settings of the run.")] = Path("configs/sft_nano.toml"),
    start: Annotated[
        str | None, typer.Option(help="Checkpoint or run folder to start from.", show_default="the config's")
    ] = None,
    episodes: Annotated[
        str | None, typer.Option(help="Folder with episodes.jsonl to imitate.", show_default="the config's")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Stop after this step; the schedule stays the config's.")] = None,
) -> None:
    """Teach a model to search, by imitating episodes: nano the teacher's, made as they are needed; others recorded ones.

    Run the same command again to go on after an interruption.
    """
    _train("sft", out, config, steps, start=start, episodes=episodes)


@train_app.command("grpo")
def train_grpo(
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/grpo"),
    config: Annotated[Path, typer.Option(help="Settings of the run.")] = Path("configs/grpo_nano.toml"),
    start: Annotated[str | None, typer.Option(help="Checkpoint or run folder to start from. [default: the config's]")] = None,
    tasks: Annotated[str | None, typer.Option(help="Folder with tasks.jsonl. [default: the config's]")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Stop after this step.")] = None,
) -> None:
    """Reinforcement learning: search, be told what was right, search better. Over-turn masking as in the paper.

    Run the same command again to go on after an interruption. On several processes: `accelerate launch --num_processes N
    -m mini_o3.cli train grpo ...`.
    """
    from mini_o3.grpo.config import GrpoConfig
    from mini_o3.grpo.panel import Panel
    from mini_o3.grpo.train import train
    from mini_o3.kit.config import read_config

    settings = read_config(config, GrpoConfig, start=start, tasks=tasks)
    with Panel(settings, out, _err) as panel:
        model = train(settings, out, report=panel.show, say=_say, stop_after=steps)
    _say(f"model in {model}; try it with: mini-o3 ask PICTURE QUESTION --policy hf:{model}")


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
        policy, max_pixels=max_pixels, concurrent=concurrent, temperature=temperature, tasks=found, say=_say
    )
    settings: dict[str, Any] = {
        "tasks": str(tasks), "policy": policy, "turns": turns, "max_pixels": max_pixels, "limit": limit,
        "samples": samples, "temperature": temperature,
        "profile": f"{chosen.profile.name}@{chosen.profile.hash}",
    }  # fmt: skip
    progress = _Progress("episodes")
    report = evaluate(
        found, chosen, Limits(turns=turns), out, settings=settings, samples=samples, concurrent=concurrent,
        report=lambda done, total, accuracy: progress(done, total, f"accuracy {accuracy:.3f}"),
    )  # fmt: skip
    error = "" if report["stderr"] is None else f" +- {report['stderr']}"
    each = f" x {samples}" if samples > 1 else ""
    _say(f"accuracy {report['accuracy']}{error} on {report['tasks']} tasks{each} ({report['unjudged']} unjudged)")
    _say("at turn limits " + ", ".join(f"{limit}: {point['accuracy']}" for limit, point in report["curve"].items()))
    _say(f"{out / 'report.json'}")


@app.command()
def reproduce(
    suite: Annotated[str, typer.Argument(help="A file of configs/reproduce/, without its ending.")],
    quick: Annotated[bool, typer.Option("--quick", help="A reduced version: under half an hour on two cores.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is in the folder.")] = False,
    only: Annotated[str | None, typer.Option(help="Only this run of the suite; the report shows all that are done.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder. [default: runs/reproduce/SUITE, or SUITE-quick]")] = None,
) -> None:
    """Train and measure what a claim of the paper needs, and write tables and plots beside the paper's figures."""
    from mini_o3.grpo.panel import Panel
    from mini_o3.reproduce.run import run_suite
    from mini_o3.reproduce.suite import read_suite

    chosen = read_suite(suite, quick)
    folder = out or Path("runs/reproduce") / (f"{suite}-quick" if quick else suite)
    if only is not None and only not in chosen.runs:
        raise UserError(f"--only {only}: not a run of {suite}; choose one of {', '.join(chosen.runs)}")
    if folder.exists() and any(folder.iterdir()) and not resume:
        raise UserError(f"{folder}: is not empty; add --resume to go on with it, or give another --out")
    report = run_suite(
        chosen, folder, only=only, say=_say, progress=_Progress, training=lambda settings, out: Panel(settings, out, _err)
    )
    _say(f"{report}")


def _train(stage: str, out: Path, config: Path, steps: int | None, **changes: str | None) -> None:
    from mini_o3.kit.config import read_config
    from mini_o3.sft.config import TrainConfig
    from mini_o3.sft.stages import run_stage

    settings = read_config(config, TrainConfig, **changes)
    if settings.stage != stage:
        raise UserError(f"{config}: is a config of the {settings.stage} stage; give one with stage = {stage!r}")
    model = run_stage(settings, out, report=_say, stop_after=steps)
    _say(f"model in {model}; try it with: mini-o3 ask PICTURE QUESTION --policy hf:{model}")


def _question(question: str) -> str:
    try:
        question.encode()
    except UnicodeEncodeError:
        raise UserError("QUESTION: is not text in this terminal's encoding; type it anew") from None
    if not question.strip():
        raise UserError("QUESTION: is empty; say what you want to know")
    if len(question) > MAX_QUESTION:
        raise UserError(f"QUESTION: has {len(question):,} characters; at most {MAX_QUESTION:,} are taken")
    return question


class _Progress:
    """Progress with the time left: one line rewritten on a terminal, now and then a line elsewhere."""

    def __init__(self, what: str) -> None:
        self.what, self.began, self.first, self.shown = what, time.monotonic(), -1, -1e9

    def __call__(self, done: int, total: int, more: str = "") -> None:
        now = time.monotonic()
        if self.first < 0:
            self.first = done - 1  # what was done before this run says nothing about its speed
        live = sys.stderr.isatty()
        if done < total and now - self.shown < (0.2 if live else 15.0):
            return
        self.shown = now
        left = (now - self.began) / max(done - self.first, 1) * (total - done)
        line = f"{done}/{total} {self.what}, {left / 60:.0f} min {left % 60:02.0f} s left {more}"
        print(f"\r{line:<78}" if live else line, end="" if live and done < total else "\n", file=sys.stderr, flush=True)


def _say(line: str) -> None:
    print(line, flush=True)


def _err(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

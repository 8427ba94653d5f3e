"""`mini-o3 train` and `mini-o3 reproduce`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from mini_o3.cli.base import Progress, app, err, say
from mini_o3.kit.errors import SettingError, UserError

train_app = typer.Typer(no_args_is_help=True, help="Train nano, the embedded model.")
app.add_typer(train_app, name="train")

OutOption = Annotated[
    Path | None, typer.Option(help="Folder of the run. [default: runs/CONFIG, by the name of the file]")
]
ConfigOption = Annotated[
    str, typer.Option(help="Settings of the run: a preset of `mini-o3 presets training`, or a file.")
]
StartOption = Annotated[
    str | None, typer.Option(help="Checkpoint or run folder to start from.", show_default="the config's")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting in place of the config's, such as lr=1e-5; may be given often.",
    ),
]
StepsOption = Annotated[
    int | None, typer.Option(min=1, help="Stop after this step; the schedule stays the config's.")
]
TrackOption = Annotated[
    str | None, typer.Option(help="Who gets the metrics too: tensorboard, trackio or wandb.")
]


@train_app.command("perception")
def train_perception(
    out: OutOption = None,
    config: ConfigOption = "perception_nano",
    assignments: SetOption = None,
    steps: StepsOption = None,
    track: TrackOption = None,
) -> None:
    """Teach nano to see: what stands where in a view, and what it is called.

    Run the same command again to go on after an interruption.
    """
    _train_supervised("perception", out, config, assignments, steps, track)


@train_app.command("sft")
def train_sft(
    out: OutOption = None,
    config: ConfigOption = "sft_nano",
    start: StartOption = None,
    episodes: Annotated[
        str | None, typer.Option(help="Folder with episodes.jsonl to imitate.", show_default="the config's")
    ] = None,
    assignments: SetOption = None,
    steps: StepsOption = None,
    track: TrackOption = None,
) -> None:
    """Teach a model to search, by imitating episodes: nano the teacher's, made as they are needed; others
    recorded ones.

    Run the same command again to go on after an interruption.
    """
    _train_supervised("sft", out, config, assignments, steps, track, start=start, episodes=episodes)


@train_app.command("grpo")
def train_grpo(
    out: OutOption = None,
    config: ConfigOption = "grpo_nano",
    start: StartOption = None,
    tasks: Annotated[
        str | None, typer.Option(help="Folder with tasks.jsonl.", show_default="the config's")
    ] = None,
    assignments: SetOption = None,
    steps: StepsOption = None,
    track: TrackOption = None,
) -> None:
    """Reinforcement learning: search, be told what was right, search better. Over-turn masking as in the
    paper.

    Run the same command again to go on after an interruption. On several processes: `torchrun
    --nproc_per_node N -m -- mini_o3 train grpo ...`.
    """
    from mini_o3.grpo.config import GrpoConfig
    from mini_o3.kit.config import read_config
    from mini_o3.presets import preset

    settings = read_config(
        preset("training", config), GrpoConfig, assignments or (), start=start, tasks=tasks
    )
    with _naming(config, "start", "tasks", "track"):
        _check(settings, track)
    from mini_o3.grpo.panel import Panel
    from mini_o3.grpo.train import train

    folder = out or _folder(config)
    with _naming(config, "start", "tasks"), Panel(settings, folder, err) as panel:
        model = train(
            settings,
            folder,
            report=panel.show,
            say=say,
            progress=panel.rolling_out,
            stop_after=steps,
            track=track,
        )
    _say_where(folder, model)


@app.command()
def reproduce(
    suite: Annotated[
        str | None, typer.Argument(help="A preset of `mini-o3 presets suites`, or a file.")
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="Name the shipped suites and stop.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="A reduced version: under half an hour on two cores.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is in the folder.")] = False,
    only: Annotated[
        str | None, typer.Option(help="Only this run of the suite; the report shows all that are done.")
    ] = None,
    probes: Annotated[
        int | None, typer.Option(min=1, help="Fewer probes per level than the suite says.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Fewer episodes per probe than the suite says.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder. [default: runs/reproduce/SUITE, or SUITE-quick]")
    ] = None,
) -> None:
    """Train and measure what a claim of the paper needs, and write tables and plots beside the paper's
    figures."""
    from mini_o3.kit.extras import require
    from mini_o3.presets import presets
    from mini_o3.reproduce.suite import read_suite

    if show_list:
        for name in presets("suites"):
            say(f"{name:<18} {read_suite(name).title}")
        return
    if suite is None:
        raise UserError("SUITE: is missing; `mini-o3 reproduce --list` names the shipped ones")
    chosen = read_suite(suite, quick, probes=probes, samples=samples)
    folder = out or Path("runs/reproduce") / (f"{Path(suite).stem}-quick" if quick else Path(suite).stem)
    if only is not None and only not in chosen.runs:
        raise UserError(f"--only {only}: not a run of {suite}; choose one of {', '.join(chosen.runs)}")
    if folder.is_dir() and any(folder.iterdir()) and not resume:
        raise UserError(f"{folder}: is not empty; add --resume to go on with it, or give another --out")
    require("train", "reproducing a claim")
    require("plots", "reproducing a claim")
    from mini_o3.grpo.panel import Panel
    from mini_o3.reproduce.run import run_suite

    report = run_suite(
        chosen,
        folder,
        only=only,
        say=say,
        progress=Progress,
        training=lambda settings, out: Panel(settings, out, err),
    )
    say(f"{report}")


def _check(settings: Any, track: str | None) -> None:
    """Say what a training lacks before torch is loaded, which takes seconds."""
    from mini_o3.episode import read_tasks
    from mini_o3.episode.store import answered_episodes
    from mini_o3.judge import make_judge
    from mini_o3.kit.extras import require
    from mini_o3.models.shipped import check_checkpoint, checkpoint_in
    from mini_o3.protocol import load_profile
    from mini_o3.protocol.dialects import view_budget
    from mini_o3.training.track import open_tracker

    named = settings.model_dump()
    if named["start"]:
        check_checkpoint(checkpoint_in(named["start"]))
    prompts = named.get("prompts")
    view_budget(load_profile(prompts).dialect if prompts else "mini_o3", named["max_pixels"])
    for folder in filter(None, (named.get("tasks"), named.get("validate_tasks"))):
        read_tasks(folder)
    if named.get("episodes"):
        answered_episodes(Path(named["episodes"]))
    if "judge" in named:
        make_judge(named["judge"])
    require("train", "training")
    if track:
        open_tracker(track)


@contextmanager
def _naming(config: str, *options: str) -> Iterator[None]:
    """Let errors of settings that are no options here name the file that holds them."""
    try:
        yield
    except SettingError as error:
        raise error if error.setting in options else UserError(f"{config}: {error}") from None


def _folder(config: str) -> Path:
    return Path("runs") / Path(config).stem


def _say_where(folder: Path, model: Path) -> None:
    say(f"curves: mini-o3 report {folder}")
    say(f"model in {model}; try it with: mini-o3 ask PICTURE QUESTION --policy hf:{model}")


def _train_supervised(
    stage: str,
    out: Path | None,
    config: str,
    assignments: list[str] | None,
    steps: int | None,
    track: str | None,
    **changes: str | None,
) -> None:
    from mini_o3.kit.config import read_config
    from mini_o3.presets import preset
    from mini_o3.sft.config import TrainConfig

    settings = read_config(preset("training", config), TrainConfig, assignments or (), **changes)
    if settings.stage != stage:
        raise UserError(
            f"{config}: is a config of the {settings.stage} stage; give one with stage = {stage!r}"
        )
    with _naming(config, "start", "episodes", "track"):
        _check(settings, track)
    from mini_o3.sft.stages import run_stage

    folder = out or _folder(config)
    with _naming(config, "start", "episodes"):
        model = run_stage(settings, folder, say=say, stop_after=steps, track=track)
    _say_where(folder, model)

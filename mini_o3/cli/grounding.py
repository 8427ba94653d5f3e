"""`mini-o3 grounding`: the second system. Its code is imported only when one of its verbs runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mini_o3.cli.base import app, say
from mini_o3.kit.errors import SettingError, UserError

grounding_app = typer.Typer(no_args_is_help=True, help="Find named things in pictures: ranked boxes.")
app.add_typer(grounding_app, name="grounding")

CheckpointArgument = Annotated[Path, typer.Argument(help="Folder of a run or of its model.")]


@grounding_app.command("cutouts")
def grounding_cutouts(
    things: Annotated[
        list[Path], typer.Option(help="Folder of folders of PNG cut-outs; may be given often.")
    ],
    backgrounds: Annotated[list[Path], typer.Option(help="Folder of photographs; may be given often.")],
    out: Annotated[Path, typer.Option(help="Folder of the set.")] = Path("runs/cutouts"),
    skip: Annotated[list[str] | None, typer.Option(help="Leave out folders of this name.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="Package and version, for the manifest.")] = None,
    side: Annotated[int, typer.Option(min=32, help="Of the square pictures, in pixels.")] = 384,
    count: Annotated[
        int, typer.Option(min=8, help="Pictures of training; validation and test an eighth.")
    ] = 4000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same pictures.")] = 42,
) -> None:
    """Make a set: photographs with cut-outs of things, in COCO's format."""
    from mini_o3.grounding.data.cutouts import CutoutConfig, find_cutouts, make_cutouts

    for name, folders in (("things", things), ("backgrounds", backgrounds)):
        missing = next((folder for folder in folders if not folder.is_dir()), None)
        if missing is not None:
            raise SettingError(name, "no such folder; check the path", missing)
    photos = [path for folder in backgrounds for path in sorted(folder.rglob("*.jp*g"))]
    config = CutoutConfig((count, count // 8, count // 8), side, seed=seed)
    make_cutouts(find_cutouts(things, tuple(skip or ())), photos, out, config, source)
    say(f"{out}")


@grounding_app.command("train")
def grounding_train(
    train: Annotated[Path, typer.Option(help="COCO instances file to learn from.")],
    val: Annotated[Path, typer.Option(help="COCO instances file to measure on while training.")],
    config: Annotated[str, typer.Option(help="A preset of `mini-o3 presets grounding`, or a file.")] = "tiny",
    out: Annotated[Path | None, typer.Option(help="Folder. [default: runs/grounding/CONFIG]")] = None,
    start: Annotated[str | None, typer.Option(help="Model folder to start from.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed. [default: the config's]")] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Stop after this step; the schedule stays the config's.")
    ] = None,
) -> None:
    """Train a model or a baseline. Run the same command again to go on after an interruption.

    On several processes: `torchrun --nproc_per_node N -m -- mini_o3 grounding train ...`.
    """
    _require()
    from mini_o3.grounding.config import GroundingConfig
    from mini_o3.grounding.train import train as run
    from mini_o3.kit.config import read_config
    from mini_o3.presets import preset

    path = preset("grounding", config)
    settings = read_config(path, GroundingConfig, train=train, val=val, start=start, seed=seed)
    model = run(settings, out or Path("runs/grounding") / Path(config).stem, say=say, stop_after=steps)
    say(f"model in {model}; measure it with: mini-o3 grounding eval {model} --data FILE")


@grounding_app.command("eval")
def grounding_eval(
    checkpoint: CheckpointArgument,
    data: Annotated[Path, typer.Option(help="COCO instances file.")],
    out: Annotated[Path, typer.Option(help="File for the figures.")] = Path("grounding-eval.json"),
    steps: Annotated[int | None, typer.Option(min=0, max=8, help="Only so many reasoning steps.")] = None,
    gate: Annotated[bool, typer.Option(help="Whether queries may stop before the last step.")] = True,
) -> None:
    """Measure a model: mAP, Recall and NDCG, calibration, speed, slices."""
    _require()
    from mini_o3.grounding.checkpoint import load_model
    from mini_o3.grounding.data.coco import read_coco
    from mini_o3.grounding.evaluate import evaluate
    from mini_o3.grounding.report import table
    from mini_o3.kit.files import write_json
    from mini_o3.kit.run import revision

    model, record = load_model(checkpoint)
    figures = evaluate(model, read_coco(data), steps=steps, gated=None if gate else False)
    facts = {"run": str(checkpoint), "data": str(data), "step": record.get("step"), "revision": revision()}
    write_json(out, facts | {"max_steps": steps, "gate": gate} | figures)
    say(table([out]).partition("\n\n")[0])
    say(f"{out}")


@grounding_app.command("predict")
def grounding_predict(
    checkpoint: CheckpointArgument,
    picture: Annotated[str, typer.Argument(help="Picture to look at.")],
    name: Annotated[str, typer.Argument(help="What to look for: a category of the model.")],
    out: Annotated[Path, typer.Option(help="Page to write; a PNG of its name lies beside it.")] = Path(
        "grounding.html"
    ),
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Lowest score of a box. [default: the calibrated one]")
    ] = None,
) -> None:
    """Print the boxes of a thing, best first, and draw what was looked at in each step."""
    _require()
    from mini_o3.grounding.predict import GroundingProposer
    from mini_o3.grounding.report import page, sheet
    from mini_o3.kit.files import write_atomically, write_text
    from mini_o3.vision.picture import open_picture

    found = GroundingProposer(checkpoint, threshold).predict(open_picture(picture), name)
    for proposal in found.proposals:
        say(f"{proposal.score:.3f}  " + " ".join(f"{value:.3f}" for value in proposal.region.xyxy))
    if not found.proposals:
        say("nothing found")
    write_text(out, page(name, found))
    write_atomically(out.with_suffix(".png"), lambda part: sheet(found).save(part, "PNG"))
    say(f"{out}")


@grounding_app.command("report")
def grounding_report(
    evaluations: Annotated[list[Path], typer.Argument(help="Files of `mini-o3 grounding eval`.")],
    out: Annotated[Path | None, typer.Option(help="Markdown file. [default: print it]")] = None,
) -> None:
    """Evaluations side by side, with slices and categories."""
    _require()
    from mini_o3.grounding.report import table
    from mini_o3.kit.files import write_text

    text = table(evaluations)
    if out is None:
        say(text)
        return
    if out.suffix != ".md":
        raise UserError(f"--out {out}: is a Markdown file; let its name end in .md")
    write_text(out, text)
    say(f"{out}")


def _require() -> None:
    from mini_o3.kit.extras import require

    require("grounding", "grounding")

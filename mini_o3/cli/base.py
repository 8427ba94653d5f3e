"""What every verb needs: the app, options that several share, progress, how to say something."""

from __future__ import annotations

import io
import os
import re
import sys
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from mini_o3 import __version__
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.printable import one_line, printable
from mini_o3.kit.secrets import conceal

app = typer.Typer(
    name="mini-o3",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help=(
        "Visual search by thinking with images: a policy looks at a large picture, zooms in, looks again, and"
        " answers."
    ),
)

PolicyOption = Annotated[
    str,
    typer.Option(
        "--policy", help="Who decides: nano, reader, teacher, human, replay:FILE, hf:DIR or api:URL#MODEL."
    ),
]
TurnsOption = Annotated[
    int, typer.Option("--turns", min=1, max=1000, help="Turns it may take; with T at most T - 1 zooms.")
]
MaxPixelsOption = Annotated[
    int | None,
    typer.Option(
        "--max-pixels", help="Largest view it is shown, in pixels. [default: what the policy wants]"
    ),
]
TemperatureOption = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        min=0,
        max=2,
        help="At which a model draws its words; 0 is greedy.",
        show_default="0; of several samples 0.6 for nano, 1 for other models",
    ),
]
PromptsOption = Annotated[
    str | None,
    typer.Option("--prompts", help="Prompt profile: a name, or a folder of `mini-o3 prompts import`."),
]
DialectOption = Annotated[
    str | None,
    typer.Option(
        "--dialect",
        help="How it speaks: deepeyes, pixel_reasoner, qwen3_vl, qwen2_5_vl, direct (no tool) ...",
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="Where a model on this machine runs: cpu, cuda, cuda:1, mps; a replica on each of several, as"
        " cuda:0,cuda:1, or on all. [default: the fastest]",
    ),
]
EndpointOption = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoint",
        metavar="NAME=VALUE",
        help=(
            "How an endpoint is called; may be given often: temperature, max_tokens, top_p,"
            " seed, stop, timeout, attempts, pause, stream, max_request_bytes, key_variable, header.NAME,"
            " body.NAME."
        ),
    ),
]


JudgeEndpointOption = Annotated[
    list[str] | None,
    typer.Option("--judge-endpoint", metavar="NAME=VALUE", help="The same for the endpoint of the judge."),
]
TurnTokensOption = Annotated[
    int | None,
    typer.Option(
        "--turn-tokens", min=1, help="Longest turn of a model. [default: 2,048 of an endpoint, else its own]"
    ),
]
MaxRequestsOption = Annotated[
    int | None, typer.Option("--max-requests", min=1, help="Ask endpoints no more often than this.")
]
MaxTokensOption = Annotated[
    int | None, typer.Option("--max-tokens", min=1, help="Use no more tokens than this, read and written.")
]
MaxCostOption = Annotated[
    float | None, typer.Option("--max-cost", min=0, help="Spend no more than this; needs --prices.")
]
PricesOption = Annotated[
    Path | None,
    typer.Option(
        "--prices", help="TOML file of prices per million tokens, a table [MODEL] each; gives the cost."
    ),
]
BUDGET_SPENT = 6  # exit status of a command that its budget stopped


def endpoint_options(given: list[str] | None, setting: str = "endpoint") -> dict[str, str]:
    """What `--endpoint NAME=VALUE` said, by name.

    Raises:
        SettingError: there is no equals sign in one of them.
    """
    pairs = [text.partition("=") for text in given or []]
    bad = next((name for name, equals, _ in pairs if not equals or not name), None)
    if bad is not None:
        raise SettingError(setting, "expected NAME=VALUE, such as timeout=60", bad)
    return {name.strip(): value for name, _, value in pairs}


def budget_spent(spent: str | None) -> None:
    """Say that a budget stopped the command, and how to go on; ends with status `BUDGET_SPENT`."""
    if spent:
        command = typer.main.get_command(app)
        err(in_options(f"{spent}: what was finished is kept, the same command goes on there", command))
        raise typer.Exit(BUDGET_SPENT)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"mini-o3 {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """The options of `mini-o3` itself; the verbs are in modules of their own."""


def name_types(command: Any) -> None:
    """Let the help texts of a command and of those below it say `NUMBER` and not `<int range>`."""
    for below in getattr(command, "commands", {}).values():
        name_types(below)
    hints = get_type_hints(command.callback) if command.callback else {}
    for param in command.get_params(typer.Context(command)):
        kinds = _kinds(hints.get(param.name, bool))  # --help and --show-completion are nobody's parameters
        param.display_type = partial(_word, next((_WORDS[kind] for kind in kinds if kind in _WORDS), "TEXT"))


_WORDS = {int: "NUMBER", float: "NUMBER", str: "TEXT", Path: "PATH", bool: ""}


def _kinds(hint: Any) -> list[Any]:
    """The types in an annotation: `list[Path] | None` has list, Path and NoneType."""
    return [hint, *(kind for part in get_args(hint) for kind in _kinds(part))]


def _word(word: str, context: typer.Context) -> str:
    return word


def _spelled(setting: str, command: Any) -> str:
    """How the command that was called spells a setting: `--max-pixels` or `QUESTION`; else its own name."""
    for word in sys.argv[1:]:
        command = getattr(command, "commands", {}).get(word, command)
    option = "--" + setting.replace("_", "-")
    for param in command.params:
        if param.name == setting and param.param_type_name == "argument":
            return setting.upper()
        if param.name == setting or option in param.opts:
            return option if option in param.opts else max(param.opts, key=len)
    return setting


def main() -> None:
    """Entry point: user errors become one line and status 2, what the machine refuses (a full disk, say) one
    line and status 1, Ctrl-C one line and status 130."""
    command = typer.main.get_command(app)
    name_types(command)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names need not be text
    try:
        command()
    except SettingError as error:
        err(f"error: {one_line(in_options(error.under(_spelled(error.setting, command)), command))}")
        sys.exit(2)
    except UserError as error:
        err(f"error: {one_line(in_options(str(error), command))}")
        sys.exit(2)
    except BrokenPipeError:  # whoever read the output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        err(f"error: {one_line(where + (error.strerror or str(error)))}; what was finished is kept")
        sys.exit(1)
    except SystemExit as stop:
        # typer turns Ctrl-C into an exit; `ask` says itself what an interruption means for it.
        if isinstance(getattr(stop.__context__, "__cause__", None), KeyboardInterrupt):
            err("interrupted; what was finished is kept: run the same command again to go on")
        raise


def in_options(message: str, command: Any) -> str:
    """A message of the library with its settings, such as `max_pixels`, spelled as the command that was
    called spells them."""

    def spell(found: re.Match[str]) -> str:
        spelled = _spelled(found[1], command)
        return found[0] if spelled == found[1] else spelled

    return re.sub(r"`([a-z_]+)`", spell, message)


class Progress:
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
        print(
            f"\r{line:<78}" if live else line,
            end="" if live and done < total else "\n",
            file=sys.stderr,
            flush=True,
        )


def say(line: str) -> None:
    print(printable(conceal(line)), flush=True)


def err(line: str) -> None:
    print(printable(conceal(line)), file=sys.stderr, flush=True)

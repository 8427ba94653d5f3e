"""The reference pages, written from the program: its settings, its command line, its public names.

`hooks.py` puts them into the site; nothing of them is kept in the repository.
"""

from __future__ import annotations

import ast
import re
import typing
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined, to_json

import mini_o3
from mini_o3.cli import app
from mini_o3.cli.base import name_types
from mini_o3.training.metrics import METRICS, RENAMED

PACKAGE = Path(mini_o3.__file__).parent


def settings_models() -> list[type[BaseModel]]:
    """Every public pydantic model of the package, by the name of its module.

    Those of the web interface are no settings: `GET /openapi.json` describes them.
    """
    bases: dict[tuple[str, str], set[tuple[str, str]]] = {}  # a class by module and name -> its bases, so
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] == "serve":
            continue
        module, body = ".".join(("mini_o3", *parts)), ast.parse(path.read_text("utf-8")).body
        imports = [node for node in body if isinstance(node, ast.ImportFrom)]
        homes = {alias.name: node.module or "" for node in imports for alias in node.names}
        for node in body:
            if isinstance(node, ast.ClassDef):
                names = [base.id for base in node.bases if isinstance(base, ast.Name)]
                bases[module, node.name] = {(homes.get(name, module), name) for name in names}
    found = {("pydantic", "BaseModel")}
    while more := {one for one, of in bases.items() if of & found} - found:
        found |= more
    public = [one for one in bases if one in found and one[1][0] != "_"]
    return [getattr(import_module(module), name) for module, name in public]


def settings_page() -> str:
    """A table for every model: setting, what may be written, default, what it means."""
    lines = [
        "# Settings",
        "",
        "Every setting that a TOML file may hold. `mini-o3 presets` lists the files that come",
        "with the package, prints one, and copies one out. An unknown key is refused.",
        "",
    ]
    for model in settings_models():
        described, doc = _attributes(model)
        lines += [f"## {model.__name__}", "", doc, "", f"Defined in `{model.__module__}`.", ""]
        lines += ["| setting | value | default | meaning |", "| --- | --- | --- | --- |"]
        for name, field in model.model_fields.items():
            meaning = field.description or described.get(name, "")
            default = _default(field)
            cells = (f"`{name}`", f"`{_type(field.annotation)}`{_bounds(field)}", default, meaning)
            lines.append(_row(cells))
        lines.append("")
    return "\n".join(lines)


def _default(field: typing.Any) -> str:
    if field.is_required():
        return "required"
    if field.default_factory_takes_validated_data:
        return "follows from others"
    value = field.get_default(call_default_factory=True)
    return f"those of `{type(value).__name__}`" if isinstance(value, BaseModel) else f"`{_json(value)}`"


def _attributes(model: type[BaseModel]) -> tuple[dict[str, str], str]:
    """What the docstring says of each attribute, and the rest of it."""
    doc = (model.__doc__ or "").strip()
    text, _, listed = doc.partition("\n    Attributes:\n")
    found = re.findall(r"^ {8}(\w[\w, ]*): (.*(?:\n {12}.*)*)", listed, re.M)
    meanings = {name: " ".join(said.split()) for names, said in found for name in names.split(", ")}
    return meanings, " ".join(text.split())


def _json(value: object) -> str:
    return to_json(value).decode() if value is not None else "null"


def _type(kind: object) -> str:
    if kind is type(None):
        return "null"
    if typing.get_origin(kind) is typing.Literal:
        return ", ".join(_json(value) for value in typing.get_args(kind))
    parts = typing.get_args(kind)
    if str(kind).startswith("typing.Optional") or " | " in str(kind):
        return " or ".join(_type(part) for part in parts)
    name = getattr(kind, "__name__", str(kind))
    word = {"str": "text", "int": "number", "float": "number", "bool": "true or false", "Path": "path"}
    if parts and name in ("list", "tuple", "dict"):
        return f"{name} of {_type(parts[-1] if parts[-1] is not Ellipsis else parts[0])}"
    return word.get(name, name)


def _bounds(field: typing.Any) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    found = [
        f"{sign} {getattr(rule, name)}"
        for rule in field.metadata
        for name, sign in signs.items()
        if getattr(rule, name, None) is not None
    ]
    return f" {', '.join(found)}" if found else ""


def _row(cells: typing.Iterable[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def commands() -> Iterator[tuple[tuple[str, ...], typing.Any]]:
    """Every command that can be called with its words, in the order of the help texts."""
    root = typer.main.get_command(app)
    name_types(root)

    def below(words: tuple[str, ...], command: typing.Any) -> Iterator[tuple[tuple[str, ...], typing.Any]]:
        for name, one in sorted(getattr(command, "commands", {}).items()):
            if not one.hidden:
                yield (*words, name), one
                yield from below((*words, name), one)

    yield from below(("mini-o3",), root)


def commands_page() -> str:
    """Every command: what it does, and a table of its arguments and options."""
    lines = [
        "# Commands",
        "",
        "What `mini-o3 COMMAND --help` says, on one page. `mini-o3 --install-completion` lets the shell",
        "complete commands and options; `mini-o3 --version` prints the version.",
        "",
    ]
    for words, command in commands():
        lines += [f"## {' '.join(words)}", "", _help(command.help or ""), ""]
        context = typer.Context(command)
        rows = [_parameter(parameter, context) for parameter in command.params if parameter.name != "help"]
        if rows:
            lines += ["| argument or option | default | meaning |", "| --- | --- | --- |", *rows, ""]
    return "\n".join(lines)


def _help(text: str) -> str:
    return re.sub(
        r"\s*\n(?!\n)[ \t]*", " ", re.sub(r"\n\s*\n", "\n\n", text.strip().replace("\b", ""))
    ).strip()


def _parameter(parameter: typing.Any, context: typing.Any) -> str:
    flags = [flag for flag in (*parameter.opts, *parameter.secondary_opts) if flag.startswith("-")]
    kind = getattr(parameter, "display_type", None)
    word = kind(context) if callable(kind) else ""
    if flags:
        name = f"`{', '.join(flags)}`" + (f" {word}" if word else "")
    else:
        name = f"`{(parameter.metavar or parameter.name).upper()}`"
    text = " ".join((parameter.help or "").split())
    said = re.search(r"\s*\[default: (.*?)\]", text)
    text = text.replace(said.group(0), "") if said else text
    shown = parameter.show_default if isinstance(getattr(parameter, "show_default", None), str) else ""
    default = parameter.default
    if parameter.required:
        default = "required"
    elif said or shown:
        default = said.group(1) if said else shown
    elif default in (None, False, (), []) or default is PydanticUndefined or callable(default):
        default = ""
    else:
        default = f"`{getattr(default, 'value', default)}`"
    return _row((name, str(default), text))


def python_page() -> str:
    """The public names, for mkdocstrings, under the module's own words."""
    doc = (mini_o3.__doc__ or "").strip().replace("\n    ", "\n    ")
    names = [name for name in mini_o3.__all__ if name != "__version__"]
    lines = ["# Python", "", *doc.splitlines(), "", "## Names", ""]
    for name in names:
        lines += [f"::: {getattr(mini_o3, name).__module__}.{name}", ""]
    return "\n".join(lines)


def metrics_page() -> str:
    """Every key of a training's log, and what earlier versions called it."""
    before = {new: old for old, new in RENAMED.items()}
    lines = [
        "# Metrics",
        "",
        "The keys of `metrics.jsonl`, a line per logged step of a training. How to read them is in",
        "[What the training logs say](../explain/logs.md). Logs of earlier versions have the names on the",
        "right. They are read all the same.",
        "",
        "| key | meaning | earlier |",
        "| --- | --- | --- |",
        "| `step` | number of the step, from 1; 0 is before the training | |",
    ]
    for name, meaning in METRICS.items():
        lines.append(_row((f"`{name}`", meaning, f"`{before[name]}`" if name in before else "")))
    return "\n".join([*lines, ""])


PAGES = {
    "reference/commands.md": commands_page,
    "reference/settings.md": settings_page,
    "reference/metrics.md": metrics_page,
    "reference/python.md": python_page,
}

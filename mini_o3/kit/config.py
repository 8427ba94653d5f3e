"""Settings from a TOML file into a pydantic model; one clear line for whatever is wrong with them."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.reading import read_text

Config = TypeVar("Config", bound=BaseModel)


def read_config(
    path: Path | None, kind: type[Config], assignments: Sequence[str] = (), /, **changes: Any
) -> Config:
    """A config file as `kind`, with those fields replaced whose value in `changes` is not None; no file: they
    are all. `assignments` such as `lr=1e-5` or `levels={hard=1.0}` replace fields last.

    Raises:
        UserError: the file is missing or not TOML, or a field is unknown or out of range.
        SettingError: so is one of the assignments; its setting is `set`.
    """
    try:
        data = tomllib.loads(read_text(path)) if path else {}
    except UserError as error:
        raise UserError(f"{error}; `mini-o3 presets` lists what is shipped") from None
    except RecursionError:
        raise UserError(f"{path}: not valid TOML (it is nested too deeply)") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid TOML ({error})") from None
    data |= {key: value for key, value in changes.items() if value is not None}
    if not assignments:
        return validated(path, kind, data)
    assigned = {name: (value, text) for text in assignments for name, value in [_assigned(text, kind)]}
    renamed = getattr(kind, "renamed", {})
    data = {key: value for key, value in data.items() if renamed.get(key, key) not in assigned}
    data |= {name: value for name, (value, _) in assigned.items()}
    try:
        return kind(**data)
    except ValidationError as error:
        for found in error.errors():
            if found["loc"] and found["loc"][0] in assigned:
                _, text = assigned[str(found["loc"][0])]
                raise SettingError("set", _in_words(found, kind), text) from None
    return validated(path, kind, data)


def _assigned(text: str, kind: type[BaseModel]) -> tuple[str, Any]:
    """A field of `kind` and its value from `NAME=VALUE`.

    Lists and tables are written as in TOML, `none` stands for no value where a field allows that; everything
    else is left to pydantic.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not name:
        raise SettingError("set", "expected NAME=VALUE, such as lr=1e-5", text)
    name = getattr(kind, "renamed", {}).get(name, name)
    field = kind.model_fields.get(name)
    if field is None:
        near = get_close_matches(name, kind.model_fields, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(kind.model_fields)}"
        raise SettingError("set", f"there is no such setting; {hint}", name)
    if value.lower() in ("none", "null") and type(None) in get_args(field.annotation):
        return name, None
    if value[:1] in ("[", "{"):
        try:
            return name, tomllib.loads(f"value = {value}")["value"]
        except ValueError as error:
            raise SettingError("set", f"is not valid TOML ({error})", text) from None
    return name, value


def validated(path: Path | None, kind: type[Config], data: dict[str, Any]) -> Config:
    """Settings as `kind`; `path` is where they come from.

    Raises:
        UserError: a field is unknown or out of range.
    """
    try:
        return kind(**data)
    except ValidationError as error:
        first = min(
            error.errors(), key=lambda e: e["type"] != "extra_forbidden"
        )  # a slip of the pen says most
        field, what = ".".join(map(str, first["loc"])), _in_words(first, kind)
        if field and not path:
            raise SettingError(field, what) from None
        # Without a field it is about several settings that do not go together.
        raise UserError(": ".join(str(part) for part in (path, field, what) if part)) from None


def defaults_of(kind: type[BaseModel]) -> dict[str, Any]:
    """What settings have that nobody gives, as JSON has it: a run is older than a setting that its record
    lacks."""
    fields = {name: field for name, field in kind.model_fields.items() if not field.is_required()}
    return {
        name: to_jsonable_python(field.get_default(call_default_factory=True))
        for name, field in fields.items()
    }


def _in_words(error: Any, kind: type[BaseModel]) -> str:
    """What is wrong with a field, and what to write instead."""
    if error["type"] == "extra_forbidden":
        near = " or ".join(get_close_matches(str(error["loc"][-1]), kind.model_fields, 3))
        return f"there is no such setting; {f'did you mean {near}?' if near else 'see `mini-o3 presets`'}"
    if error["type"] == "missing":
        return "is missing, and it has no default"
    said = str(error["msg"]).removeprefix("Value error, ").replace("Input should", "should")
    return f"{said}, got {error['input']!r}" if said.startswith("should") else said

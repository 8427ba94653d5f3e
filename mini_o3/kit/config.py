"""Settings from a TOML file into a pydantic model; one clear line for whatever is wrong with them."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.reading import read_text

Config = TypeVar("Config", bound=BaseModel)


def read_config(path: Path | None, kind: type[Config], **changes: Any) -> Config:
    """A config file as `kind`, with those fields replaced whose value in `changes` is not None; no file: they
    are all.

    Raises:
        UserError: the file is missing or not TOML, or a field is unknown or out of range.
    """
    try:
        data = tomllib.loads(read_text(path)) if path else {}
    except UserError as error:
        raise UserError(f"{error}; `mini-o3 presets` lists what is shipped") from None
    except RecursionError:
        raise UserError(f"{path}: not valid TOML (it is nested too deeply)") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid TOML ({error})") from None
    return validated(path, kind, data | {key: value for key, value in changes.items() if value is not None})


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

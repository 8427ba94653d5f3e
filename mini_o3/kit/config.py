"""Settings from a TOML file into a pydantic model; one clear line for whatever is wrong with them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mini_o3.kit.errors import UserError

Config = TypeVar("Config", bound=BaseModel)


def read_config(path: Path | None, kind: type[Config], **changes: Any) -> Config:
    """A config file as `kind`, with those fields replaced whose value in `changes` is not None; no file: they are all.

    Raises:
        UserError: the file is missing or not TOML, or a field is unknown or out of range.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; give a config such as those in configs/") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid TOML ({error})") from None
    data.update({key: value for key, value in changes.items() if value is not None})
    try:
        return kind(**data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{path}: {field}: {first['msg']}" if path else f"--{field.replace('_', '-')}: {first['msg']}"
        ) from None

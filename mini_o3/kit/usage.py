"""What searches cost: tokens as endpoints count them, and money by a table of prices."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import read_text


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more requests, as the endpoint counts them; 0 where it does not say.

    Attributes:
        prompt: read, `cached` ones included.
        cached: read from the endpoint's own cache, which many sell cheaper.
        completion: written, thoughts included.
    """

    prompt: int = 0
    cached: int = 0
    completion: int = 0
    total: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt + other.prompt,
            self.cached + other.cached,
            self.completion + other.completion,
            self.total + other.total,
        )

    @property
    def is_known(self) -> bool:
        return self.total > 0

    def to_dict(self) -> dict[str, int]:
        """Without what is 0."""
        return {name: count for name, count in asdict(self).items() if count}


NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class Price:
    """Money for a million tokens: read, read from the endpoint's cache, written."""

    prompt: float
    completion: float
    cached: float | None = None

    def of(self, usage: Usage) -> float:
        fresh = max(usage.prompt - usage.cached, 0)
        cached = self.prompt if self.cached is None else self.cached
        return (fresh * self.prompt + usage.cached * cached + usage.completion * self.completion) / 1e6


def read_prices(path: Path) -> dict[str, Price]:
    """Prices by model, from a TOML file with a table `[MODEL]` each: `prompt`, `completion`, maybe `cached`.

    Raises:
        UserError: it cannot be read, or a price is missing or no number.
    """
    try:
        data = tomllib.loads(read_text(path))
    except UserError:
        raise
    except ValueError as error:
        raise UserError(
            f"{path}: not a readable table of prices ({error}); docs/howto/ask.md shows one"
        ) from None
    return {model: _price(path, model, row) for model, row in data.items()}


def _price(path: Path, model: str, row: Any) -> Price:
    names = ("prompt", "completion", "cached")
    known = isinstance(row, dict) and set(row) <= set(names) and {"prompt", "completion"} <= set(row)
    if not known or not all(isinstance(value, int | float) and value >= 0 for value in row.values()):
        raise UserError(
            f"{path}, [{model}]: give prompt, completion and maybe cached, in money per million tokens"
        )
    return Price(**row)

"""What the settings of every kind of training have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator


class TrainingSettings(BaseModel):
    """Settings of a training from a TOML file. Unknown keys fail; earlier names of settings are read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Settings that a resumed run may change: they do not alter what is learnt.
    free_to_change: ClassVar[frozenset[str]] = frozenset()
    #: Earlier name of a setting -> its name today.
    renamed: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _earlier_names(cls, data: Any) -> Any:
        return by_todays_names(data, cls.renamed) if isinstance(data, dict) else data


def by_todays_names(data: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    """Settings with every earlier name replaced by the name of today.

    Raises:
        ValueError: a setting is there by both names.
    """
    for before, now in renamed.items():
        if before in data and now in data:
            raise ValueError(f"{before} is the earlier name of {now}: give one of them")
    return {renamed.get(name, name): value for name, value in data.items()}

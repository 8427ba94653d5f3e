"""What a user gives to ask, checked before anything is loaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mini_o3.episode import EPISODES_FILE
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.policies.spec import PolicySpec
from mini_o3.vision import Picture

Given = str | os.PathLike[str] | Image.Image | np.ndarray | Picture
MOST_PICTURES = 64  # of one question
MAX_QUESTION = 4000  # characters; four times the longest question of the published benchmarks


def check_question(question: str) -> None:
    try:
        question.encode()
    except UnicodeEncodeError:
        raise SettingError("question", "is not text in this terminal's encoding; type it anew") from None
    if not question.strip():
        raise SettingError("question", "is empty; say what you want to know")
    if len(question) > MAX_QUESTION:
        raise SettingError(
            "question", f"has {len(question):,} characters; at most {MAX_QUESTION:,} are taken"
        )


def check_draws(spec: PolicySpec, samples: int) -> PolicySpec:
    if (samples > 1 or spec.temperature) and not spec.draws:
        raise SettingError(
            "samples" if samples > 1 else "temperature",
            f"{spec.policy} does not draw its words; leave it out, or take nano, hf: or api:",
        )
    if samples > 1 and spec.temperature == 0:
        raise SettingError("samples", "greedy searches are all the same; give a temperature above 0")
    return spec


def check_folder(out: Path) -> Path:
    if (out / EPISODES_FILE).exists() and not (out / "episode.json").exists():
        raise UserError(f"{out}: holds episodes that no question left here; give another folder")
    return out


def checked(picture: Given | Sequence[Given]) -> list[Given]:
    """What was given, as a list."""
    given = list(picture) if isinstance(picture, list | tuple) else [picture]
    if not 1 <= len(given) <= MOST_PICTURES:
        raise SettingError(
            "pictures",
            f"{len(given)} are too many for one question, at most {MOST_PICTURES}; `mini-o3 find` asks each"
            if given
            else "there are none; give at least one",
        )
    for one in given:
        if isinstance(one, str | os.PathLike) and os.path.isdir(one):
            raise UserError(
                f"{os.fspath(one)}: is a directory; name its pictures, or let `mini-o3 find` search it"
            )
    return given  # type: ignore[return-value]


def path_of(picture: Given, folder: Path | None, number: int) -> str:
    """How the records name the picture. One without a file is kept in the folder, if there is one; of several
    each has a number, a single one has 0."""
    if isinstance(picture, str | os.PathLike):
        return os.fspath(picture)
    name = f"picture_{number}.png" if number else "picture.png"
    return name if folder is None else str(folder / name)

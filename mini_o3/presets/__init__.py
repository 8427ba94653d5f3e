"""Settings that come with the package, by kind and name, found from any folder."""

from __future__ import annotations

from pathlib import Path

from mini_o3.kit.errors import UserError

PRESETS = Path(__file__).parent
KINDS = ("collecting", "exemplars", "grounding", "protocols", "scenes", "suites", "training")


def presets(kind: str) -> dict[str, Path]:
    """The shipped files of a kind: name without its ending -> file, in alphabetical order."""
    return {path.stem: path for path in sorted((PRESETS / kind).iterdir()) if path.suffix in (".toml", ".md")}


def preset(kind: str, name: str | Path) -> Path:
    """The file that `name` means: a shipped preset of this kind, or a file of the user's.

    A path from before the presets were package data (`configs/sft_7b.toml`) means the preset of its name,
    unless there is such a file.

    Raises:
        UserError: it is neither.
    """
    path, shipped = Path(name), presets(kind)
    if str(name) in shipped:
        return shipped[str(name)]
    if path.is_file():
        return path
    if path.parts[:1] == ("configs",) and path.stem in shipped:
        return shipped[path.stem]
    raise UserError(
        f"{name}: neither a file nor a preset; `mini-o3 presets {kind}` lists {', '.join(shipped)}"
    )

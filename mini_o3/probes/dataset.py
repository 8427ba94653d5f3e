"""What making either kind of probes has in common: the folder, its settings, and photographs to hide in."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.files import write_json
from mini_o3.kit.reading import read_object
from mini_o3.kit.run import ensure_same_settings, folder_lock

BUNDLED_PHOTOS = Path(__file__).parent / "photos"
_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
_NOTHING = {".lock", ".write-test"}  # what may lie in a folder that holds nothing


@contextmanager
def owned(out: Path, name: str, settings: dict[str, Any]) -> Iterator[None]:
    """Work alone in a folder that holds nothing, or probes made with these settings, kept in its file `name`.

    Another process is waited for.

    Raises:
        UserError: the folder holds something else, or probes with other settings.
    """
    if out.is_dir():
        _check(out, name, settings)  # before a lock is put there
    with folder_lock(out, wait=True):
        _check(out, name, settings)
        if not (out / name).exists():
            write_json(out / name, settings)
        yield


def clear_parts(folder: Path, names: Collection[str]) -> None:
    """Remove what a kill has left of files called `names` that were being written into `folder`."""
    for path in folder.glob(".*.part"):
        if any(_is_part(path, name) for name in names):
            path.unlink(missing_ok=True)


def find_photos(photos: str | None) -> tuple[Path, ...]:
    """The pictures of a folder, sorted by name; `bundled` names those that come with the package.

    Raises:
        SettingError: the folder holds none.
    """
    if photos is None:
        return ()
    folder = BUNDLED_PHOTOS if photos == "bundled" else Path(photos)
    files = tuple(sorted(path for path in folder.glob("*") if path.suffix.lower() in _PICTURES))
    if not files:
        raise SettingError(
            "photos", "no pictures there; give a folder with photographs, or `bundled`", photos
        )
    return files


def _check(out: Path, name: str, settings: dict[str, Any]) -> None:
    path = out / name
    if not path.exists():
        others = sorted(
            file.name for file in out.iterdir() if file.name not in _NOTHING and not _is_part(file, name)
        )
        if others:
            raise SettingError(
                "out", f"holds files that are not probes ({others[0]}); give another folder", out
            )
        return
    try:
        kept = read_object(path)
    except UserError:
        raise UserError(f"{path}: does not say how probes were made; give another folder") from None
    ensure_same_settings(out, kept, settings, what="probes made")


def _is_part(path: Path, name: str) -> bool:
    """Whether `write_atomically` made `path` on the way to a file called `name`."""
    return path.name.startswith(f".{name}.") and path.name.endswith(".part")

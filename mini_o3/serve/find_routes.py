"""Routes of the find view."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from mini_o3.kit.errors import UserError
from mini_o3.serve.answering import missing, refusals, watching
from mini_o3.serve.body import Body
from mini_o3.serve.finds import MOST_PICTURES, Finds, Pictured
from mini_o3.serve.pictures import Pictures
from mini_o3.serve.settings import ServeSettings

_SUFFIXES = (".dzi", ".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")
_MOST_FOLDERS = 200


class Finding(Body):
    """What is looked for, in uploaded pictures (`pictures`, their ids) or in a folder of the server."""

    query: str = Field(min_length=1, max_length=1000)
    pictures: list[str] = Field(default_factory=list, max_length=MOST_PICTURES)
    names: list[str] = Field(default_factory=list, max_length=MOST_PICTURES)
    folder: str | None = None
    policy: str | None = None
    turns: int = 16


def find_routes(settings: ServeSettings, pictures: Pictures, finds: Finds) -> APIRouter:
    """The routes; `finds` holds the state."""
    routes = APIRouter(prefix="/api")
    watching(routes, "/finds", finds.finds)

    @routes.get("/folders")
    async def folders() -> list[dict[str, Any]]:
        """Folders below `--pictures` that hold pictures."""
        return await asyncio.to_thread(_folders, settings.pictures)

    @routes.post("/finds", status_code=201)
    async def begin(finding: Finding) -> dict[str, Any]:
        with missing("picture"), refusals():
            if finding.folder is not None:
                among = await asyncio.to_thread(_in_folder, settings.pictures, finding.folder, pictures)
            else:
                among = [
                    Pictured(digest, name, *pictures.file(digest))
                    for digest, name in zip(finding.pictures, _names(finding), strict=True)
                ]
            find = await finds.begin(finding.query, among, finding.policy, finding.turns)
        return {"id": find.id, "pictures": len(among)}

    return routes


def _names(finding: Finding) -> list[str]:
    given = finding.names if len(finding.names) == len(finding.pictures) else finding.pictures
    return [name[:200] for name in given]


def _folders(roots: tuple[Path, ...]) -> list[dict[str, Any]]:
    found = []
    for number, root in enumerate(roots):
        below = [path for path in sorted(root.rglob("*")) if path.is_dir() and _is_inside(path, root)]
        below = [path for path in below if not any(part.endswith("_files") for part in path.parts)]  # tiles
        for folder in (root, *below):
            count = len(_files(folder, root))
            if count:
                name = f"{number}/{folder.relative_to(root)}"
                found.append(
                    {"folder": name, "name": f"{root.name}/{folder.relative_to(root)}", "pictures": count}
                )
            if len(found) >= _MOST_FOLDERS:
                return found
    return found


def _in_folder(roots: tuple[Path, ...], named: str, pictures: Pictures) -> list[Pictured]:
    number, _, below = named.partition("/")
    if not number.isascii() or not number.isdigit() or len(number) > 9 or int(number) >= len(roots):
        raise KeyError(named)
    root = roots[int(number)]
    folder = root / below
    try:
        is_there = folder.is_dir() and _is_inside(folder, root)
    except (OSError, ValueError):  # a name too long, or with a NUL
        is_there = False
    if not is_there:
        raise KeyError(named)
    files = _files(folder, root)
    if len(files) > MOST_PICTURES:
        raise UserError(
            f"the folder has {len(files):,} pictures; at most {MOST_PICTURES:,} are searched here"
        )
    among = []
    for path in files:
        key = pictures.lend(path)
        among.append(Pictured(key, path.name, *pictures.file(key)))
    return among


def _files(folder: Path, root: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in _SUFFIXES and path.is_file() and _is_inside(path, root)
    ]


def _is_inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())

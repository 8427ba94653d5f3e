"""What mkdocs does besides: reference pages are generated, records come along, links to code become words."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"explain/grounding.md": "mini_o3/grounding/README.md"}  # pages that live beside the code
KEPT = (".svg", ".png", ".md", ".jpg")  # of results/, what a page may show or link


def on_files(files: Files, config: Any) -> Files:
    sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]  # mkdocs undoes what a hook does to it at import
    from reference import PAGES

    for name, write in PAGES.items():
        files.append(File.generated(config, name, content=write()))
    for name, source in ELSEWHERE.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / source)))
    for path in sorted((ROOT / "results").rglob("*")):
        if path.suffix in KEPT:
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    _complete(config.nav, files)
    return files


def _complete(nav: list[Any], files: Files) -> None:
    """Leave out pages that there are not, and add how-to pages that nobody listed."""
    there = {file.src_uri for file in files}
    for section in nav:
        for title, pages in section.items():
            if isinstance(pages, list):
                pages[:] = [page for page in pages if page in there]
            if title == "How to":
                pages += sorted(
                    name
                    for name in there
                    if name.startswith("howto/") and name.endswith(".md") and name not in pages
                )


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links out of docs/ lead to the copy in the site, or become the words that they were."""
    folder = PurePosixPath("docs") / PurePosixPath(page.file.src_uri).parent
    if page.file.src_uri.startswith("results/"):
        folder = PurePosixPath(page.file.src_uri).parent

    def place(found: re.Match[str]) -> str:
        mark, text, target = found.groups()
        target, hash_, anchor = target.partition("#")
        if "://" in target or not target:
            return found.group(0)
        path = PurePosixPath(os.path.normpath(folder / target))
        if path.parts[:1] == ("docs",):
            inside = path.relative_to("docs")
        elif path.parts[:1] == ("results",):
            inside = path
        else:
            inside = None
        if inside is None or not ((ROOT / path).is_file() or path.parts[1:2] == ("reference",)):
            return mark + text if mark else text
        if path.parts[:1] == ("results",) and path.suffix not in KEPT:
            return text
        here = PurePosixPath(page.file.src_uri).parent
        return f"{mark}[{text}]({os.path.relpath(inside, here)}{hash_}{anchor})"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", place, markdown)

"""The pages of the documentation as the tests read them: blocks, what is said about them, links, anchors."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CREDITS.md", "results/README.md")
TOP += ("mini_o3/grounding/README.md",)
SHELL, PYTHON = ("sh", "bash", "shell", "console"), ("python", "py")
_PROGRAMS = r"(mini-o3|make|pip|python3?|git|cd|export|torchrun|docker|curl|\.venv/bin/\S+|\. \.venv)\b"
_COMMAND = re.compile(r"^\s*(\$ )?" + _PROGRAMS)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language (`sh`, `python` or another), its text, and the comment above it."""

    line: int
    language: str
    text: str
    comment: str

    @property
    def not_run(self) -> str:
        """Why it is not run; empty if it is."""
        return self.comment.removeprefix("not run:").strip() if self.comment.startswith("not run:") else ""

    @property
    def slow(self) -> bool:
        return self.comment.startswith("slow")


def pages() -> list[str]:
    """Names of all pages, from the root."""
    found = [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")]
    return sorted([*TOP, *found])


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str) -> list[Block]:
    """The blocks that hold commands or Python; without a language it is one that begins with a command."""
    found, lines, number = [], text.splitlines(), 0
    whole = "slow" if "<!-- slow page -->" in text else ""
    while number < len(lines):
        opened = re.match(r"(\s*)(`{3,})\s*(\w*)", lines[number])
        if not opened:
            number += 1
            continue
        indent, fence, language = opened.groups()
        end = next((n for n in range(number + 1, len(lines)) if lines[n].strip() == fence), len(lines))
        body = [line.removeprefix(indent) for line in lines[number + 1 : end]]
        if not language and any(_COMMAND.match(line) for line in body):
            language = "sh"
        if any(line.startswith("$ ") for line in body):  # a session: what follows a command is what it said
            body = [line[2:] for line in body if line.startswith("$ ")]
        language = "sh" if language in SHELL else "python" if language in PYTHON else language
        if language in ("sh", "python"):
            found.append(
                Block(number + 1, language, "\n".join(body) + "\n", _comment(lines, number) or whole)
            )
        number = end + 1
    return found


def _comment(lines: list[str], number: int) -> str:
    """The HTML comment right above a line, blank lines aside."""
    above = [line.strip() for line in lines[max(number - 3, 0) : number] if line.strip()]
    said = re.fullmatch(r"<!--\s*(.*?)\s*-->", above[-1]) if above else None
    return said.group(1) if said else ""


def without_code(text: str) -> str:
    text = re.sub(r"^(\s*)(`{3,}).*?^\s*\2\s*$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def links(text: str) -> Iterator[str]:
    """Where the links and pictures of a page lead."""
    yield from re.findall(r"\]\(\s*<?([^)\s>]+)", without_code(text))
    yield from re.findall(r"(?:src|href)=\"([^\"]+)\"", without_code(text))


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as the site and the forges make them."""
    found: dict[str, int] = {}
    out = set()
    inside = re.sub(r"^(\s*)(`{3,}).*?^\s*\2\s*$", "", text, flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*$", inside, re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        words = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode()
        slug = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", words).strip().lower())
        count = found.get(slug, 0)
        found[slug] = count + 1
        out.add(f"{slug}_{count}" if count else slug)
    return out

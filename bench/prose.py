"""How the pages read: lines that are too long, and the mean length of a sentence in words.

    python bench/prose.py                # all pages
    python bench/prose.py README.md      # some

Tables, code, headings and comments are no prose. A list item ends a sentence; a name in code is one word.
Exits with 1 if a line has more than 110 columns, or if a page for readers has a mean of 18 words or more.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
WIDTH = 110  # columns
WORDS = 18  # a mean sentence of pages that people read from top to bottom stays below
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CREDITS.md", "results/README.md", "docs/**/*.md")
PAGES += ("mini_o3/grounding/README.md",)
FOR_READERS = ("README.md", "docs/index.md", "docs/tutorial.md", "docs/howto/*.md")


def pages(patterns: tuple[str, ...] = PAGES) -> list[Path]:
    return sorted({path for pattern in patterns for path in ROOT.glob(pattern)})


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Numbers and lines of a page that are prose, with an empty line where something else stood."""
    text = re.sub(r"<!--.*?-->", lambda found: "\n" * found.group(0).count("\n"), text, flags=re.DOTALL)
    fence = ""
    for number, line in enumerate(text.splitlines(), start=1):
        mark = re.match(r"\s*(`{3,}|~{3,})", line)
        if mark and (not fence or line.strip() == fence):
            fence = "" if fence else mark.group(1)
            yield number, ""
        elif fence or re.match(r"\s*(\||#|!!!|:::)", line):
            yield number, ""
        else:
            yield number, line


def too_long(text: str) -> list[tuple[int, int]]:
    """Number and width of every line of prose beyond `WIDTH` that a space would let one break."""
    return [(n, len(line)) for n, line in prose(text) if len(line) > WIDTH and " " in line.strip()[:WIDTH]]


def sentences(text: str) -> list[str]:
    """The sentences of a page, without marks, addresses and code."""
    lines = []
    for _, line in prose(text):
        line = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", line)
        line = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line)
        line = re.sub(r"`[^`]*`", "code", line)
        lines.append("\n\n" + line if re.match(r"\s*([-*]|\d+\.)\s", line) else line)
    found = []
    for paragraph in re.split(r"\n\s*\n", "\n".join(lines)):
        found += re.split(r"(?<=[.!?])[)\"']*\s+", " ".join(paragraph.split()))
    return [one for one in found if re.search(r"\w", one)]


def mean_words(text: str) -> float:
    found = sentences(text)
    return sum(len(re.findall(r"[\w'’./%+-]*\w[\w'’./%+-]*", one)) for one in found) / max(len(found), 1)


def main(names: list[str]) -> int:
    readers, bad = pages(FOR_READERS), False
    for path in [Path(name).resolve() for name in names] or pages():
        text = path.read_text(encoding="utf-8")
        mean, long = mean_words(text), too_long(text)
        failed = bool(long) or (path in readers and mean >= WORDS)
        bad |= failed
        where = f"; too long: line {', '.join(str(n) for n, _ in long[:8])}" if long else ""
        print(f"{'FAIL' if failed else 'ok  '} {path.relative_to(ROOT)}: {mean:.1f} words a sentence{where}")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

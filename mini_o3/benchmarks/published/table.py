"""The table of published numbers (`table.toml`): its rows for some benchmarks, and the same as Markdown."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from mini_o3.kit.errors import UserError

_TABLE: dict[str, Any] = tomllib.loads(Path(__file__).with_name("table.toml").read_text(encoding="utf-8"))

#: Benchmark -> how it is written. A benchmark is named as `source` names it in the tasks that are read from
#: it.
TITLES: dict[str, str] = _TABLE["benchmarks"]


@dataclass(frozen=True, slots=True)
class Published:
    """One published number.

    Attributes:
        system: with its size, and whether it had tools where that is not the same for all.
        value: share of right answers in percent.
        samples: how often each question was asked, as `Avg@32`; empty if the source does not say.
        measured_by: whose measurement it is.
        source: where it stands.
        note: what one has to know to read it; empty if nothing.
    """

    system: str
    benchmark: str
    value: float
    samples: str
    measured_by: str
    source: str
    note: str = ""


def benchmark_of(source: str) -> str | None:
    """The benchmark that tasks of this `source` belong to; None if it has no published numbers here."""
    name = _TABLE["aliases"].get(source, source)
    return name if name in TITLES else None


def published(benchmarks: Iterable[str] = ()) -> list[Published]:
    """All published numbers on these benchmarks, in the order of the table; on all if none is named.

    Names are those that tasks have as `source`; a name without published numbers adds nothing.
    """
    wanted = {benchmark_of(name) for name in benchmarks} or set(TITLES)
    return [number for row in _TABLE["rows"] for number in _numbers(row) if number.benchmark in wanted]


def published_under(key: str) -> list[Published]:
    """The numbers of one system in one source.

    A key is the system's name in small letters, as in `mini-o3-7b`, or as much of it as only one has; where
    several sources have one of that name, `@` and the source follow, as in `deepeyes-7b@mini_o3`.

    Raises:
        UserError: there is no such key, or several begin so; the message lists those that are near.
    """
    known = _by_key()
    name, at, source = key.partition("@")
    wanted = _slug(name) + at + source
    begin = [one for one in known if one.startswith(wanted)] if wanted else []
    if wanted in known or len(begin) == 1:
        return known[wanted if wanted in known else begin[0]]
    near = begin or get_close_matches(wanted, known, n=4, cutoff=0.4) or list(known)
    raise UserError(f"published:{key}: nothing is published under that key; try {', '.join(near)}")


@cache
def _by_key() -> dict[str, list[Published]]:
    rows = [(_slug(row["system"]), row) for row in _TABLE["rows"]]
    count = Counter(name for name, _ in rows)
    found: dict[str, list[Published]] = {}
    for name, row in rows:
        key = name if count[name] == 1 else f"{name}@{row['source']}"
        found.setdefault(key, []).extend(_numbers(row))
    return found


def _slug(system: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", system.lower()).strip("-")


def to_markdown(numbers: Sequence[Published]) -> str:
    """A table with a line for each system and source and a column for each benchmark, and the sources under
    it.

    A number is followed by how often each question was asked, where that is known.
    """
    if not numbers:
        return "Nothing is published on these benchmarks that we know of.\n"
    columns = [name for name in TITLES if any(number.benchmark == name for number in numbers)]
    sources = list(dict.fromkeys(number.source for number in numbers))
    lines: dict[tuple[str, str], dict[str, Published]] = {}
    for number in numbers:
        lines.setdefault((number.system, number.source), {})[number.benchmark] = number
    out = [
        f"| system | {' | '.join(TITLES[name] for name in columns)} | measured by |",
        f"| --- |{' ---: |' * len(columns)} --- |",
    ]
    for (system, source), found in lines.items():
        cells = [_cell(found.get(name)) for name in columns]
        first = next(iter(found.values()))
        note = f" ({first.note})" if first.note else ""
        out.append(
            f"| {system} | {' | '.join(cells)} | {first.measured_by}{note} [{sources.index(source) + 1}] |"
        )
    return "\n".join(
        [*out, "", *(f"[{index}] {source}  " for index, source in enumerate(sources, start=1)), ""]
    )


def _numbers(row: dict[str, Any]) -> list[Published]:
    source = _TABLE["sources"][row["source"]]
    samples = row.get("samples", source.get("samples", {}))
    return [
        Published(
            row["system"],
            name,
            float(value),
            samples if isinstance(samples, str) else samples.get(name, ""),
            row["measured_by"],
            source["title"],
            row.get("note", ""),
        )
        for name, value in row["scores"].items()
    ]


def _cell(number: Published | None) -> str:
    if number is None:
        return "-"
    value = f"{number.value:g}" if number.value % 1 else f"{number.value:.1f}"
    return f"{value} ({number.samples})" if number.samples else value

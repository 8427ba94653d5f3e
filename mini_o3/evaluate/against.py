"""An evaluation beside a published figure: do they agree within what so few outcomes can tell?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mini_o3.benchmarks.published import TITLES, Published, benchmark_of, published_under
from mini_o3.episode import SearchTask
from mini_o3.evaluate.metrics import Judged, rates, value_of
from mini_o3.evaluate.statistics import share_interval
from mini_o3.kit.errors import SettingError
from mini_o3.kit.files import write_json
from mini_o3.kit.reading import read_object, typed

AGAINST_FILE = "against.json"  # in the folder of an evaluation; what it is to be read beside
_PREFIX = "published:"


def figures_against(against: str, tasks: Sequence[SearchTask]) -> list[Published]:
    """The published figures that `against` names, on the benchmarks that the tasks are from.

    `published:KEY` has a key of `published_under`; `published:KEY/BENCHMARK` says what the tasks are, for
    tasks whose `source` does not.

    Raises:
        SettingError: there is no such figure, or it is of other benchmarks; the message says which there are.
    """
    if not against.startswith(_PREFIX):
        raise SettingError("against", "expected published:KEY, such as published:mini-o3-7b", against)
    key, _, benchmark = against.removeprefix(_PREFIX).partition("/")
    if benchmark and benchmark_of(benchmark) is None:
        raise SettingError("against", f"no such benchmark; choose from {', '.join(TITLES)}", against)
    figures = published_under(key)
    wanted = {benchmark_of(benchmark)} if benchmark else {benchmark_of(task.source) for task in tasks}
    found = [figure for figure in figures if figure.benchmark in wanted]
    if not found:
        has = ", ".join(figure.benchmark for figure in figures)
        asked = ", ".join(sorted({task.source or "of no source" for task in tasks}))
        problem = f"has figures on {has}; these tasks are {asked} (name one as published:{key}/BENCHMARK)"
        raise SettingError("against", problem, against)
    return found


def note_against(folder: Path, against: str) -> None:
    """Let every report of an evaluation from now on be read beside these figures."""
    write_json(folder / AGAINST_FILE, {"against": against})


def against_published(folder: Path, rows: Sequence[Judged]) -> list[dict[str, Any]]:
    """What `note_against` asked for, a row for each figure; empty if nothing was.

    `within` says whether the published figure lies in the 95% interval of ours (both are shares); its own
    error, which nobody publishes, comes on top. It is None where we have no interval.
    """
    if not (folder / AGAINST_FILE).is_file() or not rows:
        return []
    against = typed(read_object(folder / AGAINST_FILE), "against", str)
    named = against.partition("/")[2]
    found = []
    for figure in figures_against(against, [row.task for row in rows]):
        mine = [row for row in rows if named or benchmark_of(row.task.source) == figure.benchmark]
        judged = [row for row in mine if row.verdict.is_judged]
        interval = share_interval([value_of(row, row.verdict.is_correct) for row in judged])
        share = figure.value / 100
        found.append(
            {
                "against": against,
                **asdict(figure),
                **{key: value for key, value in rates(mine).items() if key != "episodes"},
                "interval": None if interval is None else [round(end, 4) for end in interval],
                "within": None if interval is None else interval[0] <= share <= interval[1],
            }
        )
    return found


def against_lines(found: Sequence[dict[str, Any]]) -> list[str]:
    """Each figure in a line: theirs, ours, and whether the two agree."""
    lines = []
    for row in found:
        how = f" ({row['samples']})" if row["samples"] else ""
        line = f"published {row['benchmark']}: {row['system']} {row['value']:.1f}%{how}, ours "
        if row["interval"] is None or row["accuracy"] is None:
            lines.append(f"{line}is not known: nothing was judged")
            continue
        low, high = row["interval"]
        lies = "lies within" if row["within"] else "DOES NOT LIE within"
        lines.append(
            f"{line}{100 * row['accuracy']:.1f}% ({100 * low:.1f} to {100 * high:.1f}) on {row['tasks']}"
            f" tasks: theirs {lies} our 95% interval"
        )
    return lines

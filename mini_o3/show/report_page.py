"""An evaluation as one self-contained HTML page: figures, charts, protocol, and a browser of its episodes.

The page loads nothing from any network, and its Content-Security-Policy forbids it. What models and people
wrote is in it as escaped text or as JSON that cannot end its element; only the page's own script may run.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, TextIO

from mini_o3.evaluate.answers import ANSWER_COLUMNS, answer_rows, are_labelled
from mini_o3.evaluate.metrics import Judged
from mini_o3.kit.files import write_atomically
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.show.browser import TAGS, Album, choose, entries, script_json
from mini_o3.show.page import COLOURS, asset, page_head
from mini_o3.show.report_charts import Point, bar_chart, curve_chart, histogram, percent, reliability_chart

_ANSWERS = 500  # rows of the table of answers on the page


def write_page(
    out: Path,
    rows: Sequence[Judged],
    report: dict[str, Any],
    *,
    title: str,
    protocol: dict[str, Any],
    figures: dict[str, Any] | None = None,
    most: int = 200,
    progress: OnProgress = no_progress,
) -> str:
    """Write the page to `out`, one picture after the other, and return a line that says what is on it.

    Args:
        rows: all episodes; the browser holds at most `most` of them, the wrong ones first.
        report: their figures, as `metrics.summarise` returns them, with `faithfulness` if there were control
            experiments.
        protocol: the settings of the evaluation, for a table; with `views` other than honest the crops are
            left out, because the policy did not see them.
        figures: numbers that came with the log, for a table of their own.
    """
    shown = choose(rows, most)
    crops = protocol.get("views", "honest") == "honest"
    album = Album(shown, crops, out.with_name(f"{out.stem}_files"))
    script = asset("picture.js") + asset("browser.js")

    def write(part: Path) -> None:
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace") as blocks,
            part.open("w", encoding="utf-8", errors="backslashreplace") as file,
        ):
            for done, found in enumerate(album, start=1):
                for name, text in found:
                    blocks.write(f'<script type="text/plain" id="{name}">{text}</script>\n')
                progress(done, len(album))
            blocks.seek(0)
            head = page_head(title, "report.css", script, beside=bool(album.beside))
            file.write(head + _overview(rows, report, title))
            file.write("<h2>Protocol</h2>" + _table(protocol))
            if figures:
                file.write("<h2>Figures that came with the log</h2>" + _table(figures))
            file.write(f'<h2>Episodes</h2><p id="extent">{escape(_extent(len(shown), len(rows), crops))}</p>')
            if album.beside:
                where = f"{album.beside} pictures lie in {album.folder.name} beside this page"
                file.write(f'<p id="beside">{escape(where)}; keep both together.</p>')
            file.write(asset("browser.html").replace("{tags}", "".join(map(_checkbox, TAGS))))
            _data(file, shown, crops)
            shutil.copyfileobj(blocks, file)
            if album.left_out:
                file.write(f"<p>{album.left_out} pictures are not on this page: no longer there.</p>")
            file.write(f"</main><script>{script}</script></body></html>\n")

    write_atomically(out, write)
    beside = f", {album.beside} pictures in {album.folder.name}" if album.beside else ""
    return f"{out}: {len(shown)} of {len(rows)} episodes, {out.stat().st_size / 1e6:.1f} MB{beside}"


def _data(file: TextIO, shown: Sequence[Judged], crops: bool) -> None:
    file.write('<script type="application/json" id="episodes">[')
    for number, entry in enumerate(entries(shown, crops)):
        file.write((",\n" if number else "\n") + script_json(entry))
    file.write("]</script>\n")
    file.write(f'<script type="application/json" id="colours">{script_json(COLOURS)}</script>\n')


def _overview(rows: Sequence[Judged], report: dict[str, Any], title: str) -> str:
    name = f"Avg@{report['samples']}" if report["samples"] > 1 else "accuracy"
    reasons = ", ".join(f"{count} {reason}" for reason, count in report["unjudged_reasons"].items())
    unjudged = f"{report['unjudged']} of {report['episodes']}" + (f" ({reasons})" if reasons else "")
    labelled = are_labelled(rows) or not rows
    judged = [
        _tile(name, percent(_point("", report))),
        _tile("unjudged", unjudged, "warn" if report["unjudged"] else ""),
    ]
    if "worst_case" in report:
        judged.append(_tile("if those were wrong", percent(_point("", report["worst_case"]))))
    tiles = [
        _tile("tasks", str(report["tasks"])),
        *(judged if labelled else [_tile("expected answers", "none")]),
        *([_tile("would fail again", str(report["lasting"]), "warn")] if "lasting" in report else []),
        _tile("turns", f"{report['turns_mean']:.1f}"),
        *(
            _tile(what.replace("_", "-"), f"{report[what + '_rate']:.1%}")
            for what in ("over_turn", "void", "malformed")
        ),
    ]
    tiles += [
        _tile(
            f"tokens of the {name}",
            f"{paid['total']:,}" + (f", cost {paid['cost']:,.4f}" if "cost" in paid else ""),
        )
        for name, paid in report.get("spending", {}).items()
    ]
    policies = sorted({row.episode.policy for row in rows})
    return (
        f'<header><h1>{escape(title)}</h1><div class="meta">{escape(", ".join(policies))}; errors are one'
        " standard error, clustered by picture; what is unjudged counts neither way</div><div"
        f' class="figures" id="figures">{"".join(tiles)}</div></header><main>'
        f"{'' if labelled else _answers(rows)}"
        f'<div class="charts">{"".join(_charts(report, labelled))}</div>'
    )


def _answers(rows: Sequence[Judged]) -> str:
    """What was answered where nobody knows the right answer, a row each; `answers.csv` has all of it."""
    head = "".join(f"<th>{name}</th>" for name in ANSWER_COLUMNS)
    lines = [
        "<tr>"
        + "".join(
            f'<td data-name="{name}">{escape(cell)}</td>'
            for name, cell in zip(ANSWER_COLUMNS, row, strict=True)
        )
        + "</tr>"
        for row in answer_rows(rows)[:_ANSWERS]
    ]
    left = f"<p>{len(rows) - _ANSWERS} more are in answers.csv.</p>" if len(rows) > _ANSWERS else ""
    return f'<h2>Answers</h2><table id="answers"><tr>{head}</tr>{"".join(lines)}</table>{left}'


def _charts(report: dict[str, Any], labelled: bool) -> list[str]:
    curve = [_point(limit, point) for limit, point in report["curve"].items()]
    turns = _filled([Point(turn, float(count)) for turn, count in report["turns_histogram"].items()])
    title = "Accuracy over turn limit"
    charts = [
        _figure("turns", "Turns", histogram(turns, label="episodes by turns", axis="turns of an episode"))
    ]

    def bars(name: str, title: str, points: Sequence[Point]) -> None:
        charts.append(_figure(name, title, bar_chart(points, label=title.lower())))

    if labelled:
        charts.insert(0, _figure("curve", title, curve_chart(curve, label=title.lower(), axis="turn limit")))
    for name in ("categories", "families", "levels") if labelled else ():
        if parts := report.get(name):
            points = [_point(f"{kind} ({part['tasks']})", part) for kind, part in parts.items()]
            bars(name, f"Accuracy by {name}", points)
    if "faithfulness" in report:
        points = [_point(kind.replace("_", " "), part) for kind, part in report["faithfulness"].items()]
        bars("faithfulness", "What was shown: control experiments", points)
    if "calibration" in report:
        found = report["calibration"]
        title = f"Confidence ({found['of'].replace('_', ' ')}), ECE {found['ece']:.3f}"
        chart = reliability_chart(found["bins"], label="share of right answers over confidence")
        charts.append(_figure("confidence", title, chart))
    total = max(report["episodes"], 1)
    points = [Point(kind.replace("_", " "), count / total) for kind, count in report["stops"].items()]
    bars("endings", "Endings, share of episodes", points)
    return charts


def _figure(name: str, title: str, chart: str) -> str:
    return f'<figure id="chart-{name}"><figcaption>{escape(title)}</figcaption>{chart}</figure>'


def _filled(turns: Sequence[Point]) -> list[Point]:
    """With the numbers of turns that no episode took, so that the axis is even."""
    counts = {int(point.name): point.value for point in turns}
    return [
        Point(str(n), counts.get(n, 0.0)) for n in range(min(counts, default=1), max(counts, default=1) + 1)
    ]


def _point(name: str, figure: dict[str, Any]) -> Point:
    return Point(name, figure["accuracy"], figure["stderr"])


def _checkbox(tag: str) -> str:
    return f'<label><input type="checkbox" class="tag" value="{tag}"> {escape(TAGS[tag])}</label>'


def _tile(name: str, text: str, kind: str = "") -> str:
    return f'<div class="{kind}"><b>{escape(text)}</b>{escape(name)}</div>'


def _table(values: dict[str, Any]) -> str:
    lines = "".join(
        f"<tr><th>{escape(str(name))}</th><td>{escape(_value(value))}</td></tr>"
        for name, value in values.items()
    )
    return f'<table class="protocol">{lines}</table>'


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _extent(shown: int, count: int, crops: bool) -> str:
    line = f"{shown} of {count} episodes are on this page"
    if shown < count:
        line += f"; {count - shown} are left out: the wrong ones come first, a larger `most` takes in more"
    return line + ("." if crops else ". What was shown was changed on purpose, so there are no crops.")

"""An evaluation as one self-contained HTML page: figures, charts, protocol, and a browser of its episodes.

The page asks nothing of any network, and its Content-Security-Policy forbids it to. What models and people
wrote reaches it as escaped text or as JSON that cannot end its element; a policy by hash lets no script run
but the page's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any, TextIO

from mini_o3.evaluate.metrics import Judged
from mini_o3.kit.files import write_atomically
from mini_o3.show.browser import TAGS, Album, choose, entries, script_json
from mini_o3.show.page import COLOURS, asset, page_head
from mini_o3.show.report_charts import Point, bar_chart, curve_chart, histogram, percent


def write_page(
    out: Path,
    rows: Sequence[Judged],
    report: dict[str, Any],
    *,
    title: str,
    protocol: dict[str, Any],
    figures: dict[str, Any] | None = None,
    most: int = 200,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> str:
    """Write the page to `out`, picture after picture, and return a line that says what is on it.

    Args:
        rows: all episodes; at most `most` of them, wrong ones first, can be looked at on the page.
        report: their figures, as `metrics.summarise` gives them, with `faithfulness` if there were control
            experiments.
        protocol: how they came about, for the table; `views` other than honest leaves the crops out, for the
            policy did not see them.
        figures: numbers that came with the log, shown as they are.
    """
    shown = choose(rows, most)
    crops = protocol.get("views", "honest") == "honest"
    album = Album(shown, crops)
    script = asset("browser.js")

    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(page_head(title, "report.css", script) + _overview(rows, report, title))
            file.write("<h2>Protocol</h2>" + _table(protocol))
            if figures:
                file.write("<h2>Figures that came with the log</h2>" + _table(figures))
            file.write(f'<h2>Episodes</h2><p id="extent">{escape(_extent(len(shown), len(rows), crops))}</p>')
            file.write(asset("browser.html").replace("{tags}", "".join(map(_checkbox, TAGS))))
            _data(file, shown, crops)
            for done, blocks in enumerate(album, start=1):
                for name, text in blocks:
                    file.write(
                        f'<script type="text/plain" id="{name}">{text}</script>\n'
                    )  # base64 or a name of ours
                progress(done, len(album))
            if album.left_out:
                file.write(
                    f"<p>{album.left_out} pictures are not on this page: no longer there, or no room.</p>"
                )
            file.write(f"</main><script>{script}</script></body></html>\n")

    write_atomically(out, write)
    return f"{out}: {len(shown)} of {len(rows)} episodes, {out.stat().st_size / 1e6:.1f} MB"


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
    tiles = [
        _tile(name, percent(_point("", report))),
        _tile("tasks", str(report["tasks"])),
        _tile("unjudged", unjudged, "warn" if report["unjudged"] else ""),
        _tile("turns", f"{report['turns_mean']:.1f}"),
        *(
            _tile(what.replace("_", "-"), f"{report[what + '_rate']:.1%}")
            for what in ("over_turn", "void", "malformed")
        ),
    ]
    policies = sorted({row.episode.policy for row in rows})
    return (
        f'<header><h1>{escape(title)}</h1><div class="meta">{escape(", ".join(policies))}; errors are one'
        " standard error, clustered by picture; what is unjudged counts neither way</div><div"
        f' class="figures" id="figures">{"".join(tiles)}</div></header><main><div'
        f' class="charts">{"".join(_charts(report))}</div>'
    )


def _charts(report: dict[str, Any]) -> list[str]:
    curve = [_point(limit, point) for limit, point in report["curve"].items()]
    turns = [Point(turn, float(count)) for turn, count in report["turns_histogram"].items()]
    found = [
        (
            "curve",
            "Accuracy over turn limit",
            curve_chart(curve, label="accuracy over turn limit", axis="turn limit"),
        ),
        (
            "turns",
            "Turns",
            histogram(_filled(turns), label="episodes by number of turns", axis="turns of an episode"),
        ),
    ]
    for name in ("categories", "families", "levels"):
        parts = report.get(name)
        if parts:
            bars = [_point(f"{kind} ({part['tasks']})", part) for kind, part in parts.items()]
            found.append((name, f"Accuracy by {name}", bar_chart(bars, label=f"accuracy by {name}")))
    if "faithfulness" in report:
        bars = [_point(kind.replace("_", " "), part) for kind, part in report["faithfulness"].items()]
        found.append(
            (
                "faithfulness",
                "What was shown: control experiments",
                bar_chart(bars, label="accuracy by control"),
            )
        )
    endings = [
        Point(kind.replace("_", " "), count / max(report["episodes"], 1))
        for kind, count in report["stops"].items()
    ]
    found.append(("endings", "Endings, share of episodes", bar_chart(endings, label="endings")))
    return [
        f'<figure id="chart-{name}"><figcaption>{escape(title)}</figcaption>{chart}</figure>'
        for name, title, chart in found
    ]


def _filled(turns: Sequence[Point]) -> list[Point]:
    """With the numbers of turns that nobody took, so that the axis is even."""
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
        line += f"; {count - shown} are left out: the wrong ones come first, --most N takes in more"
    return line + ("." if crops else ". What was shown was changed on purpose, so there are no crops.")

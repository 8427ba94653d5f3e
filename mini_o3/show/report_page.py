"""An evaluation as one self-contained HTML page: figures, charts, protocol, and a browser of its episodes.

The page asks nothing of any network, and its Content-Security-Policy forbids it to. What models and people
wrote reaches it as escaped text or as JSON that cannot end its element; a policy by hash lets no script run
but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any, TextIO

from mini_o3.evaluate.metrics import Judged
from mini_o3.kit.files import write_atomically
from mini_o3.show.browser import Album, choose, entries, script_json
from mini_o3.show.browser_script import SCRIPT, STYLE, browser_html
from mini_o3.show.report_charts import Point, bar_chart, curve_chart, histogram, percent

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 0; color: #1b1b1f; background: #f6f6f8 }
header { padding: 14px 22px; background: #fff; border-bottom: 1px solid #ddd } main { padding: 4px 22px 30px }
h1 { font-size: 19px; margin: 0 0 4px } h2 { font-size: 16px; margin: 22px 0 8px } .meta { color: #666; font-size: 13px }
.figures { display: flex; gap: 26px; flex-wrap: wrap; margin-top: 10px } .figures b { display: block; font-size: 21px }
.figures .warn { color: #b00020 } .charts { display: flex; gap: 18px; flex-wrap: wrap } figure { margin: 0; background: #fff;
  border: 1px solid #ddd; border-radius: 6px; padding: 10px 12px; flex: 0 1 470px } figcaption { font-weight: 600 }
.chart { width: 100%; height: auto } .chart text { font-size: 12px; fill: #444 } .chart .row { text-anchor: end;
  dominant-baseline: central } .chart .value { dominant-baseline: central } .chart .name { text-anchor: middle }
.chart .grid { stroke: #e3e3e8 } .chart .error { stroke: #1b1b1f; stroke-width: 1.5 } .chart .line { fill: none;
  stroke: #4363d8; stroke-width: 2 } .chart .dot, .chart .bar { fill: #4363d8 } .chart rect.bar { fill: #9db2ee }
table { border-collapse: collapse; background: #fff } td, th { border: 1px solid #ddd; padding: 3px 9px; text-align: left;
  overflow-wrap: anywhere; vertical-align: top } summary { font-weight: 600; cursor: pointer }
"""


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

    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(_head(title) + _overview(rows, report, title))
            file.write("<h2>Protocol</h2>" + _table(protocol))
            if figures:
                file.write("<h2>Figures that came with the log</h2>" + _table(figures))
            file.write(f'<h2>Episodes</h2><p id="extent">{escape(_extent(len(shown), len(rows), crops))}</p>')
            file.write(browser_html())
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
            file.write(f"</main><script>{SCRIPT}</script></body></html>\n")

    write_atomically(out, write)
    return f"{out}: {len(shown)} of {len(rows)} episodes, {out.stat().st_size / 1e6:.1f} MB"


def _data(file: TextIO, shown: Sequence[Judged], crops: bool) -> None:
    file.write('<script type="application/json" id="episodes">[')
    for number, entry in enumerate(entries(shown, crops)):
        file.write((",\n" if number else "\n") + script_json(entry))
    file.write("]</script>\n")


def _head(title: str) -> str:
    ours = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{ours}'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport"'
        ' content="width=device-width"><meta http-equiv="Content-Security-Policy"'
        f' content="{policy}"><title>{escape(title)}</title><style>{_STYLE}{STYLE}</style></head><body>'
    )


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

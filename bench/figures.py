"""Draw the figures of docs/REPRODUCTION.md again from results/, and the drawing of over-turn masking.

    python bench/figures.py            # results/SUITE/figure.svg and docs/figures/masking.svg

Two colours for two arms, shades for seeds. Nothing is used but the figures in `report.json` and
`metrics.jsonl`.
"""

import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from statistics import mean

from mini_o3.grpo.advantages import Masking, RolloutOutcome, group_advantages

ROOT = Path(__file__).parents[1]
TEAL, ORANGE = ("#00695c", "#26a69a", "#80cbc4"), ("#bf360c", "#f4511e", "#ffab91")
GREY, INK, GREEN, RED = "#9e9e9e", "#333333", "#2e7d32", "#c62828"
LEVELS = ("hard", "medium", "easy")
PANEL, GAP, TOP, HEIGHT = 250, 60, 34, 190  # pixels

Line = tuple[str, str, dict[float, float], str]  # name, colour, points, dashes


def svg(width: float, height: float, marks: Sequence[str], label: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img"'
        f' aria-label="{escape(label)}" font-family="sans-serif" font-size="12" fill="{INK}">\n'
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>\n' + "\n".join(marks) + "\n</svg>\n"
    )


def text(x: float, y: float, words: str, *, at: str = "start", colour: str = INK, more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{at}" fill="{colour}" {more}>{escape(words)}</text>'


def panel(
    left: float,
    top: float,
    title: str,
    lines: Sequence[Line],
    ticks: Sequence[float],
    highest: float,
    unit: str,
) -> Iterator[str]:
    """A chart of lines: the x axis holds `ticks` at equal distances, or runs from 0 to the only one."""
    names, bottom = sorted(ticks), top + HEIGHT

    def across(value: float) -> float:
        if len(names) == 1:
            return left + PANEL * value / names[0]
        return left + PANEL * names.index(value) / (len(names) - 1)

    def up(value: float) -> float:
        return bottom - HEIGHT * value / highest

    yield text(left, top - 12, title, more='font-weight="700"')
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = up(share * highest)
        yield f'<line x1="{left:g}" y1="{y:g}" x2="{left + PANEL:g}" y2="{y:g}" stroke="#e0e0e0"/>'
        yield text(left - 6, y + 4, f"{share * highest:g}{unit}", at="end", more='font-size="10"')
    for tick in [0, *names] if len(names) == 1 else names:
        yield text(across(tick), bottom + 15, f"{tick:g}", at="middle", more='font-size="10"')
    for _, colour, points, dashes in lines:
        shown = [(x, y) for x, y in sorted(points.items()) if len(names) == 1 or x in names]
        path = " ".join(f"{across(x):.1f},{up(min(y, highest)):.1f}" for x, y in shown)
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'


def legend(lines: Sequence[Line], left: float, top: float, columns: int) -> Iterator[str]:
    for number, (name, colour, _, dashes) in enumerate(lines):
        x, y = left + 290 * (number % columns), top + 18 * (number // columns)
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        ends = f'x1="{x:g}" y1="{y:g}" x2="{x + 26:g}" y2="{y:g}"'
        yield f'<line {ends} stroke="{colour}" stroke-width="3"{dash}/>'
        yield text(x + 32, y + 4, name)


def read(suite: str) -> dict:
    return json.loads((ROOT / "results" / suite / "report.json").read_text())


def curve(report: dict) -> dict[float, float]:
    return {float(limit): 100 * point["accuracy"] for limit, point in report["curve"].items()}


def log(suite: str, run: str, key: str, window: int = 5) -> dict[float, float]:
    """A column of a training log over its steps, as a running mean."""
    place = ROOT / "results" / suite / run / "metrics.jsonl"
    rows = [json.loads(line) for line in place.read_text().splitlines()]
    return {
        row["step"]: mean(one[key] for one in rows[max(n - window + 1, 0) : n + 1])
        for n, row in enumerate(rows)
    }


def figure(
    suite: str, runs: dict[str, tuple[str, str, str]], logs: dict[str, str], paper: bool = False
) -> str:
    """Accuracy over turn limits by level, above what happened in training.

    Args:
        runs: run -> its name in the figure, its colour, its dashes.
        logs: run -> the suite that keeps its log.
    """
    report = read(suite)
    marks: list[str] = []
    limits = (4, 6, 8, 12, 16, 24, 32)
    step = PANEL + GAP
    for number, level in enumerate(LEVELS):
        lines: list[Line] = [
            (name, colour, curve(report["runs"][run][level]), dashes)
            for run, (name, colour, dashes) in runs.items()
            if level in report["runs"][run]
        ]
        if paper and level == "hard":
            arms = report["suite"]["paper"].items()
            lines += [("", GREY, {float(t): 100 * v for t, v in arm.items()}, "2 4") for _, arm in arms]
        title = f"{level}: right (%) within so many turns"
        marks += panel(46 + number * step, TOP, title, lines, limits, 100 if level == "easy" else 80, "")
    height = TOP + HEIGHT + 40
    if logs:
        columns = (("reward", "training: mean reward", 1.0), ("over_turn", "training: share over-turn", 1.0))
        columns += (("turns", "training: turns per rollout (of 6)", 6.0),)
        for number, (key, title, highest) in enumerate(columns):
            lines = [
                (name, colour, log(logs[run], run if logs[run] == suite else "masked_1", key), dashes)
                for run, (name, colour, dashes) in runs.items()
                if run in logs
            ]
            marks += panel(46 + number * step, height + 20, title, lines, (40,), highest, "")
        height += HEIGHT + 60
    named: list[Line] = [(name, colour, {}, dashes) for name, colour, dashes in runs.values()]
    if paper:
        named.append(("the paper's two arms (7B, other probes)", GREY, {}, "2 4"))
    marks += legend(named, 46, height + 12, 3)
    rows = -(-len(named) // 3)
    return svg(46 + 3 * step - 30, height + 18 * rows + 14, marks, f"{report['suite']['title']}, by level")


def bars(suite: str, runs: dict[str, tuple[str, str]]) -> str:
    """Share of hard episodes that show each way of reasoning."""
    report = read(suite)
    kinds = ("depth_first", "trial_and_error", "backtracking", "self_correction", "goal_maintenance")
    marks, left, width = (
        [text(46, 20, "share of hard episodes (500 probes x 8)", more='font-weight="700"')],
        60,
        150,
    )
    bottom = TOP + HEIGHT
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = bottom - HEIGHT * share
        marks.append(f'<line x1="{left}" y1="{y:g}" x2="{left + 5 * width}" y2="{y:g}" stroke="#e0e0e0"/>')
        marks.append(text(left - 6, y + 4, f"{share:g}", at="end", more='font-size="10"'))
    for place, kind in enumerate(kinds):
        x = left + place * width + 16
        for number, (run, (_, colour)) in enumerate(runs.items()):
            value = report["runs"][run]["hard"]["patterns"][kind]
            high = HEIGHT * value
            where = f'x="{x + number * 30:g}" y="{bottom - high:.1f}" width="26" height="{high:.1f}"'
            marks.append(f'<rect {where} fill="{colour}"/>')
            marks.append(
                text(
                    x + number * 30 + 13, bottom - high - 4, f"{value:.2f}", at="middle", more='font-size="9"'
                )
            )
        marks.append(text(x + 58, bottom + 16, kind.replace("_", " "), at="middle"))
    named: list[Line] = [(name, colour, {}, "") for name, colour in runs.values()]
    marks += legend(named, left, bottom + 40, 3)
    return svg(left + 5 * width + 20, bottom + 80, marks, "ways of reasoning")


def masking() -> str:
    """Six rollouts of one question under a budget of six turns: what each is worth, masked and not."""
    rows = ((3, "right"), (5, "right"), (2, "wrong"), (6, "wrong"), (6, "over"), (6, "over"))
    outcomes = [RolloutOutcome(float(end == "right"), over_turn=end == "over") for _, end in rows]
    found = {on: group_advantages(outcomes, Masking(over_turn=on)) for on in (False, True)}
    marks = [
        text(20, 24, "six searches of one question, at most six turns each", more='font-weight="700"'),
        text(470, 24, "reward", at="middle"),
        text(590, 24, "learnt from: unmasked", at="middle"),
        text(760, 24, "masked (the paper)", at="middle"),
    ]
    for number, (turns, end) in enumerate(rows):
        y = 58 + 40 * number
        for turn in range(6):
            x = 20 + 44 * turn
            last = turn == turns - 1 and end != "over"
            fill = {"right": GREEN, "wrong": RED}.get(end, "#90a4ae") if last else "#90a4ae"
            fill = fill if turn < turns else "#f1f3f4"
            marks.append(f'<rect x="{x}" y="{y - 14}" width="38" height="24" rx="4" fill="{fill}"/>')
            word = "" if turn >= turns else ("answer" if last else "zoom")
            marks.append(text(x + 19, y + 2, word, at="middle", colour="#ffffff", more='font-size="10"'))
        word = {"right": "right", "wrong": "wrong", "over": "out of turns"}[end]
        marks.append(text(292, y + 3, word, colour={"right": GREEN, "wrong": RED}.get(end, INK)))
        marks.append(text(470, y + 3, f"{outcomes[number].reward:g}", at="middle"))
        for x, on in ((590, False), (760, True)):
            value = float(found[on].advantages[number])
            masked = on and end == "over"
            colour = GREY if masked else GREEN if value > 0 else RED
            marks.append(
                text(x, y + 3, "0, left out" if masked else f"{value:+.2f}", at="middle", colour=colour)
            )
    y = 58 + 40 * len(rows)
    marks += [
        text(
            20, y + 4, "Unmasked, a search that needed a seventh turn counts as wrong as a false answer does."
        ),
        text(
            20,
            y + 22,
            "So the policy learns to answer within six turns. Masked, it is not pushed either way.",
        ),
    ]
    return svg(
        860, y + 40, marks, "Over-turn masking: searches that ran out of turns are left out of the loss"
    )


def main() -> None:
    arms = {f"masked_{n}": (f"masked, seed {n}", TEAL[n - 1], "") for n in (1, 2, 3)}
    arms |= {f"unmasked_{n}": (f"unmasked, seed {n}", ORANGE[n - 1], "") for n in (1, 2, 3)}
    readings = {
        "all_batch": ("rewards over all, divided by the batch", TEAL[0], ""),
        "all_completed": ("over all, divided by completed", TEAL[1], ""),
        "all_all": ("over all, divided by all", TEAL[2], ""),
        "turn_cost": ("over all, a right answer costs 0.02 a turn", TEAL[0], "5 3"),
        "completed_completed": ("over completed, divided by completed", ORANGE[0], ""),
        "completed_completed_2": ("the same, seed 2", ORANGE[1], ""),
        "completed_all": ("over completed, divided by all", ORANGE[2], ""),
    }
    logs = dict.fromkeys(readings, "readings") | {"all_batch": "over_turn_masking"}
    shown = {
        "perception": ("before SFT (has only learnt to see): none", GREY),
        "sft": ("after SFT (nano)", TEAL[2]),
        "guesses": ("after SFT with guesses", ORANGE[2]),
        "reinforced": ("and 40 masked steps", TEAL[0]),
    }
    drawn = {
        "results/over_turn_masking/figure.svg": figure(
            "over_turn_masking", arms, dict.fromkeys(arms, "over_turn_masking"), paper=True
        ),
        "results/readings/figure.svg": figure("readings", readings, logs),
        "results/patterns/figure.svg": bars("patterns", shown),
        "docs/figures/masking.svg": masking(),
    }
    for name, picture in drawn.items():
        (ROOT / name).write_text(picture, encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()

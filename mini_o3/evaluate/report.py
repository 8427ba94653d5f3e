"""From episodes and verdicts to `report.json` and `report.md`. The same records always give the same
bytes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mini_o3.benchmarks.published import Published, benchmark_of, published
from mini_o3.benchmarks.published import to_markdown as published_table
from mini_o3.episode import EPISODES_FILE, Episode, SearchTask, read_tasks
from mini_o3.episode.store import EpisodeStore
from mini_o3.evaluate.absent import is_absent, not_there
from mini_o3.evaluate.against import against_lines, against_published
from mini_o3.evaluate.answers import ANSWERS_FILE, are_labelled, write_answers
from mini_o3.evaluate.calibration import calibration, calibration_rows
from mini_o3.evaluate.certainty import certainty
from mini_o3.evaluate.evidence import evidence_iou
from mini_o3.evaluate.metrics import Judged, summarise
from mini_o3.evaluate.protocol import PROTOCOL_FILE, REPORT_VERSION
from mini_o3.evaluate.spending import spending, spending_words
from mini_o3.judge import unjudged
from mini_o3.judge.record import VerdictStore
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import read_jsonl, write_json, write_text
from mini_o3.kit.reading import in_words, read_object, typed

CONTROLS = "controls"  # folder of an evaluation's control experiments, one evaluation each


def read_judged(folder: Path, tasks: Sequence[SearchTask] | None = None) -> list[Judged]:
    """Everything that was measured in a folder, in the order of its tasks and seeds.

    Raises:
        UserError: the folder is not an evaluation, or its tasks are gone.
    """
    manifest = read_manifest(folder)
    tasks = tasks if tasks is not None else read_tasks(manifest["tasks"])
    verdicts = VerdictStore(folder).verdicts
    by_task: dict[str, list[Episode]] = {}
    for episode in EpisodeStore(folder).episodes.values():
        by_task.setdefault(episode.task_id, []).append(episode)
    return [
        Judged(task, episode, verdicts.get(episode.key, unjudged("not judged yet")))
        for task in {task.id: task for task in tasks}.values()
        for episode in sorted(by_task.get(task.id, []), key=lambda episode: episode.seed)
    ]


def first_error(folder: Path) -> str | None:
    """What a policy failed at first, in its own words; None if it never did."""
    return next((row["error"] for row in read_jsonl(folder / EPISODES_FILE) if row.get("error")), None)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The protocol that a folder was measured by.

    Raises:
        UserError: the folder is not an evaluation.
    """
    path = folder / PROTOCOL_FILE
    try:
        found = read_object(path)
        typed(found, "tasks", str)
        typed(found, "report", int, default=1)
    except (UserError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: cannot be read ({in_words(error)}); give a folder that `mini-o3 eval` wrote"
        ) from None
    return found


def write_report(
    folder: Path, tasks: Sequence[SearchTask] | None = None, rows: Sequence[Judged] | None = None
) -> dict[str, Any]:
    """Write `report.json`, `report.md` and, apart from them because it never repeats, `timing.json`; return
    the report.

    `rows` are those of `read_judged`, if they are at hand.
    """
    rows = rows if rows is not None else read_judged(folder, tasks)
    manifest = read_manifest(folder)
    more = _since_version_2(rows) if manifest.get("report", 1) >= REPORT_VERSION else {}
    paid = spending(folder, [row.episode for row in rows])
    report = {**summarise(rows), **more, **paid, "protocol": manifest}
    if any(is_absent(row.task) for row in rows):
        report["not_there"] = not_there(rows)
    known = sorted({row.task.source for row in rows if benchmark_of(row.task.source)})
    if known:
        report["published"] = [asdict(number) for number in published(known)]
    if against := against_published(folder, rows):
        report["against"] = against
    controls = {
        path.name: _control(read_object(path / "report.json"))
        for path in sorted((folder / CONTROLS).glob("*"))
        if (path / "report.json").is_file()
    }
    if controls:
        report["faithfulness"] = {"as_it_is": _control(report), **controls}
    if rows and not are_labelled(rows):
        report["unlabelled"] = {"answers": ANSWERS_FILE, "statuses": _statuses(rows)}
        write_answers(folder, rows)
    write_json(folder / "report.json", report)
    write_text(folder / "report.md", to_markdown(report))
    seconds = [sum(turn.seconds for turn in row.episode.turns) for row in rows]
    write_json(
        folder / "timing.json",
        {"episodes": len(rows), "policy_seconds_mean": round(sum(seconds) / max(len(rows), 1), 4)},
    )
    return report


def _since_version_2(rows: Sequence[Judged]) -> dict[str, Any]:
    """What older evaluations do not report; keys of which nothing is known are left out."""
    more = {"evidence_iou": evidence_iou(rows), "calibration": calibration(rows)}
    return certainty(rows) | {key: value for key, value in more.items() if value is not None}


def _statuses(rows: Sequence[Judged]) -> dict[str, int]:
    return dict(sorted(Counter(row.episode.status.value for row in rows).items()))


def headline(report: dict[str, Any]) -> str:
    """Accuracy with its error; whatever nobody judged is said here and nowhere smaller."""
    if "unlabelled" in report:
        statuses = ", ".join(f"{n} {status}" for status, n in report["unlabelled"]["statuses"].items())
        where = report["unlabelled"]["answers"]
        return f"{report['tasks']} tasks without expected answers: {statuses}; every answer is in {where}"
    name = f"Avg@{report['samples']}" if report["samples"] > 1 else "accuracy"
    ends = report.get("intervals", {})
    line = f"{name} {_percent(report, ends.get('accuracy'))} on {report['tasks']} tasks"
    if report["unjudged"]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in report["unjudged_reasons"].items())
        line += f"; {report['unjudged']} OF {report['episodes']} EPISODES UNJUDGED ({reasons})"
        if "worst_case" in report:
            line += f", {_percent(report['worst_case'])} IF THEY COUNTED AS WRONG"
        if "lasting" in report:
            line += f"; {report['lasting']} FAILED IN A WAY THAT COMES AGAIN, such as a refusal"
        line += ": the same command asks a policy again that failed, `mini-o3 judge run` a judge"
    return line


def summary_lines(report: dict[str, Any]) -> list[str]:
    """The report in a few lines: headline, curve, controls."""
    curve = ", ".join(f"{limit}: {point['accuracy']}" for limit, point in report["curve"].items())
    controls = report.get("faithfulness", {})
    return [
        headline(report),
        *against_lines(report.get("against", ())),
        *([] if "unlabelled" in report else [f"at turn limits {curve}"]),
        *(f"  {name.replace('_', ' ')}: {control['accuracy']}" for name, control in controls.items()),
        *(f"{name}: {spending_words(figures)}" for name, figures in report.get("spending", {}).items()),
    ]


def to_markdown(report: dict[str, Any]) -> str:
    """The report for people: headline, curve, endings, divisions, controls, and the protocol at the end."""
    lines = ["# Evaluation", "", headline(report), ""]
    lines += [text for line in against_lines(report.get("against", ())) for text in (line, "")]
    if report["samples"] > 1:
        for name, key in (("Pass", "pass_at_k"), ("Maj", "maj_at_k")):
            lines += [f"{name}@{report['samples']} {_percent(report[key])}", ""]
    lines += _table(
        ("any of k samples, unbiased", "accuracy", "tasks"),
        [(k, _percent(f, f["interval"]), f["tasks"]) for k, f in report.get("pass_at", {}).items()],
    )
    intervals = report.get("intervals", {})
    lines += _table(
        ("at a limit of", "accuracy"),
        [
            (f"{n} turns", _percent(point, intervals.get("curve", {}).get(n)))
            for n, point in report["curve"].items()
        ],
    )
    endings = [(name.replace("_", " "), str(count)) for name, count in report["stops"].items()]
    endings += [("share with a malformed turn", f"{report['malformed_rate']:.1%}")]
    endings += [
        ("turns", str(report["turns_mean"])),
        ("turns of right answers", str(report["turns_mean_correct"])),
    ]
    lines += _table(("ending", "episodes"), endings)
    for name in ("categories", "families", "levels"):
        parts = report.get(name, {})
        lines += _table(
            (name, "tasks", "accuracy"),
            [
                (kind, str(r["tasks"]), _percent(r, intervals.get(name, {}).get(kind)))
                for kind, r in parts.items()
            ],
        )
    if "groups" in report:
        groups = report["groups"]
        mean, strict = _share(groups["mean"]), _share(groups["consistent"])
        lines += [f"{groups['groups']} rotated questions: mean {mean}, right in every rotation {strict}", ""]
    if "localisation" in report:
        found = report["localisation"]
        cells = [
            ("target in a look", f"{found['located_right']:.1%}", f"{found['located_wrong']:.1%}"),
            ("not in any", f"{found['missed_right']:.1%}", f"{found['missed_wrong']:.1%}"),
        ]
        lines += _table((f"of {found['episodes']} episodes", "right", "wrong"), cells)
    if "evidence_iou" in report:
        lines += [_evidence_line(report["evidence_iou"]), ""]
    if "calibration" in report:
        found = report["calibration"]
        lines += [f"Confidence ({found['of'].replace('_', ' ')}): calibration error (ECE) {found['ece']:.3f}"]
        lines += ["", *_table(("confidence", "answers", "mean", "right"), calibration_rows(found))]
    if "not_there" in report:
        lines += _table(("what is not there", ""), _not_there(report["not_there"]))
    if "faithfulness" in report:
        rows = [
            (name.replace("_", " "), _percent(r), str(r["turns_mean"]))
            for name, r in report["faithfulness"].items()
        ]
        lines += _table(("what was shown", "accuracy", "turns"), rows)
    if "spending" in report:
        kinds = [(name, spending_words(figures)) for name, figures in report["spending"].items()]
        if each := report["spending"].get("policy", {}).get("per_episode"):
            kinds.append(
                ("policy, per episode", ", ".join(f"{value:g} {name}" for name, value in each.items()))
            )
        lines += _table(("what it took, over all starts", ""), kinds)
    if "published" in report:
        numbers = [Published(**number) for number in report["published"]]
        lines += [
            "What others report on this benchmark, by their own protocols:",
            "",
            published_table(numbers),
        ]
    lines += _table(("turns", "episodes"), list(report["turns_histogram"].items()))
    lines += _table(
        ("pattern", "share of episodes"),
        [(name, f"{share:.3f}") for name, share in report["patterns"].items()],
    )
    settings = [(name, json.dumps(value, ensure_ascii=False)) for name, value in report["protocol"].items()]
    return "\n".join(lines + _table(("protocol", "value"), settings))


def _evidence_line(found: dict[str, Any]) -> str:
    if not found["n"]:
        return "Evidence: no answer on a task that knows boxes"
    named = found["sources"].get("answer", 0)
    return (
        f"Evidence against the target (IoU): mean {found['mean']:.3f}, median {found['median']:.3f} over"
        f" {found['n']} answers, {named} of which name a box themselves"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    if not rows:
        return []
    lines = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines), ""]


def _control(report: dict[str, Any]) -> dict[str, Any]:
    return {key: report[key] for key in ("accuracy", "stderr", "tasks", "episodes", "unjudged", "turns_mean")}


def _percent(figure: dict[str, Any], interval: Sequence[float] | None = None) -> str:
    """An accuracy with its standard error and, if known, between what it lies with 95% confidence."""
    if figure["accuracy"] is None:
        return "not known"
    error = "" if figure["stderr"] is None else f" +- {100 * figure['stderr']:.1f}"
    ends = "" if interval is None else f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"
    return f"{100 * figure['accuracy']:.1f}%{error}{ends}"


def _not_there(found: dict[str, Any]) -> list[tuple[str, str]]:
    tasks, (false, *_) = found["tasks"], reversed(found["false_not_found"].values())
    rows = [
        (f"right where it is there ({tasks['present']} tasks)", _percent(found["present"])),
        (f"right where it is not ({tasks['absent']} tasks)", _percent(found["absent"])),
        ("mean of the two", _percent(found["mean"])),
        *((f"right on {kind.replace('_', ' ')}", _percent(right)) for kind, right in found["kinds"].items()),
        ("called absent although it is there", _percent(false)),
        ("candidates looked at before it was called absent", _share(found["candidates_told"]["claims"])),
        ("turns until it was called absent", str(found["turns_mean"] or "not known")),
    ]
    if found["auroc"] is not None:
        rows.append(("AUROC of the agreement of samples", f"{found['auroc']:.3f}"))
    return rows


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{value:.1%}"

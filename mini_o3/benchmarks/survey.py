"""What is in a data set, counted: pictures, answers, categories, options, groups, boxes; and a sheet of
examples."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image

from mini_o3.benchmarks.importer import iterate
from mini_o3.benchmarks.layout import Draft
from mini_o3.benchmarks.pictures import Encoded, Header, SameAs, check, read_header
from mini_o3.benchmarks.registry import find_loader
from mini_o3.benchmarks.rows import BadRow
from mini_o3.benchmarks.sheet import Sheet
from mini_o3.episode import SearchTask, read_tasks
from mini_o3.episode.task import TASKS_FILE
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.vision import open_picture

_SHOWN = 12  # categories that are listed; the rest is summed up
Opener = Callable[[], Image.Image]


@dataclass
class Survey:
    """Counts over tasks. `sizes` holds (width, height) of every picture once, by its path or hash."""

    tasks: int = 0
    skipped: int = 0
    silent: int = 0
    problems: list[str] = field(default_factory=list)
    sources: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    letters: Counter[str] = field(default_factory=Counter)
    options: Counter[int] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    unanswered: int = 0
    boxed: int = 0
    areas: list[float] = field(default_factory=list)

    def add(self, task: SearchTask) -> None:
        self.tasks += 1
        self.sources[task.source or "(none)"] += 1
        self.categories[task.category or task.family or "(none)"] += 1
        self.options[len(task.options)] += 1
        self.unanswered += task.answer is None
        if task.options and task.answer is not None:
            self.letters[task.answer] += 1
        if task.group:
            self.groups[task.group] += 1
        if task.size:
            self.sizes[task.picture] = task.size
        self.boxed += bool(task.targets)
        self.areas += [region.area for region in task.targets]

    def bad(self, problem: str) -> None:
        self.skipped += 1
        if len(self.problems) < _SHOWN:
            self.problems.append(problem)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready figures; areas as shares of the picture."""
        pixels = sorted(width * height for width, height in self.sizes.values())
        return {
            "tasks": self.tasks,
            "skipped": self.skipped,
            "without_question": self.silent,
            "pictures": len(pixels),
            "megapixels": _spread([value / 1e6 for value in pixels]),
            "sources": dict(self.sources.most_common()),
            "categories": dict(self.categories.most_common()),
            "options": dict(sorted(self.options.items())),
            "letters": dict(sorted(self.letters.items())),
            "groups": dict(sorted(Counter(self.groups.values()).items())),
            "unanswered": self.unanswered,
            "with_boxes": self.boxed,
            "boxes": len(self.areas),
            "box_area": _spread(self.areas),
            "problems": self.problems,
        }

    def lines(self) -> list[str]:
        """The same for people."""
        data = self.to_dict()
        sides = sorted(self.sizes.values(), key=lambda size: size[0] * size[1])
        lines = [f"{self.tasks} tasks, {len(sides)} pictures, {self.skipped} rows with something wrong"]
        if self.silent:
            lines.append(f"rows without a question: {self.silent}")
        if sides:
            low, middle, high = sides[0], sides[len(sides) // 2], sides[-1]
            shown = ", ".join(
                f"{name} {w} x {h}" for name, (w, h) in zip(_NAMES, (low, middle, high), strict=True)
            )
            lines.append(f"picture sizes: {shown} ({data['megapixels'][1]:.1f} megapixels at the median)")
        lines.append(f"sources: {_list(self.sources)}")
        lines.append(f"categories: {_list(self.categories)}")
        lines.append(
            "options: " + ", ".join(f"{count or 'none'}: {tasks}" for count, tasks in data["options"].items())
        )
        if self.letters:
            total = sum(self.letters.values())
            shares = ", ".join(
                f"{letter} {count} ({count / total:.0%})" for letter, count in data["letters"].items()
            )
            lines.append(f"answers: {shares}")
        if self.groups:
            lines.append(
                "groups: " + ", ".join(f"{count} of {size}" for size, count in data["groups"].items())
            )
        if self.unanswered:
            lines.append(f"without an answer: {self.unanswered}")
        if self.areas:
            shown = ", ".join(
                f"{name} {area:.3%}" for name, area in zip(_NAMES, data["box_area"], strict=True)
            )
            lines.append(f"boxes: {len(self.areas)} on {self.boxed} tasks, area {shown}")
        else:
            lines.append("boxes: none")
        return lines + [f"wrong: {problem}" for problem in self.problems]


_NAMES = ("least", "median", "most")


def survey(
    path: Path,
    *,
    format: str = "auto",
    seed: int = 0,
    limit: int | None = None,
    sheet: Sheet | None = None,
    progress: OnProgress = no_progress,
) -> Survey:
    """Count what is in a folder of tasks or any data set that can be imported; nothing is written. Rows with
    something wrong are counted.

    Raises:
        UserError: there is no data set.
    """
    out = Survey()
    ours = format == "auto" and (path / TASKS_FILE).is_file()
    for task, opener, share in _ours(path, out) if ours else _theirs(path, format, seed, out):
        out.add(task)
        if sheet is not None and opener is not None and sheet.wants(task):
            sheet.add(task, opener())
        progress(out.tasks, max(round(out.tasks / max(share, 1e-9)), out.tasks), "")
        if limit is not None and out.tasks >= limit:
            break
    return out


def _ours(path: Path, out: Survey) -> Iterator[tuple[SearchTask, Opener | None, float]]:
    tasks = read_tasks(path)
    for number, task in enumerate(tasks, start=1):
        try:
            size = check(Path(task.picture)).size
        except BadRow as error:
            out.bad(f"{path / TASKS_FILE}, task {number}: {error}")
            continue
        if task.size not in (None, size):
            out.bad(f"{path / TASKS_FILE}, task {number}: says {task.size}, its picture has {size}")
        yield task, lambda task=task: open_picture(task.picture), number / len(tasks)  # type: ignore[misc]


def _theirs(
    path: Path, format: str, seed: int, out: Survey
) -> Iterator[tuple[SearchTask, Opener | None, float]]:
    found = find_loader(path, format, seed)
    known: dict[str, tuple[str, Header]] = {}
    for record, made in iterate(found):
        try:
            if isinstance(made, BadRow):
                raise made
            placed = [_peek(draft, known) for draft in made]
        except BadRow as error:
            out.bad(f"{record.file}, row {record.row}: {error}")
            continue
        out.silent += not made
        for task, opener in placed:
            yield task, opener, record.share


def _peek(draft: Draft, known: dict[str, tuple[str, Header]]) -> tuple[SearchTask, Opener | None]:
    """The task of a draft and a way to open its picture, without keeping it."""
    picture, opener = draft.picture, None
    if isinstance(picture, SameAs):
        if picture.name not in known:
            raise BadRow(f"its picture is that of row {picture.name[:60]!r}, which has not been read")
        path, header = known[picture.name]
    elif isinstance(picture, Encoded):
        path, header = hashlib.sha256(picture.content).hexdigest()[:20], read_header(BytesIO(picture.content))
        opener = _opener(picture)
    else:
        path, header = str(picture), check(picture)
        opener = _opener(picture)
    known[draft.name] = path, header
    return draft.task(path, header), opener


def _opener(picture: Path | Encoded) -> Opener:
    def open_it() -> Image.Image:
        if isinstance(picture, Path):
            return open_picture(picture)
        with tempfile.NamedTemporaryFile(prefix="mini_o3-") as file:
            file.write(picture.content)
            file.flush()
            return open_picture(file.name)

    return open_it


def _spread(values: Sequence[float]) -> list[float]:
    return [round(value, 6) for value in (min(values), median(values), max(values))] if values else []


def _list(counts: Counter[str]) -> str:
    shown = [f"{name} {count}" for name, count in counts.most_common(_SHOWN)]
    rest = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")

"""Other people's logs as episodes: their turns played again by our rules on the original picture.

So boxes become rectangles of the original, and turns that break a rule are known as such. Where a system was
more lenient than the dialect that is read here (the released Mini-o3 clips boxes, for one), a turn counts as
broken that it had carried out; a log that tells how many observations there were is compared, and the
difference noted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from mini_o3.episode import Episode, Limits, SearchTask, StopReason, run_episode
from mini_o3.episode.store import read_episodes
from mini_o3.evaluate.metrics import Judged
from mini_o3.interop.logs.chat import guess_dialect
from mini_o3.interop.logs.layouts import FIGURES, Recorded, files_of, read_records
from mini_o3.interop.logs.pictures import Pictures
from mini_o3.judge import CORRECT, INCORRECT, Judge, Verdict, unjudged
from mini_o3.judge.exact import same
from mini_o3.judge.record import VerdictStore
from mini_o3.judge.verdict import without_judge
from mini_o3.kit.errors import UserError
from mini_o3.kit.loop import run_coroutine
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.kit.reading import read_json
from mini_o3.kit.text import with_thought_opened, without_special_tokens
from mini_o3.policies.replay import Replay
from mini_o3.protocol import VOID_FAULTS, load_profile
from mini_o3.protocol.dialects import load_dialect
from mini_o3.vision import Picture, PixelBudget, Rect, load_picture

_MOST_FIGURES = 60


@dataclass(frozen=True)
class Log:
    """A log that was read: its layout, the dialect its turns were read in, its episodes, and figures that
    came with it."""

    layout: str
    dialect: str
    rows: list[Judged]
    figures: dict[str, Any]


def read_log(
    log: Path,
    scratch: Path,
    *,
    picture: Path | None = None,
    pictures: Path | None = None,
    dialect: str | None = None,
    judge: Judge | None = None,
    progress: OnProgress = no_progress,
) -> Log:
    """Read a log in any of the layouts of `foreign_layouts`.

    The verdict is the judge's, if one is given; else the log's own score where that is 0 or 1; else the
    words: equal to the expected ones is right, and whether others mean the same is left unjudged.

    Args:
        scratch: folder for pictures that are embedded in the log; it must outlive the episodes.
        picture: the original picture of all records; None: as the log tells.
        pictures: folder in which pictures are looked for by name.
        dialect: in which the turns are written (`protocol.dialects`); None: guessed from the turns.

    Raises:
        UserError: something cannot be read; names the file and the line.
    """
    layout, files = files_of(log)
    finder = Pictures(scratch, picture, pictures)
    if layout == "episodes":
        return Log(layout, "as recorded", _own(files[0], finder), {})
    records = [record for path in files for record in read_records(layout, path, finder)]
    if not records:
        raise UserError(f"{files[0]}, line 1: the log is empty")
    spoken = dialect or guess_dialect([text for record in records for text in record.texts])
    load_dialect(spoken)
    opened = lru_cache(maxsize=1)(load_picture)
    samples: Counter[str] = Counter()
    rows = []
    for done, record in enumerate(records, start=1):
        task = _task(record)
        episode = replay(task, record.texts, spoken, opened(str(record.picture)))
        episode = replace(
            episode, seed=samples[task.id], meta={"notes": _notes(record, episode), "where": record.where}
        )
        samples[task.id] += 1
        rows.append(Judged(task, episode, _verdict(task, episode, record.score, judge)))
        progress(done, len(records))
    folder = log if log.is_dir() else log.parent
    return Log(layout, spoken if dialect else f"{spoken} (guessed)", rows, _figures(folder))


def replay(task: SearchTask, texts: Sequence[str], dialect: str, picture: Picture) -> Episode:
    """The episode in which a policy says `texts` about `picture`, the upright original.

    It may say them all, so it is over at its answer, or where the texts end: after a turn without an action
    that is a void
    ending, else a turn limit.
    """
    spoken = load_dialect(dialect)
    profile = replace(load_profile(spoken.profile), dialect=dialect)
    said = [with_thought_opened(without_special_tokens(text)) for text in texts]
    policy = Replay({"*": said}, budget=spoken.budget, profile=profile)
    limits = Limits(turns=len(texts), void_retries=len(texts))
    episode = run_coroutine(run_episode(task, policy, limits, picture=picture, lens=_blank))
    last = episode.turns[-1].malformed
    if episode.stop is StopReason.TURN_LIMIT and last is not None and last.kind in VOID_FAULTS:
        episode = replace(episode, stop=StopReason.VOID)
    return replace(episode, policy="imported")


def _blank(original: Picture, rect: Rect, budget: PixelBudget, number: int) -> Image.Image:
    """Nobody looks at what a recording is shown; only its size counts."""
    return Image.new("L", budget.fit(rect.width, rect.height))


def _task(record: Recorded) -> SearchTask:
    # Pictures of Mini-o3's logs are all called original_image.jpg: there the name of the record tells tasks
    # apart.
    seed = int(hashlib.sha256(record.name.encode()).hexdigest()[:8], 16) if record.name else None
    return SearchTask(str(record.picture), record.question, record.expected, name=record.name, seed=seed)


def _notes(record: Recorded, episode: Episode) -> list[str]:
    notes, seen = list(record.notes), record.observations
    if seen is not None and seen != episode.num_zooms:
        notes.append(
            f"The log holds {seen} observations, by the rules here there are {episode.num_zooms}: "
            "after the difference boxes may be off."
        )
    left = len(record.texts) - episode.num_turns
    if left:
        notes.append(f"{left} further turns follow in the log after the answer.")
    return notes


def _verdict(task: SearchTask, episode: Episode, score: float | None, judge: Judge | None) -> Verdict:
    if judge is not None:
        return run_coroutine(_asked(judge, task, episode))
    if score is not None:
        return {0.0: INCORRECT, 1.0: CORRECT}.get(score, unjudged(f"a score that says neither: {score:g}"))
    settled = without_judge(episode, task.answer)
    if settled is not None or episode.answer is None or task.answer is None:
        return settled or unjudged("no answer")
    return CORRECT if same(episode.answer, task.answer) else unjudged("other words, and no judge was asked")


async def _asked(judge: Judge, task: SearchTask, episode: Episode) -> Verdict:
    return await judge(task, episode)


def _own(path: Path, finder: Pictures) -> list[Judged]:
    """Our own records, with the verdicts beside them, if there are any."""
    verdicts, rows = VerdictStore(path.parent).verdicts, []
    for number, episode in enumerate(read_episodes(path), start=1):
        where = f"{path}, line {number}"
        named = (str(Path(episode.picture).absolute()), episode.picture)  # as seen from here, or from the log
        found = str(finder.find(where, named, path.parent, Path(episode.picture).stem))
        task = SearchTask(found, episode.question, episode.expected)
        given = verdicts.get(episode.key)
        episode = replace(episode, picture=found)
        rows.append(Judged(task, episode, given or _verdict(task, episode, None, None)))
    return rows


def _figures(folder: Path) -> dict[str, Any]:
    """Numbers that the log's makers computed, as `file: name`; they are shown, not checked."""
    found: dict[str, Any] = {}

    def gather(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                gather(f"{name}.{key}", inner)
        elif isinstance(value, bool | int | float | str) and len(found) < _MOST_FIGURES:
            found[name] = value

    for name in FIGURES:
        path = folder / name
        if path.is_file():
            gather(name, read_json(path))
    return found

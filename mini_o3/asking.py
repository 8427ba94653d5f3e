"""One question about one picture, start to finish: check, search (once, or several times and vote), write."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mini_o3.episode import (
    EPISODES_FILE,
    Episode,
    EpisodeRun,
    Limits,
    Policy,
    SearchTask,
    Status,
    StopReason,
    Turn,
)
from mini_o3.episode.store import EpisodeStore
from mini_o3.judge import tally
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.files import make_folder, write_json, write_jsonl, write_text
from mini_o3.kit.loop import run_coroutine
from mini_o3.kit.metering import Meter
from mini_o3.kit.usage import Price
from mini_o3.policies.load import load_policy
from mini_o3.policies.metered import Continued, Metered, begun
from mini_o3.policies.reader.question import asks_for_text
from mini_o3.policies.spec import CHOICES, PolicySpec
from mini_o3.probes.shapes.questions import is_probe_question
from mini_o3.show.page import episode_page
from mini_o3.show.result import result_of
from mini_o3.show.terminal import Typing, search_line, turn_lines, verdict_lines
from mini_o3.vision import Album, InMemory, Picture, Rect, load_picture
from mini_o3.vision.film import HINT, sheet_of
from mini_o3.vision.proposer import RegionProposer

Say = Callable[[str], None]
Given = str | os.PathLike[str] | Image.Image | np.ndarray | Picture
MOST_PICTURES = 64  # of one question
MAX_QUESTION = 4000  # characters; four times the longest question of the published benchmarks
NANO_ONLY_PROBES = (
    "note: nano was trained on probes only, and this is not a probe question, so its answer means nothing; "
    f"for your own pictures choose another policy ({CHOICES.removeprefix('nano, ')})"
)
READS_TEXT = (
    "note: the policy reader reads text in photographs on this machine"
    " (pip install 'mini-o3[reader]', then take policy reader)"
)
_log = logging.getLogger("mini_o3")
_TOGETHER = 8  # searches that go on at the same time
_COPY = 4096  # pixels of its longer side
_FRAME = "width: 100%; height: 640px; border: 1px solid #ddd"


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """What came of a question. A notebook shows it as the page of the search.

    Attributes:
        episode: the record of the search; of several, of the one that stands for their vote (`elect`).
        searches: the records of all searches, by seed.
        picture: the picture, upright.
        folder: where the records and the page were written; None if they were not.
    """

    episode: Episode
    searches: tuple[Episode, ...]
    picture: Picture
    folder: Path | None = None

    @property
    def original(self) -> Image.Image:
        """The picture for Pillow; of one that is not in memory a smaller copy."""
        picture = self.picture
        return picture.image if isinstance(picture, InMemory) else picture.thumbnail(_COPY)

    @property
    def answer(self) -> str | None:
        """The answer; None if the search ended without one, and `episode.stop` says why."""
        return self.episode.answer

    @property
    def status(self) -> Status:
        """What came of it, in one word."""
        return self.episode.status

    @property
    def evidence(self) -> Rect | None:
        """What the answer rests on, in pixels of the upright picture (of several: `evidence_picture`).

        It is the box that the answer names, else what was looked at last (`episode.evidence_source`).
        """
        region, found = self.episode.evidence, self.episode.evidence_in
        if found is not None:
            return found.rect
        return None if region is None else region.to_rect(Rect(0, 0, *self.episode.size))

    @property
    def evidence_picture(self) -> str | None:
        """The file that the evidence lies in; None without evidence, or where it covers several pictures."""
        found = self.episode.evidence_in
        return None if found is None else found.picture

    @property
    def page(self) -> Path | None:
        """The file with the page of the search; None if nothing was written."""
        return None if self.folder is None else self.folder / "episode.html"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: status, answer, confidence, evidence, then the record (`show.result.result_of`)."""
        return result_of(self.episode)

    def to_html(self) -> str:
        """The page of the search, which needs nothing else."""
        return episode_page(self.episode, self.picture)

    def _repr_html_(self) -> str:
        return f'<iframe style="{_FRAME}" srcdoc="{escape(self.to_html())}"></iframe>'

    def __repr__(self) -> str:
        found = f"answer={self.answer!r}, evidence={self.evidence}"
        return f"Asked({found}, status={self.status.value!r}, turns={self.episode.num_turns})"


class Interrupted(KeyboardInterrupt):
    """Asking was interrupted; `asked` is what was found until then."""

    def __init__(self, asked: Asked) -> None:
        super().__init__("interrupted")
        self.asked = asked


def ask(
    picture: Given | Sequence[Given],
    question: str,
    policy: str | PolicySpec | Policy = "nano",
    *,
    turns: int = 32,
    samples: int = 1,
    meter: Meter | None = None,
    propose: RegionProposer | None = None,
    out: str | os.PathLike[str] | None = None,
    say: Say = lambda line: None,
    note: Say = _log.warning,
    typing: Typing | None = None,
) -> Asked:
    """Search a picture for the answer to a question.

    Nothing is printed. Nothing is written unless `out` is given, and then only once picture and policy are
    known to be usable. It works where an event loop is running, as in a notebook.

    Args:
        picture: a file, a Pillow picture, or an array (`vision.as_picture`); or several in a list, at most
            `MOST_PICTURES`, for one question about them all. A video is searched as a sheet
            of its frames (`clip.mp4`, ten seconds of it `clip.mp4@10-20`, one frame `clip.mp4@12.5`).
        policy: who decides: a text such as `api:URL#MODEL`, a `PolicySpec`, or a policy that is loaded
            already, so that many questions share it.
        turns: how many turns a search may take.
        samples: how many searches are drawn; they go on side by side and vote (`elect`).
        meter: counts what is asked for; where its budget is spent, a search ends as one that failed.
        propose: suggests boxes, which the policy is told in its first message.
        out: folder for `episode.json`, `episodes.jsonl` (all searches by seed) and `episode.html`. Where it
            holds a search of this question that an endpoint failed in or a budget stopped, that goes on.
        say: gets every line of what happens: of one search its turns, of several how each ended.
        typing: gets the turns of an endpoint while they are written, of one search.
        note: gets what one should know besides, such as that nano cannot answer this; else it is logged.

    Raises:
        UserError: the picture, the question, the policy or the folder cannot be used, or all samples would
            be the same.
        Interrupted: it was interrupted; what was found is written, and in the exception. Of several searches
            those vote that had ended.
    """
    _check_question(question)
    folder = None if out is None else _check_folder(Path(out))
    temperature = 0.0
    if isinstance(policy, str):
        policy = PolicySpec(policy)
    if isinstance(policy, PolicySpec):
        policy = _check_draws(policy.drawn(samples), samples)
        temperature = policy.temperature or 0.0
    given = _checked(picture)
    original = load_picture(given[0]) if len(given) == 1 else Album([load_picture(one) for one in given])
    path, *others = (
        _path(one, folder, number if len(given) > 1 else 0) for number, one in enumerate(given, 1)
    )
    sheet = sheet_of(original.image) if isinstance(original, InMemory) else None
    task = SearchTask(
        path, f"{question}\n{HINT}" if sheet and len(sheet.times) > 1 else question, others=tuple(others)
    )
    if isinstance(policy, PolicySpec):
        spec = replace(policy, concurrency=min(samples, _TOGETHER))
        policy = load_policy(spec, asked=task, say=note, folder=folder, on_text=typing)
        if spec.policy == "nano" and not is_probe_question(question):
            note(NANO_ONLY_PROBES)
            if asks_for_text(question):
                note(READS_TEXT)
    if folder is not None:
        make_folder(folder)
        for name, one, part in zip(task.pictures, given, _parts(original), strict=True):
            if not isinstance(one, str | os.PathLike) and isinstance(part, InMemory):
                part.image.save(name)
    for name, part in zip(task.pictures, _parts(original), strict=True):
        say(f"{name}: {part.size[0]} x {part.size[1]} px; policy {policy.name}")
    say(f"question: {question}")
    counted = Metered(policy, meter or Meter())
    before = _turns_before(policy, task, folder)

    def begin(seed: int) -> EpisodeRun:
        one = Continued(counted, before[seed]) if seed in before else counted
        return EpisodeRun(task, one, Limits(turns=turns), picture=original, seed=seed, proposer=propose)

    price = counted.meter.price_of(policy.name)
    searches = _Searches(begin, samples, temperature, say, price, typing)
    if sheet is not None:
        searches.meta["film"] = sheet.to_dict()
    failure: BaseException | None = None
    try:
        run_coroutine(searches.run())
    except (KeyboardInterrupt, Exception) as error:
        failure = error  # a reader that has left, no memory left ...: what was found is written first
    rows = searches.records(folder)
    asked = Asked(rows[0] if samples == 1 else elect(rows), tuple(rows), original, folder)
    if folder is not None:
        write_json(folder / "episode.json", asked.episode.to_dict())
        write_jsonl(folder / EPISODES_FILE, (row.to_dict() for row in rows))
        write_text(folder / "episode.html", asked.to_html())
    interrupted = isinstance(failure, KeyboardInterrupt)
    if failure and not interrupted:
        raise failure
    if interrupted and samples > 1:
        voted = "; these have voted" * bool(searches.ended)
        note(f"interrupted after {searches.ended} of {samples} searches{voted}")
    for line in verdict_lines(asked.episode):
        say(line)
    if interrupted:
        raise Interrupted(asked) from None
    return asked


def elect(searches: Sequence[Episode]) -> Episode:
    """The first search, by seed, that gave the most frequent answer (`judge.tally`); its `meta` holds the
    votes.

    Interrupted searches do not vote, nor do those that the policy failed in. Without any answer it is the
    first that went
    furthest: to its end, then as far as it was let, then until the policy failed.
    """
    by_seed = sorted(searches, key=lambda one: one.seed)
    groups = tally([one.answer for one in by_seed])
    chosen = by_seed[groups[0][0]] if groups else min(by_seed, key=lambda one: _BROKEN_OFF.get(one.stop, 0))
    counts = {
        "ended": sum(one.stop is not StopReason.INTERRUPTED for one in by_seed),
        "failed": sum(one.stop is StopReason.POLICY_ERROR for one in by_seed),
    }
    votes = {str(by_seed[group[0]].answer): len(group) for group in groups}
    return replace(chosen, meta={**chosen.meta, **counts, "votes": votes})


_BROKEN_OFF = {StopReason.INTERRUPTED: 1, StopReason.POLICY_ERROR: 2}


class _Searches:
    """Searches of one question, `_TOGETHER` of them side by side.

    Attributes:
        runs: those that have begun, by seed.
        ended: how many of them are over.
    """

    def __init__(
        self,
        begin: Callable[[int], EpisodeRun],
        samples: int,
        temperature: float,
        say: Say,
        price: Price | None = None,
        typing: Typing | None = None,
    ) -> None:
        self.begin, self.samples, self.say, self.price, self.typing = begin, samples, say, price, typing
        self.meta: dict[str, Any] = {"samples": samples} if temperature or samples > 1 else {}
        self.meta |= {"temperature": temperature} if temperature else {}
        self.runs: dict[int, EpisodeRun] = {}
        self.ended = 0

    async def run(self) -> None:
        places = asyncio.Semaphore(_TOGETHER)
        await asyncio.gather(*(self._search(seed, places) for seed in range(self.samples)))

    async def _search(self, seed: int, places: asyncio.Semaphore) -> None:
        async with places:
            run = self.runs[seed] = self.begin(seed)
            try:
                while run.session.stop is None:
                    if self.typing:
                        self.say(f"turn {len(run.turns) + 1}")
                    turn = await run.step()
                    is_shown = self.typing is not None and self.typing.end()
                    if turn is not None and self.samples == 1:
                        lines = turn_lines(
                            len(run.turns), turn, self.price, is_shown=is_shown, pictures=run.session.pictures
                        )
                        for line in lines[1:] if self.typing and not is_shown else lines:
                            self.say(line)
            finally:
                run.close()
        self.ended += 1
        if self.samples > 1:
            self.say(f"search {self.ended} of {self.samples} (seed {seed}): {search_line(run.finish())}")

    def records(self, out: Path | None) -> list[Episode]:
        """Of those that are over or have a turn, by seed; at least one."""
        begun = [run for _, run in sorted(self.runs.items()) if run.turns or run.session.stop]
        return [self._record(run, out) for run in begun or [self.runs.get(0) or self.begin(0)]]

    def _record(self, run: EpisodeRun, out: Path | None) -> Episode:
        if run.session.stop is not None:
            episode = run.finish()
        else:
            seen = f"interrupted after {len(run.turns)} turns"
            seen += f"; what was seen so far is in {out}" if out else ""
            episode = run.finish(StopReason.INTERRUPTED, f"{seen}; ask again to start over")
        return replace(episode, meta={**episode.meta, **self.meta})


def _turns_before(policy: Policy, task: SearchTask, folder: Path | None) -> dict[int, tuple[Turn, ...]]:
    """Turns by seed of searches of this question in the folder that did not come to their end."""
    records = EpisodeStore(folder).records if folder is not None else []
    mine = [one for one in records if (one.task_id, one.policy) == (task.id, policy.name)]
    return {seed: turns for (_, seed), turns in begun(policy, mine).items()}


def _check_question(question: str) -> None:
    try:
        question.encode()
    except UnicodeEncodeError:
        raise SettingError("question", "is not text in this terminal's encoding; type it anew") from None
    if not question.strip():
        raise SettingError("question", "is empty; say what you want to know")
    if len(question) > MAX_QUESTION:
        raise SettingError(
            "question", f"has {len(question):,} characters; at most {MAX_QUESTION:,} are taken"
        )


def _check_draws(spec: PolicySpec, samples: int) -> PolicySpec:
    if (samples > 1 or spec.temperature) and not spec.draws:
        raise SettingError(
            "samples" if samples > 1 else "temperature",
            f"{spec.policy} does not draw its words; leave it out, or take nano, hf: or api:",
        )
    if samples > 1 and spec.temperature == 0:
        raise SettingError("samples", "greedy searches are all the same; give a temperature above 0")
    return spec


def _check_folder(out: Path) -> Path:
    if (out / EPISODES_FILE).exists() and not (out / "episode.json").exists():
        raise UserError(f"{out}: holds episodes that no question left here; give another folder")
    return out


def _checked(picture: Given | Sequence[Given]) -> list[Given]:
    """What was given, as a list."""
    given = list(picture) if isinstance(picture, list | tuple) else [picture]
    if not 1 <= len(given) <= MOST_PICTURES:
        raise SettingError(
            "pictures",
            f"{len(given)} are too many for one question, at most {MOST_PICTURES}; `mini-o3 find` asks each"
            if given
            else "there are none; give at least one",
        )
    return given  # type: ignore[return-value]


def _parts(picture: Picture) -> tuple[Picture, ...]:
    return picture.pictures if isinstance(picture, Album) else (picture,)


def _path(picture: Given, folder: Path | None, number: int) -> str:
    """How the records name the picture. One without a file is kept in the folder, if there is one; of several
    each has a number, a single one has 0."""
    if isinstance(picture, str | os.PathLike):
        return os.fspath(picture)
    name = f"picture_{number}.png" if number else "picture.png"
    return name if folder is None else str(folder / name)

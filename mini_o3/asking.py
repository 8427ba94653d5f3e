"""One question about one picture, start to finish: choose, check, search (once, or several times and vote),
write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mini_o3.episode import EPISODES_FILE, Episode, EpisodeRun, Limits, SearchTask, StopReason
from mini_o3.judge import tally
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.files import make_folder, write_json, write_jsonl, write_text
from mini_o3.policies.load import load_policy
from mini_o3.policies.spec import CHOICES, PolicySpec
from mini_o3.probes.shapes.questions import is_probe_question
from mini_o3.show.page import episode_page
from mini_o3.show.terminal import search_line, turn_lines, verdict_lines
from mini_o3.vision import open_picture

Say = Callable[[str], None]
NANO_ONLY_PROBES = (
    "note: nano was trained on probes only, and this is not a probe question, so its answer means nothing; "
    f"for your own pictures choose another --policy ({CHOICES.removeprefix('nano, ')})"
)
_TOGETHER = 8  # searches that go on at the same time


class Asked(NamedTuple):
    """What came of a question: the episode (of several searches the one that stands for the vote), its page,
    and whether
    it was interrupted."""

    episode: Episode
    page: Path
    interrupted: bool


def ask_one(
    picture: str,
    question: str,
    spec: PolicySpec,
    *,
    turns: int,
    samples: int = 1,
    out: Path,
    say: Say,
    note: Say,
) -> Asked:
    """Ask, saying every turn as it happens, and write `episode.json`, `episodes.jsonl` and `episode.html`
    into `out`.

    Of several `samples`, drawn at the temperature of `spec`, every search is said when it ends, and they
    vote (`elect`): `episodes.jsonl` holds them all by seed, the other two files the one that stands for the
    vote. Nothing is written before picture and policy are known to be usable. What is interrupted is written
    as far as it came; of several searches those vote that had ended.

    Raises:
        UserError: the picture, the policy or the folder cannot be used, or all samples would be the same.
    """
    _check(spec, samples, out)
    original = open_picture(picture)
    task = SearchTask(picture=picture, question=question)
    chosen = load_policy(replace(spec, concurrency=min(samples, _TOGETHER)), asked=task, say=note, folder=out)
    if spec.policy == "nano" and not is_probe_question(question):
        note(NANO_ONLY_PROBES)
    make_folder(out)
    say(f"{picture}: {original.width} x {original.height} px; policy {chosen.name}")
    say(f"question: {question}")
    begin = partial(EpisodeRun, task, chosen, Limits(turns=turns), picture=original)
    searches = _Searches(lambda seed: begin(seed=seed), samples, spec.temperature, say)
    failure: BaseException | None = None
    try:
        asyncio.run(searches.run())
    except (KeyboardInterrupt, Exception) as error:
        failure = error  # a reader that has left, no memory left ...: what was found is written first
    rows = searches.records(out)
    episode = rows[0] if samples == 1 else elect(rows)
    write_json(out / "episode.json", episode.to_dict())
    write_jsonl(out / EPISODES_FILE, (row.to_dict() for row in rows))
    write_text(out / "episode.html", episode_page(episode, original))
    interrupted = isinstance(failure, KeyboardInterrupt)
    if failure and not interrupted:
        raise failure
    if interrupted and samples > 1:
        note(
            f"interrupted after {searches.ended} of {samples} searches"
            + "; these have voted" * bool(searches.ended)
        )
    for line in verdict_lines(episode):
        say(line)
    return Asked(episode, out / "episode.html", interrupted)


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
        self, begin: Callable[[int], EpisodeRun], samples: int, temperature: float, say: Say
    ) -> None:
        self.begin, self.samples, self.say = begin, samples, say
        self.meta = {"samples": samples, "temperature": temperature} if temperature else {}
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
                    turn = await run.step()
                    if turn is not None and self.samples == 1:
                        for line in turn_lines(len(run.turns), turn):
                            self.say(line)
            finally:
                run.close()
        self.ended += 1
        if self.samples > 1:
            self.say(f"search {self.ended} of {self.samples} (seed {seed}): {search_line(run.finish())}")

    def records(self, out: Path) -> list[Episode]:
        """Of those that are over or have a turn, by seed; at least one."""
        begun = [run for _, run in sorted(self.runs.items()) if run.turns or run.session.stop]
        return [self._record(run, out) for run in begun or [self.runs.get(0) or self.begin(0)]]

    def _record(self, run: EpisodeRun, out: Path) -> Episode:
        if run.session.stop is not None:
            episode = run.finish()
        else:
            seen = f"interrupted after {len(run.turns)} turns; what was seen so far is in {out}"
            episode = run.finish(StopReason.INTERRUPTED, f"{seen}; ask again to start over")
        return replace(episode, meta={**episode.meta, **self.meta})


def _check(spec: PolicySpec, samples: int, out: Path) -> None:
    if (samples > 1 or spec.temperature) and not spec.draws:
        raise SettingError(
            "samples" if samples > 1 else "temperature",
            f"{spec.policy} does not draw its words; leave it out, or take nano, hf: or api:",
        )
    if samples > 1 and spec.temperature == 0:
        raise SettingError("samples", "greedy searches are all the same; give a temperature above 0")
    if (out / EPISODES_FILE).exists() and not (out / "episode.json").exists():
        raise UserError(f"{out}: holds episodes that no question left here; give another --out folder")

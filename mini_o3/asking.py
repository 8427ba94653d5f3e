"""One question about one picture, start to finish: choose, check, search (once, or several times and vote),
write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from mini_o3.episode import (
    EPISODES_FILE,
    Episode,
    Limits,
    Outcome,
    Policy,
    SearchTask,
    StopReason,
    Turn,
    run_episode,
)
from mini_o3.judge import tally
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.files import make_folder, to_json, write_json, write_text
from mini_o3.policies.load import load_policy
from mini_o3.policies.spec import CHOICES, PolicySpec
from mini_o3.probes.shapes.questions import is_probe_question
from mini_o3.show.page import episode_page
from mini_o3.show.terminal import TurnPrinter, search_line, verdict_lines
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
    searches = _Searches(task, chosen, Limits(turns=turns), original, samples, spec.temperature, say)
    failure: BaseException | None = None
    try:
        asyncio.run(searches.run())
    except (KeyboardInterrupt, Exception) as error:
        failure = error  # a reader that has left, no memory left ...: what was found is written first
    rows = searches.rows(out)
    episode = rows[0] if samples == 1 else elect(rows)
    write_json(out / "episode.json", episode.to_dict())
    write_text(out / EPISODES_FILE, "".join(to_json(row.to_dict()) + "\n" for row in rows))
    write_text(out / "episode.html", episode_page(episode, original))
    interrupted = isinstance(failure, KeyboardInterrupt)
    if failure and not interrupted:
        raise failure
    if interrupted and samples > 1:
        note(
            f"interrupted after {len(searches.ended)} of {samples} searches"
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
    """Searches of one question, `_TOGETHER` of them side by side, as far as they came: `ended` by seed."""

    def __init__(
        self,
        task: SearchTask,
        policy: Policy,
        limits: Limits,
        original: Image.Image,
        samples: int,
        temperature: float,
        say: Say,
    ) -> None:
        self.task, self.policy, self.limits, self.original, self.say = task, policy, limits, original, say
        self.meta = {"samples": samples, "temperature": temperature} if temperature else {}
        self.turns: dict[int, list[Turn]] = {seed: [] for seed in range(samples)}
        self.ended: dict[int, Episode] = {}
        self.printer = TurnPrinter(say)

    async def run(self) -> None:
        places = asyncio.Semaphore(_TOGETHER)
        await asyncio.gather(*(self._search(seed, places) for seed in self.turns))

    async def _search(self, seed: int, places: asyncio.Semaphore) -> None:
        async with places:
            episode = await run_episode(
                self.task,
                self.policy,
                self.limits,
                picture=self.original,
                seed=seed,
                on_turn=partial(self._on_turn, seed),
            )
        self.ended[seed] = replace(episode, meta=self.meta)
        if len(self.turns) > 1:
            self.say(f"search {len(self.ended)} of {len(self.turns)} (seed {seed}): {search_line(episode)}")

    def _on_turn(self, seed: int, turn: Turn, outcome: Outcome, view: Image.Image | None) -> None:
        self.turns[seed].append(turn)
        if len(self.turns) == 1:
            self.printer(turn, outcome, view)

    def rows(self, out: Path) -> list[Episode]:
        """By seed, what ended and what had begun; at least one."""
        begun = [seed for seed, turns in self.turns.items() if turns or seed in self.ended] or [0]
        return [self.ended.get(seed) or self._unfinished(seed, out) for seed in begun]

    def _unfinished(self, seed: int, out: Path) -> Episode:
        turns, policy = self.turns[seed], self.policy
        return Episode(
            self.task.id,
            self.task.picture,
            self.task.question,
            self.original.size,
            policy.name,
            f"{policy.profile.name}@{policy.profile.hash}",
            self.limits,
            seed,
            policy.budget.fit(*self.original.size),
            tuple(turns),
            StopReason.INTERRUPTED,
            error=(
                f"interrupted after {len(turns)} turns; what was seen so far is in {out}; ask again to start"
                " over"
            ),
            meta=self.meta,
        )


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

"""One question about one picture, start to finish: choose, check, search (once, or several times and vote), write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from mini_o3.episode import Episode, Limits, Outcome, Policy, SearchTask, StopReason, Turn, run_episode
from mini_o3.judge import tally
from mini_o3.kit.errors import UserError
from mini_o3.kit.rundir import make_folder, to_json, write_json, write_text
from mini_o3.policies.choose import CHOICES, choose_policy
from mini_o3.probes.questions import is_probe_question
from mini_o3.show.page import episode_page
from mini_o3.show.terminal import TurnPrinter, search_line, verdict_lines
from mini_o3.vision import open_picture

Say = Callable[[str], None]
NANO_ONLY_PROBES = (
    "note: nano was trained on probes only, and this is not a probe question, so its answer means nothing; "
    f"for your own pictures choose another --policy ({CHOICES.removeprefix('nano, ')})"
)
_DRAW = ("nano", "hf", "api")  # policies that draw their words, so that a second search is another one
_TOGETHER = 8  # searches of a local model that go on at the same time


class Asked(NamedTuple):
    """What came of a question: the episode (of several searches the one that stands for the vote), its page, and whether
    it was interrupted."""

    episode: Episode
    page: Path
    interrupted: bool


def ask_one(
    picture: str,
    question: str,
    policy: str,
    *,
    turns: int,
    max_pixels: int | None,
    prompts: str | None = None,
    dialect: str | None = None,
    samples: int = 1,
    temperature: float = 0.0,
    out: Path,
    say: Say,
    note: Say,
) -> Asked:
    """Ask, saying every turn as it happens, and write `episode.json`, `episodes.jsonl` and `episode.html` into `out`.

    Of several `samples`, drawn at `temperature`, every search is said when it ends, and they vote (`elect`): `episodes.jsonl`
    holds them all by seed, the other two files the one that stands for the vote. Nothing is written before picture and
    policy are known to be usable. An interrupted search is written as far as it came (`replay:` and a new question go on from
    there); of several, those vote that had ended.

    Raises:
        UserError: the picture or the policy cannot be used, or all samples would be the same.
    """
    if samples > 1 and policy.partition(":")[0] not in _DRAW:
        raise UserError(f"--samples: {policy} does not draw its words, each search would be the same; take nano, hf: or api:")
    if samples > 1 and temperature == 0:
        raise UserError("--samples: greedy searches are all the same; give a --temperature above 0")
    original = open_picture(picture)
    chosen = choose_policy(
        policy, max_pixels=max_pixels, concurrent=min(samples, _TOGETHER), temperature=temperature, prompts=prompts,
        dialect=dialect, picture=picture, question=question, say=note, folder=out,
    )  # fmt: skip
    task = SearchTask(picture=picture, question=question)
    if policy == "nano" and not is_probe_question(question):
        note(NANO_ONLY_PROBES)
    make_folder(out)
    say(f"{picture}: {original.width} x {original.height} px; policy {chosen.name}")
    say(f"question: {question}")
    limits = Limits(turns=turns)
    ended, begun, interrupted = _search(task, chosen, limits, original, samples, say)
    if ended:
        episode = ended[0] if samples == 1 else elect(ended)
    else:
        episode = Episode(
            task.id, picture, question, original.size, chosen.name, f"{chosen.profile.name}@{chosen.profile.hash}", limits,
            0, chosen.budget.fit(*original.size), tuple(begun), StopReason.INTERRUPTED,
            error=f"interrupted after {len(begun)} turns; what was seen so far is in {out}; ask again to start over",
        )  # fmt: skip
    if interrupted and ended:
        note(f"interrupted after {len(ended)} of {samples} searches; these have voted")
    for line in verdict_lines(episode):
        say(line)
    write_json(out / "episode.json", episode.to_dict())
    write_text(out / "episodes.jsonl", "".join(to_json(one.to_dict()) + "\n" for one in ended or [episode]))
    write_text(out / "episode.html", episode_page(episode, original))
    return Asked(episode, out / "episode.html", interrupted)


def _search(
    task: SearchTask, policy: Policy, limits: Limits, original: Image.Image, samples: int, say: Say
) -> tuple[list[Episode], list[Turn], bool]:
    """The searches that ended, by seed; the turns of a single one, also if it did not end; whether Ctrl-C stopped them."""
    ended: list[Episode] = []
    begun: list[Turn] = []
    printer = TurnPrinter(say)

    def on_turn(turn: Turn, outcome: Outcome, view: Image.Image | None) -> None:
        begun.append(turn)
        printer(turn, outcome, view)

    async def search(seed: int) -> None:
        watch = on_turn if samples == 1 else None
        ended.append(await run_episode(task, policy, limits, picture=original, seed=seed, on_turn=watch))
        if samples > 1:
            say(f"search {len(ended)} of {samples}: {search_line(ended[-1])}")

    async def search_all() -> None:
        await asyncio.gather(*(search(seed) for seed in range(samples)))

    interrupted = False
    try:
        asyncio.run(search_all())
    except KeyboardInterrupt:
        interrupted = True
    return sorted(ended, key=lambda one: one.seed), begun, interrupted


def elect(searches: Sequence[Episode]) -> Episode:
    """The first search, by seed, that gave the most frequent answer (`judge.tally`); its `meta` holds the votes.

    Without any answer it is the first that the policy did not fail in, or else the first.
    """
    by_seed = sorted(searches, key=lambda one: one.seed)
    groups = tally([one.answer for one in by_seed])
    chosen = by_seed[groups[0][0]] if groups else min(by_seed, key=lambda one: one.stop is StopReason.POLICY_ERROR)
    votes = {str(by_seed[group[0]].answer): len(group) for group in groups}
    return replace(chosen, meta={**chosen.meta, "searches": len(by_seed), "votes": votes})

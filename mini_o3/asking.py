"""One question about one picture, start to finish: choose, check, search, write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from mini_o3.episode import Episode, Limits, Outcome, SearchTask, StopReason, Turn, run_episode
from mini_o3.kit.rundir import make_folder, to_json, write_json, write_text
from mini_o3.policies.choose import CHOICES, choose_policy
from mini_o3.probes.questions import is_probe_question
from mini_o3.show.page import episode_page
from mini_o3.show.terminal import TurnPrinter, verdict_lines
from mini_o3.vision import open_picture

Say = Callable[[str], None]
NANO_ONLY_PROBES = (
    "note: nano was trained on probes only, and this is not a probe question, so its answer means nothing; "
    f"for your own pictures choose another --policy ({CHOICES.removeprefix('nano, ')})"
)


class Asked(NamedTuple):
    episode: Episode
    page: Path


def ask_one(
    picture: str,
    question: str,
    policy: str,
    *,
    turns: int,
    max_pixels: int | None,
    prompts: str | None = None,
    dialect: str | None = None,
    out: Path,
    say: Say,
    note: Say,
) -> Asked:
    """Ask, saying every turn as it happens, and write `episode.json`, `episodes.jsonl` and `episode.html` into `out`.

    Nothing is written before picture and policy are known to be usable. An interrupted search is written as far as it
    came; `replay:` and a new question go on from there.

    Raises:
        UserError: the picture or the policy cannot be used.
    """
    original = open_picture(picture)
    chosen = choose_policy(
        policy, max_pixels=max_pixels, prompts=prompts, dialect=dialect, picture=picture, question=question, say=note,
        folder=out,
    )  # fmt: skip
    task = SearchTask(picture=picture, question=question)
    if policy == "nano" and not is_probe_question(question):
        note(NANO_ONLY_PROBES)
    make_folder(out)
    say(f"{picture}: {original.width} x {original.height} px; policy {chosen.name}")
    say(f"question: {question}")
    printer, turns_so_far = TurnPrinter(say), []

    def on_turn(turn: Turn, outcome: Outcome, view: Image.Image | None) -> None:
        turns_so_far.append(turn)
        printer(turn, outcome, view)

    limits = Limits(turns=turns)
    try:
        episode = asyncio.run(run_episode(task, chosen, limits, picture=original, on_turn=on_turn))
    except KeyboardInterrupt:
        episode = Episode(
            task.id, picture, question, original.size, chosen.name, f"{chosen.profile.name}@{chosen.profile.hash}", limits,
            0, chosen.budget.fit(*original.size), tuple(turns_so_far), StopReason.INTERRUPTED,
            error=f"interrupted after {len(turns_so_far)} turns; what was seen so far is in {out}; ask again to start over",
        )  # fmt: skip
    for line in verdict_lines(episode):
        say(line)
    write_json(out / "episode.json", episode.to_dict())
    write_text(out / "episodes.jsonl", to_json(episode.to_dict()) + "\n")
    write_text(out / "episode.html", episode_page(episode, original))
    return Asked(episode, out / "episode.html")

"""One question about one picture, start to finish: check, search (once, or several times and vote), write."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mini_o3.asking.asked import Asked, Interrupted, elect
from mini_o3.asking.given import (
    MAX_QUESTION,
    MOST_PICTURES,
    Given,
    check_draws,
    check_folder,
    check_question,
    checked,
    path_of,
)
from mini_o3.asking.searches import TOGETHER, Say, Searches
from mini_o3.episode import EPISODES_FILE, EpisodeRun, Limits, Policy, SearchTask, Turn
from mini_o3.episode.store import EpisodeStore
from mini_o3.kit.files import make_folder, write_json, write_jsonl, write_text
from mini_o3.kit.loop import run_coroutine
from mini_o3.kit.metering import Meter
from mini_o3.policies.load import load_policy
from mini_o3.policies.metered import Continued, Metered, begun
from mini_o3.policies.reader.question import asks_for_text
from mini_o3.policies.spec import CHOICES, PolicySpec
from mini_o3.probes.shapes.questions import is_probe_question
from mini_o3.show.terminal import Typing, verdict_lines
from mini_o3.vision import Album, InMemory, Picture, load_picture
from mini_o3.vision.film import HINT, sheet_of
from mini_o3.vision.proposer import RegionProposer

__all__ = ["MAX_QUESTION", "MOST_PICTURES", "Asked", "Given", "Interrupted", "ask", "elect"]

NANO_ONLY_PROBES = (
    "note: nano was trained on probes only, and this is not a probe question, so its answer means nothing; "
    f"for your own pictures choose another policy ({CHOICES.removeprefix('nano, ')})"
)
NANO_ONLY_ONE = (
    "note: nano was trained on one picture at a time, so its answer about several means little; "
    "`mini-o3 find` asks it about each"
)
READS_TEXT = (
    "note: the policy reader reads text in photographs on this machine"
    " (pip install 'mini-o3[reader]', then take policy reader)"
)
_log = logging.getLogger("mini_o3")


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
    check_question(question)
    folder = None if out is None else check_folder(Path(out))
    temperature = 0.0
    if isinstance(policy, str):
        policy = PolicySpec(policy)
    if isinstance(policy, PolicySpec):
        policy = check_draws(policy.drawn(samples), samples)
        temperature = policy.temperature or 0.0
    given = checked(picture)
    original = load_picture(given[0]) if len(given) == 1 else Album([load_picture(one) for one in given])
    path, *others = (
        path_of(one, folder, number if len(given) > 1 else 0) for number, one in enumerate(given, 1)
    )
    sheet = sheet_of(original.image) if isinstance(original, InMemory) else None
    task = SearchTask(
        path, f"{question}\n{HINT}" if sheet and len(sheet.times) > 1 else question, others=tuple(others)
    )
    if isinstance(policy, PolicySpec):
        spec = replace(policy, concurrency=min(samples, TOGETHER))
        policy = load_policy(spec, asked=task, say=note, folder=folder, on_text=typing)
        if spec.policy == "nano" and len(given) > 1:
            note(NANO_ONLY_ONE)
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
    searches = Searches(begin, samples, temperature, say, price, typing)
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


def _turns_before(policy: Policy, task: SearchTask, folder: Path | None) -> dict[int, tuple[Turn, ...]]:
    """Turns by seed of searches of this question in the folder that did not come to their end."""
    records = EpisodeStore(folder).records if folder is not None else []
    mine = [one for one in records if (one.task_id, one.policy) == (task.id, policy.name)]
    return {seed: turns for (_, seed), turns in begun(policy, mine).items()}


def _parts(picture: Picture) -> tuple[Picture, ...]:
    return picture.pictures if isinstance(picture, Album) else (picture,)

"""An evaluation: ask, judge, report. Episodes and verdicts are kept as they come; the report follows from
them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType
from typing import Any

from PIL import Image

from mini_o3.episode import Episode, Lens, Policy, SearchTask, Turn, run_episode
from mini_o3.episode.run import honest
from mini_o3.episode.store import EpisodeStore, Key, run_jobs
from mini_o3.evaluate.lenses import LensOf, lens_of
from mini_o3.evaluate.protocol import PROTOCOL_FILE, Protocol, younger_than
from mini_o3.evaluate.report import write_report
from mini_o3.judge import Judge
from mini_o3.judge.folder import judge_folder
from mini_o3.judge.record import VerdictStore
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import make_folder
from mini_o3.kit.loop import run_coroutine
from mini_o3.kit.metering import Meter
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.kit.reading import read_object
from mini_o3.kit.run import ensure_same_record
from mini_o3.policies.metered import Continued, Metered, begun, meta_of
from mini_o3.vision import Picture, PixelBudget, Rect
from mini_o3.vision.proposer import RegionProposer
from mini_o3.vision.shared import Shared, SharedPictures

#: What may differ between two starts of one evaluation.
_FREE = ("revision", "report")


def evaluate(
    tasks: Sequence[SearchTask],
    policy: Policy,
    protocol: Protocol,
    judge: Judge,
    out: Path,
    *,
    manifest: dict[str, Any],
    among: Sequence[SearchTask] = (),
    concurrent: int = 1,
    meter: Meter | None = None,
    proposer: RegionProposer | None = None,
    progress: OnProgress = no_progress,
) -> dict[str, Any]:
    """Ask every task as often as the protocol says, judge, and write `out/report.json` and `report.md`;
    returns the report.

    Sample k has seed k. Episodes and verdicts that are in `out` are kept, but for episodes in which the
    policy failed, which are asked again, and answers a judge failed at, which are judged again. `concurrent`
    episodes go on at the same time. `manifest` is the protocol with all it came to (`protocol.manifest`); it
    is saved, and a folder with another is refused. `among` are the tasks that these are some of: what a
    control swaps with does not depend on which are asked here. `meter` counts what is asked for; once its
    budget is spent, no task is begun any more, and searches that it stopped go on with their next turn at the
    next start. `progress` also says the accuracy so far.

    Raises:
        UserError: `out` holds another evaluation, the protocol wants to swap pictures and there is only one,
            or the budget is spent before anything was asked.
    """
    meter, lens_for = meter or Meter(), lens_of(protocol.views, among or tasks)
    make_folder(out)
    path = out / PROTOCOL_FILE
    younger = younger_than(read_object(path) if path.exists() else {}, protocol, manifest)
    ensure_same_record(path, manifest, _FREE, younger, what="an evaluation")
    tasks = list({task.id: task for task in tasks}.values())  # a question that is there twice is asked once
    wanted = [(task, seed) for task in tasks for seed in range(protocol.samples_for(task))]
    episodes, verdicts = EpisodeStore(out), VerdictStore(out)
    before = begun(policy, episodes.records)
    ask = asker(policy, protocol, lens_for, meter, before, proposer)
    left = [(task, seed) for task, seed in wanted if not episodes.is_done((task.id, seed))]
    given = [verdicts.verdicts.get((task.id, seed)) for task, seed in wanted]
    known = Counter(verdict.is_correct for verdict in given if verdict is not None and verdict.is_judged)

    async def measure(task: SearchTask, seed: int) -> None:
        episode = await ask(task, seed)
        episodes.append(episode, tokens=False)
        verdict = await judge(task, episode)
        verdicts.append(episode, verdict, judge)
        if verdict.is_judged:
            known[verdict.is_correct] += 1

    run_coroutine(
        run_jobs(
            takewhile(lambda _: not meter.spent, [partial(measure, task, seed) for task, seed in left]),
            concurrent,
            progress=progress,
            done=len(wanted) - len(left),
            total=len(wanted),
            state=lambda: (f"accuracy {known[True] / known.total():.3f}" if known else "") + meter.state,
        )
    )
    if meter.spent and not episodes.records:
        raise UserError(f"{out}: nothing could be asked, {meter.spent}")
    judge_folder(out, judge)
    return write_report(out, tasks)


def asker(
    policy: Policy,
    protocol: Protocol,
    lens_for: LensOf,
    meter: Meter | None = None,
    before: Mapping[Key, Sequence[Turn]] = MappingProxyType({}),
    proposer: RegionProposer | None = None,
) -> Callable[[SearchTask, int], Awaitable[Episode]]:
    """What asks a task with a seed by a protocol; its record says what the episode cost.

    `before` has the turns of searches that go on.
    """
    counted = meter or Meter()
    pictures = SharedPictures()

    async def ask(task: SearchTask, seed: int) -> Episode:
        metered, turns = Metered(policy, counted), before.get((task.id, seed), ())
        asked = Continued(metered, turns) if turns else metered
        async with pictures.use(*task.pictures) as shared:
            lens = _with_first_view(lens_for(task), shared)
            episode = await run_episode(
                task, asked, protocol.limits, picture=shared.picture, seed=seed, lens=lens, proposer=proposer
            )
        return replace(episode, meta={**episode.meta, **meta_of(metered, turns)})

    return ask


def _with_first_view(lens: Lens, shared: Shared) -> Lens:
    """The same lens; an honest first view is made once for all samples of a picture."""

    def look(original: Picture, rect: Rect, budget: PixelBudget, number: int) -> Image.Image:
        is_whole = number == 0 and rect == original.whole
        return shared.first_view(budget) if is_whole else lens(original, rect, budget, number)

    return look if lens is honest else lens

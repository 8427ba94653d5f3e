"""Collecting: ask, judge, keep; go back to the questions that yielded nothing, with other exemplars and a
warmer draw.

The paper speaks of an iterative pipeline and gives no more (arXiv 2509.07969, section on cold-start data):
exemplars in the prompt, any vision-language model, correct trajectories kept. Rounds, budget and selection
are ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import takewhile
from pathlib import Path
from typing import Protocol, runtime_checkable

from mini_o3.coldstart.config import CollectConfig
from mini_o3.coldstart.exemplars import Exemplar, exemplar_of, read_exemplars, with_exemplars
from mini_o3.coldstart.report import Summary, summarise
from mini_o3.coldstart.select import Collected, Status, fault, of_tasks, select
from mini_o3.episode import EPISODES_FILE, Episode, Limits, Policy, SearchTask, StopReason, run_episode
from mini_o3.episode.patterns import patterns
from mini_o3.episode.store import EpisodeStore, run_jobs
from mini_o3.judge import Judge
from mini_o3.judge.llm import spent_on_judging
from mini_o3.judge.record import VerdictStore
from mini_o3.kit.files import make_folder, write_json, write_jsonl, write_text
from mini_o3.kit.loop import run_coroutine
from mini_o3.kit.metering import Meter
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.kit.reading import read_object
from mini_o3.kit.rng import stream
from mini_o3.kit.run import ensure_same_run, folder_lock
from mini_o3.policies.metered import Continued, Metered, begun, count_spent, meta_of, model_of
from mini_o3.protocol import PromptProfile
from mini_o3.vision import load_pictures

KEPT = "kept"  # folder of what `mini-o3 train sft --episodes` imitates
OUTCOMES_FILE = "outcomes.jsonl"
JUDGE_CACHE = "judge_cache.jsonl"
_SPAN = 1000  # seeds of one round
_MOST_OWN = 6  # kept searches that join the exemplars
_WARMEST = 1.2


@runtime_checkable
class Adjustable(Protocol):
    """A policy that can be had with other prompts, and drawing its words at another temperature."""

    def adjusted(self, *, temperature: float, profile: PromptProfile) -> Policy: ...


def collect(
    config: CollectConfig,
    tasks: Sequence[SearchTask],
    policy: Policy,
    judge: Judge,
    out: Path,
    *,
    meter: Meter | None = None,
    progress: OnProgress = no_progress,
) -> Summary:
    """Collect into `out`, going on where an earlier start stopped, and write what is kept, what is not, and
    why.

    `episodes.jsonl` and `verdicts.jsonl` grow as episodes end; a kill loses only those in flight. At the end
    `outcomes.jsonl` (one line per episode), `kept/episodes.jsonl` and `report.json`, `report.md` are written
    from them. Episodes in which the policy failed, or the judge, are asked or judged again at the next start.
    `meter` counts what policy and judge are asked for and knows the prices; its budget is that of `config`.
    `progress` is of the episodes of a round.

    Raises:
        UserError: `out` holds another collection, or the exemplars cannot be read.
    """
    with folder_lock(out):
        settings, record = config.recorded(), out / "config.json"
        if not record.exists() or "turn_tokens" in (read_object(record).get("config") or {}):
            settings.setdefault("turn_tokens", getattr(policy, "turn_tokens", None))
        ensure_same_run(out, settings, config.free_to_change)
        collector = Collector(config, tasks, policy, judge, out, meter or config.meter(), progress)
        run_coroutine(collector.run())
        return collector.finish()


class Collector:
    """One start of a collection."""

    def __init__(
        self,
        config: CollectConfig,
        tasks: Sequence[SearchTask],
        policy: Policy,
        judge: Judge,
        out: Path,
        meter: Meter,
        progress: OnProgress,
    ) -> None:
        self.config, self.policy, self.judge, self.out, self.progress = config, policy, judge, out, progress
        self.meter = meter
        self.tasks = {task.id: task for task in tasks}
        self.exemplars = (
            read_exemplars(config.exemplars) if config.exemplars and takes_exemplars(policy) else []
        )
        self.store, self.verdicts = EpisodeStore(out), VerdictStore(out)
        meter.check_price(model_of(policy))
        count_spent(meter, self.store.records, model_of(policy))
        for model, requests, usage in spent_on_judging(out / JUDGE_CACHE):
            meter.count(requests, usage.total, usage, model)
        self.before = begun(policy, self.store.records)
        self.good = 0
        self.mix: Counter[str] = Counter()
        self.opened = lru_cache(maxsize=2)(load_pictures)  # samples of a task follow each other
        for episode in self._episodes():
            self._count(episode)

    async def run(self) -> None:
        await run_jobs(
            [partial(self._judge, episode) for episode in self._unjudged()], self.config.concurrent
        )
        for number in range(self.config.rounds):
            wanted = [
                (task, number * _SPAN + sample)
                for task in self.tasks.values()
                if not self._has_yielded(task, before=number)
                for sample in range(self.config.samples)
            ]
            left = [(task, seed) for task, seed in wanted if not self.store.is_done((task.id, seed))]
            pool = self.exemplars + (
                self._own(before=number) if self.config.own_exemplars and self.exemplars else []
            )
            jobs = [partial(self._ask, task, seed, number, pool) for task, seed in left]
            await run_jobs(
                takewhile(lambda _: not self.meter.spent, jobs),
                self.config.concurrent,
                progress=self.progress,
                done=len(wanted) - len(left),
                total=len(wanted),
                state=self._state,
            )

    def finish(self) -> Summary:
        """Select, and write down what became of everything."""
        rows = self.rows()
        outcomes = select(rows, self.config.select, self.config.seed)
        lines = [
            {
                "task_id": row.task.id,
                "seed": row.episode.seed,
                "status": outcome.status.value,
                "reason": outcome.reason,
            }
            for row, outcome in zip(rows, outcomes, strict=True)
        ]
        write_jsonl(self.out / OUTCOMES_FILE, lines)
        kept = [
            row.episode for row, outcome in zip(rows, outcomes, strict=True) if outcome.status is Status.KEPT
        ]
        make_folder(self.out / KEPT)
        write_jsonl(self.out / KEPT / EPISODES_FILE, [episode.to_dict() for episode in kept])
        by_task = of_tasks(rows, outcomes, list(self.tasks.values()))
        write_jsonl(
            self.out / "tasks_outcomes.jsonl",
            [{"task_id": key, "status": o.status.value, "reason": o.reason} for key, o in by_task.items()],
        )
        summary = summarise(rows, outcomes, by_task, self.meter, self.config)
        write_json(self.out / "report.json", summary.to_dict())
        write_text(self.out / "report.md", summary.to_markdown())
        return summary

    def rows(self) -> list[Collected]:
        """Everything collected, in order of task and seed."""
        order = {task: number for number, task in enumerate(self.tasks)}
        found = sorted(self._episodes(), key=lambda episode: (order[episode.task_id], episode.seed))
        return [self._row(episode) for episode in found]

    async def _ask(self, task: SearchTask, seed: int, number: int, pool: Sequence[Exemplar]) -> None:
        chosen = self._chosen(task, seed, pool)
        temperature = min(
            self.config.temperature + self.config.warmer * number, max(_WARMEST, self.config.temperature)
        )
        policy = self.policy
        if isinstance(policy, Adjustable):
            policy = policy.adjusted(temperature=temperature, profile=with_exemplars(policy.profile, chosen))
        metered, turns = Metered(policy, self.meter), self.before.get((task.id, seed), ())
        asked = Continued(metered, turns) if turns else metered
        episode = await run_episode(
            task, asked, Limits(turns=self.config.turns), picture=self.opened(task.pictures), seed=seed
        )
        meta = {"round": number, **meta_of(metered, turns), "temperature": temperature}
        names = [exemplar.name for exemplar in chosen]
        episode = replace(episode, meta={**episode.meta, **meta, "exemplars": names})
        verdict = await self.judge(task, episode)
        self.store.append(episode)
        self.verdicts.append(episode, verdict, self.judge)
        self._count(episode)

    async def _judge(self, episode: Episode) -> None:
        verdict = await self.judge(self.tasks[episode.task_id], episode)
        self.verdicts.append(episode, verdict, self.judge)

    def _count(self, episode: Episode) -> None:
        if fault(self._row(episode), self.config.select) is None:
            self.good += 1
            self.mix.update(patterns(episode))

    def _episodes(self) -> list[Episode]:
        """Those about the tasks that are asked now."""
        return [episode for episode in self.store.episodes.values() if episode.task_id in self.tasks]

    def _unjudged(self) -> list[Episode]:
        """Episodes that ended and that nobody has judged, or could."""
        return [
            episode
            for episode in self._episodes()
            if episode.stop is not StopReason.POLICY_ERROR and self.verdicts.settled(episode) is None
        ]

    def _has_yielded(self, task: SearchTask, before: int) -> bool:
        seeds = (number * _SPAN + sample for number in range(before) for sample in range(self.config.samples))
        found = (self.store.episodes.get((task.id, seed)) for seed in seeds)
        return any(
            episode is not None and fault(self._row(episode), self.config.select) is None for episode in found
        )

    def _row(self, episode: Episode) -> Collected:
        verdict = self.verdicts.settled(episode)
        return Collected(
            self.tasks[episode.task_id], episode, None if verdict is None else verdict.is_correct
        )

    def _own(self, before: int) -> list[Exemplar]:
        """Searches kept in earlier rounds, the richest in patterns first."""
        rows = [
            row
            for row in self.rows()
            if row.episode.seed < before * _SPAN and fault(row, self.config.select) is None
        ]
        rows.sort(key=lambda row: (-len(patterns(row.episode)), row.task.id, row.episode.seed))
        found = (exemplar_of(row.episode) for row in rows)
        return [exemplar for exemplar in found if exemplar is not None][:_MOST_OWN]

    def _chosen(self, task: SearchTask, seed: int, pool: Sequence[Exemplar]) -> list[Exemplar]:
        count = min(self.config.shots, len(pool))
        picks = stream("exemplars", self.config.seed, task.id, seed).permutation(len(pool))[:count]
        return [pool[index] for index in picks]

    def _state(self) -> str:
        """For the progress line: yield so far, patterns of what would be kept, cost."""
        mix = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in self.mix.most_common(3))
        return f"{self.good} good{f' ({mix})' if mix else ''}, {self.meter.tokens} tokens"


def takes_exemplars(policy: Policy) -> bool:
    """nano knows one prompt only, and scripts read none."""
    return isinstance(policy, Adjustable) and policy.profile.name != "nano"

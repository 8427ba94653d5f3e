"""Collecting: ask, judge, keep; go back to the questions that yielded nothing, with other exemplars and a
warmer draw.

The paper speaks of an iterative pipeline and gives no more (arXiv 2509.07969, section on cold-start data):
exemplars in the prompt, any vision-language model, correct trajectories kept. Rounds, budget and selection
are ours.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from mini_o3.coldstart.config import CollectConfig
from mini_o3.coldstart.exemplars import Exemplar, exemplar_of, read_exemplars, with_exemplars
from mini_o3.coldstart.report import Summary, summarise
from mini_o3.coldstart.select import Collected, Status, fault, of_tasks, select
from mini_o3.episode import EPISODES_FILE, Episode, Limits, Policy, SearchTask, StopReason, run_episode
from mini_o3.episode.patterns import patterns
from mini_o3.judge import Judge, Verdict
from mini_o3.judge.record import VERDICTS_FILE, read_verdicts, verdict_row
from mini_o3.kit.files import append_jsonl, make_folder, read_jsonl, to_json, write_json, write_text
from mini_o3.kit.rng import stream
from mini_o3.kit.run import claim_run, held
from mini_o3.policies.metered import Meter, Metered
from mini_o3.protocol import PromptProfile
from mini_o3.vision import open_picture

KEPT = "kept"  # folder of what `mini-o3 train sft --episodes` imitates
OUTCOMES_FILE = "outcomes.jsonl"
_SPAN = 1000  # seeds of one round
_MOST_OWN = 6  # kept searches that join the exemplars
_WARMEST = 1.2

Key = tuple[str, int]


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
    report: Callable[[int, int, str], None] = lambda done, total, more: None,
) -> Summary:
    """Collect into `out`, going on where an earlier start stopped, and write what is kept, what is not, and
    why.

    `episodes.jsonl` and `verdicts.jsonl` grow as episodes end; a kill loses only those in flight. At the end
    `outcomes.jsonl` (one line per episode), `kept/episodes.jsonl` and `report.json`, `report.md` are written
    from them. Episodes in which the policy failed, or the judge, are asked or judged again at the next start.
    `report` gets episodes done and wanted in this round.

    Raises:
        UserError: `out` holds another collection, or the exemplars cannot be read.
    """
    with held(out):
        claim_run(out, json.loads(config.model_dump_json()), config.free_to_change)
        collector = Collector(config, tasks, policy, judge, out, report)
        asyncio.run(collector.run())
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
        report: Callable[[int, int, str], None],
    ) -> None:
        self.config, self.policy, self.judge, self.out, self.report = config, policy, judge, out, report
        self.tasks = {task.id: task for task in tasks}
        self.exemplars = (
            read_exemplars(config.exemplars) if config.exemplars and takes_exemplars(policy) else []
        )
        self.episodes: dict[Key, Episode] = {}
        requests = tokens = 0
        for row in read_jsonl(out / EPISODES_FILE):
            episode = Episode.from_dict(row)
            requests, tokens = (
                requests + episode.meta.get("requests", 0),
                tokens + episode.meta.get("tokens", 0),
            )
            self.episodes[episode.task_id, episode.seed] = episode
        self.verdicts = read_verdicts(out)
        self.meter = Meter(config.max_requests, config.max_tokens, requests, tokens)
        self.total = self.done = self.good = 0
        self.mix: Counter[str] = Counter()
        self.opened = lru_cache(maxsize=2)(open_picture)  # samples of a task follow each other
        for key in self.episodes:
            if key[0] in self.tasks:
                self._count(key)

    async def run(self) -> None:
        await self._together([partial(self._judged_again, key) for key in self._unjudged()])
        for number in range(self.config.rounds):
            wanted = [
                (task, number * _SPAN + sample)
                for task in self.tasks.values()
                if not self._has_yielded(task, before=number)
                for sample in range(self.config.samples)
            ]
            left = [key for key in wanted if not self._is_done((key[0].id, key[1]))]
            pool = self.exemplars + (
                self._own(before=number) if self.config.own_exemplars and self.exemplars else []
            )
            self.total, self.done = len(wanted), len(wanted) - len(left)
            await self._together([partial(self._asked, task, seed, number, pool) for task, seed in left])

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
        _write_jsonl(self.out / OUTCOMES_FILE, lines)
        kept = [
            row.episode for row, outcome in zip(rows, outcomes, strict=True) if outcome.status is Status.KEPT
        ]
        make_folder(self.out / KEPT)
        _write_jsonl(self.out / KEPT / EPISODES_FILE, [episode.to_dict() for episode in kept])
        by_task = of_tasks(rows, outcomes, list(self.tasks.values()))
        _write_jsonl(
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
        keys = [key for key in self.episodes if key[0] in order]
        return [self._row(key) for key in sorted(keys, key=lambda key: (order[key[0]], key[1]))]

    async def _asked(self, task: SearchTask, seed: int, number: int, pool: Sequence[Exemplar]) -> None:
        if self.meter.is_spent:
            return
        chosen = self._chosen(task, seed, pool)
        temperature = min(
            self.config.temperature + self.config.warmer * number, max(_WARMEST, self.config.temperature)
        )
        policy = self.policy
        if isinstance(policy, Adjustable):
            policy = policy.adjusted(temperature=temperature, profile=with_exemplars(policy.profile, chosen))
        metered = Metered(policy, self.meter)
        episode = await run_episode(
            task, metered, Limits(turns=self.config.turns), picture=self.opened(task.picture), seed=seed
        )
        meta = {
            "round": number,
            "requests": metered.requests,
            "tokens": metered.tokens,
            "temperature": temperature,
        }
        episode = replace(episode, meta={**meta, "exemplars": [exemplar.name for exemplar in chosen]})
        verdict = await self.judge(task, episode)
        append_jsonl(self.out / EPISODES_FILE, episode.to_dict())
        self.episodes[task.id, seed] = episode
        self._note(verdict, (task.id, seed))
        self._count((task.id, seed))
        self.done += 1
        self.report(self.done, self.total, self._state())

    def _count(self, key: Key) -> None:
        if fault(self._row(key), self.config.select) is None:
            self.good += 1
            self.mix.update(patterns(self.episodes[key]))

    async def _judged_again(self, key: Key) -> None:
        self._note(await self.judge(self.tasks[key[0]], self.episodes[key]), key)

    def _note(self, verdict: Verdict, key: Key) -> None:
        self.verdicts[key] = verdict
        append_jsonl(self.out / VERDICTS_FILE, verdict_row(key, verdict, self.judge, self.episodes[key]))

    def _unjudged(self) -> list[Key]:
        """Episodes that ended and that nobody has judged, or could."""
        return [
            key
            for key, episode in self.episodes.items()
            if key[0] in self.tasks
            and episode.stop is not StopReason.POLICY_ERROR
            and (key not in self.verdicts or not self.verdicts[key].is_judged)
        ]

    def _is_done(self, key: Key) -> bool:
        return key in self.episodes and self.episodes[key].stop is not StopReason.POLICY_ERROR

    def _has_yielded(self, task: SearchTask, before: int) -> bool:
        return any(
            fault(row, self.config.select) is None
            for row in self._of_task(task)
            if row.episode.seed < before * _SPAN
        )

    def _of_task(self, task: SearchTask) -> list[Collected]:
        seeds = [
            number * _SPAN + sample
            for number in range(self.config.rounds)
            for sample in range(self.config.samples)
        ]
        return [self._row((task.id, seed)) for seed in seeds if (task.id, seed) in self.episodes]

    def _row(self, key: Key) -> Collected:
        verdict = self.verdicts.get(key)
        right = verdict.is_correct if verdict and verdict.is_judged else None
        return Collected(self.tasks[key[0]], self.episodes[key], right)

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

    async def _together(self, jobs: Sequence[Callable[[], Awaitable[None]]]) -> None:
        left = iter(jobs)

        async def go_on() -> None:
            for job in left:
                await job()
                await asyncio.sleep(0)  # a policy that never waits would not let an interrupt through

        await asyncio.gather(*(go_on() for _ in range(self.config.concurrent)))

    def _state(self) -> str:
        """For the progress line: yield so far, patterns of what would be kept, cost."""
        mix = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in self.mix.most_common(3))
        return f"{self.good} good{f' ({mix})' if mix else ''}, {self.meter.tokens} tokens"


def takes_exemplars(policy: Policy) -> bool:
    """nano knows one prompt only, and scripts read none."""
    return isinstance(policy, Adjustable) and policy.profile.name != "nano"


def _write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    write_text(path, "".join(to_json(row) + "\n" for row in rows))

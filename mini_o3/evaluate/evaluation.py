"""A whole evaluation: by which protocol, which policy, on which tasks, with which controls and checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mini_o3.episode import Policy, SearchTask, StopReason, read_tasks
from mini_o3.evaluate.against import figures_against, note_against
from mini_o3.evaluate.checks import check_curve
from mini_o3.evaluate.controls import controls
from mini_o3.evaluate.lenses import are_several
from mini_o3.evaluate.protocol import PROTOCOL_FILE, Protocol, manifest, read_protocol
from mini_o3.evaluate.report import CONTROLS, read_judged, write_report
from mini_o3.evaluate.run import evaluate
from mini_o3.evaluate.shards import shard as part_of
from mini_o3.evaluate.spending import JUDGE_CACHE, count_past, write_prices
from mini_o3.judge import make_judge
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.files import write_json
from mini_o3.kit.metering import NO_PRICES, Budget, Meter
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.kit.run import folder_lock
from mini_o3.kit.usage import Price
from mini_o3.policies.load import OTHER_PROMPTS, load_policy
from mini_o3.policies.metered import model_of
from mini_o3.policies.spec import PolicySpec, default_temperature, recorded_temperature
from mini_o3.protocol import load_profile
from mini_o3.vision.proposer import RegionProposer

CURVE_LIMIT = 8  # turns at which the curve is checked

Say = Callable[[str], None]


def run_evaluation(
    tasks: Path | str,
    policy: str | Policy,
    out: Path | str,
    *,
    protocol: str | None = None,
    limit: int | None = None,
    shard: str | None = None,
    faithfulness: bool = False,
    check_curve: int = 0,
    against: str | None = None,
    concurrent: int = 16,
    propose: RegionProposer | None = None,
    device: str | None = None,
    budget: Budget | None = None,
    prices: Mapping[str, Price] = NO_PRICES,
    progress: Callable[[str], OnProgress] = lambda what: no_progress,
    say: Say = lambda line: None,
    note: Say = lambda line: None,
    **settings: Any,
) -> dict[str, Any]:
    """Measure a policy on a folder of tasks and return the report, which is also `out/report.json`.

    What is in `out` already is kept, so that an evaluation that was stopped goes on. A policy or a judge that
    fails leaves episodes unjudged; the report counts them apart, and the next start asks again.

    Args:
        tasks: folder with `tasks.jsonl`.
        policy: who is measured: a text as for `PolicySpec`, or a policy that is built already.
        out: folder for the episodes, the verdicts and the report.
        protocol: name or file of a protocol; None: the defaults.
        limit: only the first so many tasks.
        shard: only part i of n of them, as `i/n`.
        faithfulness: measure the control experiments too, into `out/controls`.
        check_curve: run so many episodes again at a smaller turn limit, into `out/curve_check.json`.
        against: a published figure to read the accuracy beside, see `figures_against`.
        concurrent: episodes at the same time.
        propose: suggests boxes, which the policy is told in its first message.
        device: where a model on this machine runs, as in `PolicySpec`.
        budget: beyond what neither the policy nor the judge is asked, over all starts; the report then has
            `budget_spent`, which says how to go on.
        prices: by model, see `kit.usage.read_prices`; the report then has what it cost.
        progress: makes what is told of the progress of something.
        say, note: get lines about what is done, and what the policy has to say.
        settings: fields of `Protocol` that differ from the protocol's; None is none.

    Raises:
        UserError: something of these cannot be used, or `out` holds another evaluation.
    """
    out = Path(out)
    if protocol is None and settings.get("temperature") is None:
        samples = settings.get("samples") or 1
        begun = recorded_temperature(out / PROTOCOL_FILE, samples)
        drawn = default_temperature(_name(policy), samples)
        settings["temperature"] = drawn if begun is None else begun
    asked = read_protocol(protocol, **settings)
    everything = read_tasks(tasks)
    found = everything[:limit]
    if not found:
        raise UserError(f"{Path(tasks) / 'tasks.jsonl'}: holds no task; import or make some first")
    if against is not None:
        figures_against(against, found)
    _check_prompts(asked, policy)
    part = part_of(found, shard) if shard else found
    record = {"limit": limit} | ({"shard": shard} if shard else {})
    record |= {"propose": propose.name} if propose is not None else {}
    meter = Meter(budget, prices)
    count_past(meter, out)
    evaluator = Evaluator(
        policy,
        str(tasks),
        found,
        among=everything,
        concurrent=concurrent,
        device=device,
        record=record,
        meter=meter,
        proposer=propose,
        note=note,
    )
    report = evaluator.measure(asked, out, progress("episodes"), part)
    if faithfulness:
        for name, change in controls(_name(policy)).items():
            told = f"control: {name.replace('_', ' ')}"
            if meter.spent:
                say(f"{told}: left out, {meter.spent}")
                continue
            if change.get("views") == "swapped" and not are_several(everything):
                say(f"{told}: left out, all tasks are on one picture")
                continue
            say(told)
            control = asked.model_copy(update=change)
            evaluator.measure(control, out / CONTROLS / name, progress("episodes"), part)
    if against is not None:
        note_against(out, against)
    if faithfulness or against is not None:
        report = write_report(out, part)
    if check_curve and not always_failed(report):
        again = evaluator.check_curve(asked, out, check_curve)
        alike = again["episodes"] - len(again["differing"])
        say(
            f"run again at {again['limit']} turns: {alike} of {again['episodes']} episodes end as the long"
            " ones stood then"
        )
    return report | ({"budget_spent": meter.spent} if meter.spent else {})


def _check_prompts(protocol: Protocol, policy: str | Policy) -> None:
    """Raises: SettingError: a model is to be measured as in the release, by prompts that are not its own."""
    is_model = isinstance(policy, str) and PolicySpec(policy).kind in ("hf", "api")
    if protocol.dialect != "released" or not is_model:
        return
    if protocol.prompts is None or load_profile(protocol.prompts).is_shipped:
        raise SettingError("prompts", f"as in the release only with its own prompts; {OTHER_PROMPTS}")


def _name(policy: str | Policy) -> str:
    return policy if isinstance(policy, str) else policy.name


def always_failed(report: Mapping[str, Any]) -> bool:
    """Whether the policy failed in every episode."""
    return bool(report["stops"].get(StopReason.POLICY_ERROR.value) == report["episodes"])


class Evaluator:
    """One policy and one set of tasks, measured by any number of protocols."""

    def __init__(
        self,
        policy: str | Policy,
        folder: str,
        tasks: Sequence[SearchTask],
        *,
        among: Sequence[SearchTask] = (),
        concurrent: int = 16,
        device: str | None = None,
        record: Mapping[str, Any] = MappingProxyType({}),
        meter: Meter | None = None,
        proposer: RegionProposer | None = None,
        note: Say = lambda line: None,
    ) -> None:
        """`folder` is where the tasks are from, `among` all tasks there, `record` what else goes into
        `protocol.json`."""
        self.policy, self.folder, self.tasks, self.among = policy, folder, tasks, among
        is_human = isinstance(policy, str) and PolicySpec(policy).kind == "human"
        self.concurrent = 1 if is_human else concurrent
        self.device = device
        self.record, self.meter, self.note = dict(record), meter or Meter(), note
        self.proposer = proposer
        self.loaded: dict[PolicySpec, Policy] = {}

    def measure(
        self,
        protocol: Protocol,
        out: Path,
        progress: OnProgress = no_progress,
        part: Sequence[SearchTask] | None = None,
    ) -> dict[str, Any]:
        """Measure by a protocol, on all tasks or on some of them, and write the report to `out`.

        Raises:
            UserError: as `evaluate`, or another process is at work in `out`.
        """
        judge = make_judge(
            protocol.judge,
            cache=out / JUDGE_CACHE,
            concurrent=self.concurrent,
            endpoint=protocol.judge_endpoint,
            meter=self.meter,
        )
        policy = self._load(protocol)
        self.meter.check_price(model_of(policy))
        made = manifest(protocol, policy, _name(self.policy), self.tasks, self.folder, judge) | self.record
        with folder_lock(out):
            if self.meter.prices:
                write_prices(out, self.meter.prices)
            return evaluate(
                self.tasks if part is None else part,
                policy,
                protocol,
                judge,
                out,
                manifest=made,
                among=self.among,
                concurrent=self.concurrent,
                meter=self.meter,
                proposer=self.proposer,
                progress=progress,
            )

    def check_curve(self, protocol: Protocol, out: Path, count: int) -> dict[str, Any]:
        """Run `count` of the episodes in `out` again at a smaller limit; what differs, also in its
        `curve_check.json`."""
        limit, rows = min(CURVE_LIMIT, protocol.turns), read_judged(out, self.tasks)
        policy = self._load(protocol)
        found = check_curve(rows, policy, protocol, limit, count, self.concurrent, self.among)
        write_json(out / "curve_check.json", found)
        return found

    def _load(self, protocol: Protocol) -> Policy:
        if not isinstance(self.policy, str):
            for setting in ("max_pixels", "prompts", "dialect", "turn_tokens", "endpoint"):
                if getattr(protocol, setting):
                    raise SettingError(setting, "a policy that is built already has its own; leave it out")
            return self.policy
        spec = replace(protocol.policy_spec(self.policy, self.concurrent), device=self.device)
        if spec not in self.loaded:
            self.loaded[spec] = load_policy(spec, tasks=self.tasks, say=self.note)
        return self.loaded[spec]

"""What an evaluation has cost in all its starts: tokens of policy and judge, money by the prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mini_o3.episode import EPISODES_FILE, Episode
from mini_o3.episode.store import read_episodes
from mini_o3.judge.llm import spent_on_judging
from mini_o3.kit.files import write_json
from mini_o3.kit.metering import Meter, model_named
from mini_o3.kit.reading import read_object
from mini_o3.kit.usage import Price
from mini_o3.policies.metered import count_spent

JUDGE_CACHE = "judge_cache.jsonl"
PRICES_FILE = "prices.json"  # by which the report has its money; it changes no other number


def write_prices(out: Path, prices: Mapping[str, Price]) -> None:
    """Keep the prices beside an evaluation, so that its report has the same money whenever it is written."""
    write_json(out / PRICES_FILE, {model: asdict(price) for model, price in prices.items()})


def count_past(meter: Meter, out: Path) -> None:
    """Count what earlier starts have spent in a folder of an evaluation and in its controls."""
    for folder in (out, *sorted((out / "controls").glob("*"))):
        _count(meter, folder, read_episodes(folder / EPISODES_FILE))


def spending(folder: Path, episodes: Sequence[Episode]) -> dict[str, Any]:
    """The key `spending` of a report: requests, tokens and money of policy and judge, over all starts.

    Empty where nobody counted tokens. `episodes` are those that count; the mean is over them.
    """
    policy, judge = (Meter(prices=_prices(folder)) for _ in range(2))
    if any(episode.usage.is_known for episode in episodes):
        _count(policy, folder, read_episodes(folder / EPISODES_FILE), judges=False)
    for model, requests, usage in spent_on_judging(folder / JUDGE_CACHE):
        judge.count(requests, usage.total, usage, model)
    found = {name: meter.figures() for name, meter in (("policy", policy), ("judge", judge))}
    paid: dict[str, Any] = {name: figures for name, figures in found.items() if figures.get("total")}
    if mine := paid.get("policy"):
        each = {
            name: mine[name] / max(len(episodes), 1) for name in ("requests", "total", "cost") if name in mine
        }
        mine["per_episode"] = {name: round(value, 6) for name, value in each.items()}
    return {"spending": paid} if paid else {}


def spending_words(found: Mapping[str, Any]) -> str:
    """A figure of `spending` in words."""
    cached = f" ({found['cached']:,} of them cached)" if found.get("cached") else ""
    words = f"{found['requests']:,} requests, {found.get('prompt', 0):,} tokens read{cached}"
    words += f", {found.get('completion', 0):,} written"
    return words + (f", cost {found['cost']:,.4f}" if "cost" in found else "")


def _count(meter: Meter, folder: Path, records: Sequence[Episode], judges: bool = True) -> None:
    for episode in records:
        count_spent(meter, [episode], model_named(episode.policy))
    for model, requests, usage in spent_on_judging(folder / JUDGE_CACHE) if judges else []:
        meter.count(requests, usage.total, usage, model)


def _prices(folder: Path) -> dict[str, Price]:
    path = folder / PRICES_FILE
    return {model: Price(**row) for model, row in read_object(path).items()} if path.is_file() else {}

"""The accuracy-over-limit curve is read off one long run; this runs a sample again at a smaller limit and
compares."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from mini_o3.episode import Episode, Policy, SearchTask, StopReason
from mini_o3.episode.store import Key, run_jobs
from mini_o3.evaluate.lenses import lens_of
from mini_o3.evaluate.metrics import Judged
from mini_o3.evaluate.protocol import Protocol
from mini_o3.evaluate.run import asker
from mini_o3.kit.loop import run_coroutine
from mini_o3.kit.rng import stream


def check_curve(
    rows: Sequence[Judged],
    policy: Policy,
    protocol: Protocol,
    limit: int,
    count: int,
    concurrent: int = 1,
    among: Sequence[SearchTask] = (),
) -> dict[str, Any]:
    """Run `count` of the episodes again with at most `limit` turns; `among` as in `evaluate`.

    They should end as the long ones had by then: with the same answer in the same turn, or out of turns. A
    policy over an
    endpoint that does not heed seeds, or a model whose rounding depends on the batch, may differ; how many
    did is the result.
    """
    order = stream("check curve", limit, count).permutation(len(rows))[:count]
    chosen = [rows[index] for index in sorted(order)]
    short = protocol.model_copy(update={"turns": limit})
    ask = asker(policy, short, lens_of(protocol.views, among or [row.task for row in rows]))
    again: dict[Key, Episode] = {}

    async def repeat(row: Judged) -> None:
        again[row.episode.key] = await ask(row.task, row.episode.seed)

    run_coroutine(run_jobs([partial(repeat, row) for row in chosen], concurrent))
    differing = [
        {
            "task": row.task.id,
            "seed": row.episode.seed,
            "long": _end(row.episode, limit),
            "short": _end(found, limit),
        }
        for row in chosen
        if _end(row.episode, limit) != _end(found := again[row.episode.key], limit)
    ]
    return {"limit": limit, "episodes": len(chosen), "differing": differing}


def _end(episode: Episode, limit: int) -> list[Any]:
    """How it ended, or stood after `limit` turns."""
    if episode.num_turns <= limit and episode.stop is not StopReason.TURN_LIMIT:
        return [episode.stop.value, episode.num_turns, episode.answer]
    return [StopReason.TURN_LIMIT.value, limit, None]

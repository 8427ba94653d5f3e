"""What one looks at while a policy learns, and when to stop it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mini_o3.episode import Episode, StopReason
from mini_o3.grpo.config import GrpoConfig
from mini_o3.grpo.rollout import Group
from mini_o3.training.metrics import Row


def count(groups: Sequence[Group], turns: int) -> dict[str, float]:
    """Sums over rollouts, so that processes can add theirs up: what `rates` divides."""
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    judged = [r for r in rollouts if r.reward is not None]
    episodes: list[Episode] = [r.episode for r in rollouts]
    sums = {
        "questions": len(groups),
        "informative_questions": sum(group.advantages is not None for group in groups),
        "rollouts": len(rollouts),
        "unjudged": len(rollouts) - len(judged),
        "reward": sum(r.reward or 0.0 for r in judged),
        "answered": sum(e.stop is StopReason.ANSWERED for e in episodes),
        "over_turn": sum(e.is_over_turn for e in episodes),
        "void": sum(e.stop is StopReason.VOID for e in episodes),
        "zooms": sum(e.num_zooms for e in episodes),
        "turns": sum(e.num_turns for e in episodes),
        "malformed": sum(turn.malformed is not None for e in episodes for turn in e.turns),
        "tokens": sum(len(turn.token_ids) for e in episodes for turn in e.turns),
    }
    counts = np.bincount([min(e.num_turns, turns) for e in episodes], minlength=turns + 1)
    sums.update({f"turns_{number}": int(counts[number]) for number in range(1, turns + 1)})
    return {key: float(value) for key, value in sums.items()}


def rates(sums: dict[str, float], turns: int) -> Row:
    """A row of the log from the sums of a step; `reward` is None if nothing could be judged."""
    rollouts = max(sums["rollouts"], 1.0)
    row: Row = {
        "questions": int(sums["questions"]),
        "informative_questions": int(sums["informative_questions"]),
        "rollouts": int(sums["rollouts"]),
        "unjudged": int(sums["unjudged"]),
        "reward": sums["reward"] / judged if (judged := sums["rollouts"] - sums["unjudged"]) else None,
        "answered": sums["answered"] / rollouts,
        "over_turn": sums["over_turn"] / rollouts,
        "void": sums["void"] / rollouts,
        "malformed": sums["malformed"] / max(sums["turns"], 1.0),
        "zooms": sums["zooms"] / rollouts,
        "turns": sums["turns"] / rollouts,
        "tokens_per_turn": sums["tokens"] / max(sums["turns"], 1.0),
        "turns_histogram": [int(sums[f"turns_{number}"]) for number in range(1, turns + 1)],
    }
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}


def alarm(rows: Sequence[Row], config: GrpoConfig) -> str | None:
    """Why the run should stop, or None.

    Collapse: the policy no longer looks, as the paper saw without a cold start. Drift: it never stops
    looking, as an independent port saw with masking. Either must hold on the mean of the last `patience`
    steps.
    """
    if len(rows) < config.patience:
        return None
    last = rows[-config.patience :]
    zooms = sum(row["zooms"] for row in last) / len(last)
    if zooms < config.collapse_zooms:
        return (
            f"collapse: {zooms:.2f} zooms per rollout over the last {len(last)} steps (bound"
            f" {config.collapse_zooms})"
        )
    over = sum(row["over_turn"] for row in last) / len(last)
    first = rows[0]["over_turn"]
    if over > config.drift_over_turn and over > first:
        return (
            f"drift: {over:.0%} of the rollouts ran out of turns over the last {len(last)} steps, {first:.0%}"
            f" at first (bound {config.drift_over_turn:.0%})"
        )
    return None


def starved(rows: Sequence[Row], config: GrpoConfig) -> str | None:
    """Why there is no use in going on as the run did in these steps, or None. Nothing was learnt in the last
    `patience`."""
    last = rows[-config.patience :]
    if len(last) < config.patience or any(row["trained_rollouts"] for row in last):
        return None
    if all(row["unjudged"] == row["rollouts"] for row in last):
        return (
            f"no rollout of the last {len(last)} steps could be judged; see that the judge ({config.judge})"
            " answers"
        )
    return (
        f"no question of the last {len(last)} steps taught anything: each was answered always, or never,"
        " rightly"
    )

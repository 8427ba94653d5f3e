"""The result of a question as JSON for scripts: what came of it first, then how."""

from __future__ import annotations

from typing import Any

from mini_o3.episode import Episode
from mini_o3.kit.reading import SHAPE_ERRORS
from mini_o3.kit.usage import Price
from mini_o3.vision import Rect, Region
from mini_o3.vision.film import Sheet

#: Exit status of `mini-o3 ask` by what came of the search.
EXIT_CODES = {"answered": 0, "failed": 1, "not_found": 3, "gave_up": 4, "stopped": 5}


def result_of(episode: Episode, price: Price | None = None, tokens: bool = False) -> dict[str, Any]:
    """A JSON object that always has the same first keys; what there is none of is null.

    Args:
        price: of the policy's model, for `cost`.
        tokens: with the token ids and log-probabilities of local policies.

    Returns:
        `status`, `answer`, `confidence` (see `confidence_of`), `evidence` (a rectangle of the original as
        `fractions` and `pixels`, each [x0, y0, x1, y1]; `source` is `answer` if the answer names it, else
        `last_view`: what was looked at last before it; of several pictures `picture` is the file it lies in,
        null if it covers more of them; of a clip also `time` and `box`, see `moment_of`), `error`, `usage`
        (tokens as the endpoint counts them), `cost`; then the record as in `episode.json`.
    """
    evidence = None
    if episode.evidence is not None:
        region, rect = episode.evidence, episode.evidence.to_rect(Rect(0, 0, *episode.size))
        which = {}
        if episode.placed:
            found = episode.evidence_in
            which = {"picture": found.picture if found else None}
            if found is not None:
                region, rect = Region.of_rect(found.rect, found.size), found.rect
        evidence = {
            "fractions": [round(value, 6) for value in region.xyxy],
            "pixels": [rect.left, rect.top, rect.right, rect.bottom],
            "source": episode.evidence_source,
            **which,
            **(moment_of(episode, rect) or {}),
        }
    usage = episode.usage if episode.usage.is_known else None
    return {
        "status": episode.status.value,
        "answer": episode.answer,
        "confidence": confidence_of(episode),
        "evidence": evidence,
        "error": episode.error,
        "usage": usage.to_dict() if usage else None,
        "cost": round(price.of(usage), 6) if usage and price else None,
        **{
            key: value
            for key, value in episode.to_dict(tokens).items()
            if key not in ("answer", "evidence", "error")
        },
    }


def moment_of(episode: Episode, rect: Rect) -> dict[str, Any] | None:
    """Where a rectangle of the picture lies in a clip, if the picture is a sheet of its frames: `time` in
    seconds (first and last, if it covers several frames) and `box` in pixels of the frame, else null.
    """
    try:
        times, box = Sheet.from_dict(episode.meta["film"]).locate(rect)
    except SHAPE_ERRORS:
        return None
    return {
        "time": times[0] if times[0] == times[1] else list(times),
        "box": None if box is None else [box.left, box.top, box.right, box.bottom],
    }


def confidence_of(episode: Episode) -> float | None:
    """How sure the answer is, from 0 to 1; None if nobody can tell.

    Of several searches it is the share that gave this answer, of those that did not fail. Of one search it is
    the mean probability of the tokens of the answer, where the policy gives any (`Reply.confidence`).
    """
    if episode.answer is None:
        return None
    votes = episode.meta.get("votes")
    if votes:
        counted = episode.meta["ended"] - episode.meta["failed"]
        return round(votes.get(episode.answer, 0) / counted, 4) if counted else None
    sure = episode.meta.get("confidence")
    return float(sure) if isinstance(sure, int | float) else None

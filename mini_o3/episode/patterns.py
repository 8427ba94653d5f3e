"""Which ways of reasoning an episode shows, told from where it looked and, for two of them, from what it wrote.

The five the paper shows in pictures (arXiv 2509.07969, section on diverse reasoning patterns), made countable. It names
them and gives no rule; these are ours:

- `depth_first`: it descends three levels: into something, into a part of that, and into a part of the part;
- `trial_and_error`: two or more places of the same source were looked at, apart from each other;
- `backtracking`: after going into an observation, it goes back to an earlier source;
- `self_correction`: a look is repaired: the next one takes in the same place and more around it, or a turn that was
  malformed is followed by one that works, or the thought says that the look failed;
- `goal_maintenance`: from the second turn on, at least half of the thoughts name what is looked for.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from mini_o3.episode.record import Episode
from mini_o3.vision import Rect

PATTERNS = ("depth_first", "trial_and_error", "backtracking", "self_correction", "goal_maintenance")
_FAILED = re.compile(r"\b(missed|mistake|wrong (?:place|spot)|cut off|not in (?:this|the) view|let me retry)\b", re.I)
_QUESTION = """what which where who how is are the a an of on in to at next thing does do have has it its that with colour
color shape digit number there this picture image and or"""
_EMPTY = frozenset(_QUESTION.split())  # say nothing of what is looked for
_APART = 0.25  # looks that share at most this much of the smaller one are at different places
_SAME = 0.2  # centres that are at most this share of a side apart are the same place
_DEEP = 3


class _Look(NamedTuple):
    source: int
    number: int
    rect: Rect


def patterns(episode: Episode) -> set[str]:
    """The patterns of one episode."""
    found: set[str] = set()
    looks = [
        _Look(_frame(turn.action["source"]), turn.observation, turn.rect)
        for turn in episode.turns
        if turn.observation is not None and turn.rect is not None
    ]
    depths = {0: 0}
    for look in looks:
        depths[look.number] = depths.get(look.source, 0) + 1
    if max(depths.values()) >= _DEEP:
        found.add("depth_first")
    if any(
        one.source == other.source and _shared(one.rect, other.rect) <= _APART
        for index, one in enumerate(looks)
        for other in looks[index + 1 :]
    ):
        found.add("trial_and_error")
    deepest = 0
    for look in looks:
        if look.source < deepest:
            found.add("backtracking")
        deepest = max(deepest, look.source)
    if _repaired(episode, looks):
        found.add("self_correction")
    words = {word for word in re.findall(r"\w+", episode.question.lower()) if word not in _EMPTY}
    later_thoughts = [turn.thought.lower() for turn in episode.turns[1:] if turn.thought]
    naming = [thought for thought in later_thoughts if words & set(re.findall(r"\w+", thought))]
    if words and later_thoughts and 2 * len(naming) >= len(later_thoughts):
        found.add("goal_maintenance")
    return found


def shares(episodes: Iterable[Episode]) -> dict[str, float]:
    """Share of the episodes that show each pattern, and the mean number of patterns per episode (`diversity`)."""
    counts: Counter[str] = Counter()
    total = 0
    for episode in episodes:
        counts.update(patterns(episode))
        total += 1
    out = {name: round(counts[name] / max(total, 1), 4) for name in PATTERNS}
    return {**out, "diversity": round(sum(counts.values()) / max(total, 1), 4)}


def _repaired(episode: Episode, looks: list[_Look]) -> bool:
    wider = any(
        _area(later.rect) > _area(earlier.rect) and _around(later.rect, earlier.rect)
        for earlier, later in itertools.pairwise(looks)
    )
    mended = any(
        earlier.malformed is not None and later.malformed is None
        for earlier, later in zip(episode.turns, episode.turns[1:], strict=False)
    )
    return wider or mended or any(_FAILED.search(turn.thought) for turn in episode.turns)


def _shared(one: Rect, other: Rect) -> float:
    """Share of the smaller rectangle that lies in the other."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    return max(width, 0) * max(height, 0) / min(_area(one), _area(other))


def _around(wide: Rect, narrow: Rect) -> bool:
    """Whether a look is at the same place as a narrower one."""
    across = abs(wide.left + wide.right - narrow.left - narrow.right) / 2 / wide.width
    down = abs(wide.top + wide.bottom - narrow.top - narrow.bottom) / 2 / wide.height
    return max(across, down) <= _SAME


def _area(rect: Rect) -> int:
    return rect.width * rect.height


def _frame(source: str) -> int:
    return 0 if source == "original_image" else int(source.rpartition("_")[2])

"""Which ways of reasoning an episode shows, judged from where it zoomed and, for two of them, from its words.

The paper shows five in pictures (arXiv 2509.07969, section on diverse reasoning patterns). It names them and
gives no rule; the rules here are ours:

- `depth_first`: it goes three levels deep: into something, into a part of that, and into a part of the part,
  whichever views they are cut from;
- `trial_and_error`: two or more places of the same source were seen, apart from each other. A question that
  compares two places gives the same; from places alone the two cannot be told apart;
- `backtracking`: after zooming into an observation, it goes back to an earlier source;
- `self_correction`: it repairs something: the next observation covers the same place and more around it, or a
  malformed turn is followed by one that works, or a thought says that a zoom failed;
- `goal_maintenance`: from the second turn on, at least half of the thoughts name what is looked for: two
  meaningful words of the question, or the only one that it has.

The rules on places hold for any policy. The words for the last two are English, and those for
`self_correction` are a list of ours.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from mini_o3.episode.record import Episode
from mini_o3.protocol import Zoom
from mini_o3.vision import Rect

PATTERNS = ("depth_first", "trial_and_error", "backtracking", "self_correction", "goal_maintenance")
_FAILED = re.compile(
    r"\b(missed|mistaken?|wrong (?:place|spot|area|region|part|one|object)|cut off|not in (?:this|the)"
    r" (?:view|crop|region)"
    r"|(?:that|this) is(?: not|n't) (?:it|the one)|let me (?:retry|try again)|re-?check|zoomed in(?:to)? too"
    r" (?:far|much))\b",
    re.I,
)
_DENIED = re.compile(r"\b(?:no|not|nothing|never|without|isn't|wasn't|haven't)\b[^.;,]{0,20}$", re.I)
_QUESTION = """what which who whom whose where when how many much is are was were be been am the a an of on in
into to at by from for next thing does do did have has had it its that these those with without colour color
shape digit number there here this picture image photo and or not no yes you i we he she they me my your his
her their them can could will would should may might must see seen look find tell say please answer question
one as if than then so out up down over under about behind between"""
_EMPTY = frozenset(_QUESTION.split())  # words that do not tell what is looked for
_APART = 0.25  # rectangles that share at most this much of the smaller one are at different places
_SAME = 0.2  # centres that are at most this share of a side apart are at the same place
_DEEP = 3  # levels
_INSIDE = 0.9  # a part of a rectangle: at least so much of it lies inside,
_SMALLER = 0.8  # and its area is at most so large a share


class _Seen(NamedTuple):
    """One observation: the frame it was cut from, and what it covers."""

    source: int
    rect: Rect


def patterns(episode: Episode) -> set[str]:
    """The patterns of one episode."""
    found: set[str] = set()
    seen = [
        _Seen(turn.action.region.frame, turn.rect)
        for turn in episode.turns
        if isinstance(turn.action, Zoom) and turn.rect is not None
    ]
    if _depth(seen, episode.first) >= _DEEP:
        found.add("depth_first")
    if any(
        one.source == other.source and _shared(one.rect, other.rect) <= _APART
        for index, one in enumerate(seen)
        for other in seen[index + 1 :]
    ):
        found.add("trial_and_error")
    deepest = 0
    for one in seen:
        if one.source < deepest:
            found.add("backtracking")
        deepest = max(deepest, one.source)
    if _repaired(episode, seen):
        found.add("self_correction")
    asked = episode.question.lower().partition("\n")[0]  # the options follow on lines of their own
    words = {word for word in re.findall(r"\w+", asked) if word not in _EMPTY}
    later_thoughts = [turn.thought.lower() for turn in episode.turns[1:] if turn.thought]
    naming = [t for t in later_thoughts if len(words & set(re.findall(r"\w+", t))) >= min(2, len(words))]
    if words and later_thoughts and 2 * len(naming) >= len(later_thoughts):
        found.add("goal_maintenance")
    return found


def shares(episodes: Iterable[Episode]) -> dict[str, float]:
    """Share of the episodes that show each pattern, and the mean number of them per episode, `diversity`."""
    counts: Counter[str] = Counter()
    total = 0
    for episode in episodes:
        counts.update(patterns(episode))
        total += 1
    out = {name: round(counts[name] / max(total, 1), 4) for name in PATTERNS}
    return {**out, "diversity": round(sum(counts.values()) / max(total, 1), 4)}


def _depth(seen: list[_Seen], first: Iterable[Rect]) -> int:
    """Length of the longest chain of observations each of which is a part of the one before."""
    levels = [(rect, 0) for rect in first]
    for one in seen:
        above = [level for rect, level in levels if _is_part(one.rect, rect)]
        if above:  # otherwise it is about as large as the picture
            levels.append((one.rect, max(above) + 1))
    return max(level for _, level in levels)


def _is_part(small: Rect, large: Rect) -> bool:
    return _area(small) <= _SMALLER * _area(large) and _shared(small, large) >= _INSIDE


def _repaired(episode: Episode, seen: list[_Seen]) -> bool:
    wider = any(
        _area(later.rect) > _area(earlier.rect) and _around(later.rect, earlier.rect)
        for earlier, later in itertools.pairwise(seen)
    )
    mended = any(
        earlier.malformed is not None and later.malformed is None
        for earlier, later in zip(episode.turns, episode.turns[1:], strict=False)
    )
    return wider or mended or any(_admits_failure(turn.thought) for turn in episode.turns)


def _admits_failure(thought: str) -> bool:
    """Whether it admits that a zoom failed; `nothing is cut off and I missed nothing` does not."""
    return any(
        not _DENIED.search(thought[: found.start()])
        and not thought[found.end() :].lstrip().lower().startswith("nothing")
        for found in _FAILED.finditer(thought)
    )


def _shared(one: Rect, other: Rect) -> float:
    """Share of the smaller rectangle that lies in the other."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    return max(width, 0) * max(height, 0) / min(_area(one), _area(other))


def _around(wide: Rect, narrow: Rect) -> bool:
    """Whether a rectangle is at the same place as a narrower one, and contains it."""
    across = abs(wide.left + wide.right - narrow.left - narrow.right) / 2 / wide.width
    down = abs(wide.top + wide.bottom - narrow.top - narrow.bottom) / 2 / wide.height
    return max(across, down) <= _SAME and _shared(wide, narrow) >= _INSIDE


def _area(rect: Rect) -> int:
    return rect.width * rect.height

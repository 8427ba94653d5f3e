"""Drafts of the next tokens, looked up in what all sequences have written so far.

Checked in one pass, they save many: a policy that searches repeats its goal, its format and places it goes
back to. A draft costs a lookup, not a model (prompt lookup decoding). It never changes which tokens are
sampled.
"""

from __future__ import annotations

from collections.abc import Sequence

_ORDERS = (8, 4, 2, 1)  # lengths of the contexts that are looked up; the longest known one counts
_MOST_KNOWN = 400_000  # contexts; beyond that all are forgotten, and learnt again within some hundred turns
_LEAST_LIKELY = 0.6  # a draft ends where it is less likely than this to be right so far


class NgramDrafter:
    """Which token most often followed which tokens, and how often."""

    def __init__(self, most: int = 5) -> None:
        """Drafts have at most `most` tokens; 0: there are none."""
        self.most = most
        self.known: dict[tuple[int, ...], list[int]] = {}  # context: leading token, its lead, times seen

    def observe(self, written: Sequence[int]) -> None:
        """Count the tokens of a whole turn."""
        if not self.most:
            return
        if len(self.known) > _MOST_KNOWN:
            self.known.clear()
        for at in range(1, len(written)):
            for order in (order for order in _ORDERS if order <= at):
                context = tuple(written[at - order : at])
                entry = self.known.get(context)
                if entry is None:
                    self.known[context] = [written[at], 1, 1]
                    continue
                entry[2] += 1
                if entry[0] == written[at]:
                    entry[1] += 1
                elif entry[1] == 1:
                    entry[0] = written[at]
                else:
                    entry[1] -= 1

    def propose(self, written: Sequence[int], room: int) -> list[int]:
        """At most `room` tokens that may come after what a turn has `written` so far."""
        context = list(written[-_ORDERS[0] :])
        draft: list[int] = []
        likely = 1.0
        while len(draft) < min(self.most, room):
            entry = next(
                (e for o in _ORDERS if o <= len(context) and (e := self.known.get(tuple(context[-o:])))), None
            )
            if entry is None:
                break
            likely *= entry[1] / entry[2]
            if likely < _LEAST_LIKELY:
                break
            draft.append(entry[0])
            context.append(entry[0])
        return draft

"""Drafts of what a conversation will say next, from what all of them have said: checked in one pass, they
save many.

A policy that searches repeats itself: its goal, its format, the places it goes back to. A draft costs a
lookup, not a model (prompt lookup decoding), and whatever it says, the tokens drawn are those that would have
been drawn without it.
"""

from __future__ import annotations

from collections.abc import Sequence

_ORDERS = (8, 4, 2, 1)  # tokens of context that are looked up, the longest known first
_MOST_KNOWN = 400_000  # contexts; beyond that all is forgotten, and learnt again within some hundred turns
_SURE = 0.6  # a draft ends where it is less likely than this to be right so far


class Drafts:
    """What followed which tokens, by majority, and how sure that is."""

    def __init__(self, most: int = 5) -> None:
        """`most` tokens at a time; 0: no drafts."""
        self.most = most
        self.known: dict[tuple[int, ...], list[int]] = {}  # context: token that leads, its lead, times seen

    def learn(self, said: Sequence[int]) -> None:
        """Take in a whole turn."""
        if not self.most:
            return
        if len(self.known) > _MOST_KNOWN:
            self.known.clear()
        for at in range(1, len(said)):
            for order in (order for order in _ORDERS if order <= at):
                context = tuple(said[at - order : at])
                entry = self.known.get(context)
                if entry is None:
                    self.known[context] = [said[at], 1, 1]
                    continue
                entry[2] += 1
                if entry[0] == said[at]:
                    entry[1] += 1
                elif entry[1] == 1:
                    entry[0] = said[at]
                else:
                    entry[1] -= 1

    def guess(self, said: Sequence[int], room: int) -> list[int]:
        """At most `room` tokens that may come after what a turn has `said` so far."""
        context = list(said[-_ORDERS[0] :])
        draft: list[int] = []
        sure = 1.0
        while len(draft) < min(self.most, room):
            entry = next(
                (e for o in _ORDERS if o <= len(context) and (e := self.known.get(tuple(context[-o:])))), None
            )
            if entry is None:
                break
            sure *= entry[1] / entry[2]
            if sure < _SURE:
                break
            draft.append(entry[0])
            context.append(entry[0])
        return draft

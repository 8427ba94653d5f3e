"""An episode as lines of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mini_o3.episode import OVER_TURN, Episode, Status, StopReason, Turn
from mini_o3.kit.printable import one_line, printable
from mini_o3.kit.secrets import conceal
from mini_o3.kit.usage import Price, Usage
from mini_o3.protocol import Answer, Fault, Malformed, Zoom, source_name
from mini_o3.show.result import moment_of
from mini_o3.vision import Rect

Say = Callable[[str], None]
_LINE = 80  # characters of an answer that is named beside others


class Typing:
    """Shows what a model writes while it writes, indented below the turn's number.

    A word is shown when it is over, so that no secret goes out in pieces.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write, self._held, self._wrote = write, "", False

    def __call__(self, piece: str) -> None:
        text = self._held + piece
        end = max(text.rfind(" "), text.rfind("\n")) + 1
        self._held = text[end:]
        self._show(text[:end])

    def end(self) -> bool:
        """The turn is over; whether anything was shown of it."""
        self._show(self._held)
        wrote, self._held, self._wrote = self._wrote, "", False
        if wrote:
            self.write("\n")
        return wrote

    def _show(self, text: str) -> None:
        if text:
            start = "" if self._wrote else "  "
            self.write(start + printable(conceal(text)).replace("\n", "\n  "))
            self._wrote = True


def turn_lines(
    number: int, turn: Turn, price: Price | None = None, *, is_shown: bool = False, pictures: int = 1
) -> list[str]:
    """One turn; the first has number 1. `is_shown`: its words were there while they were written. The episode
    began with so many `pictures`."""
    lines, action = [] if is_shown else [f"turn {number}"], turn.action
    if turn.thought and not is_shown:
        lines.append("  think  " + turn.thought.replace("\n", "\n         "))
    if isinstance(action, Zoom):
        box = ", ".join(f"{value:.2f}" for value in action.region.xyxy)
        lines.append(f"  zoom   [{box}] of {source_name(action.region.frame, pictures)}")
    elif isinstance(action, Answer):
        lines.append(f"  answer {one_line(action.text)}")
        if action.region is not None:
            box = ", ".join(f"{value:.2f}" for value in action.region.xyxy)
            lines.append(f"  seen   [{box}] of {source_name(action.region.frame, pictures)}")
    else:
        lines.append(f"  error  {action.kind.value}: {action.detail}")
    if turn.rect is not None and turn.shown is not None:
        lines.append(
            f"  sees   observation_{turn.observation}: {turn.rect.width} x {turn.rect.height} px of the"
            f" original, shown as {turn.shown[0]} x {turn.shown[1]}"
        )
    if turn.usage.is_known:
        money = f", cost {price.of(turn.usage):.4f}" if price else ""
        lines.append(f"  used   {usage_words(turn.usage)}{money}")
    return lines


def verdict_lines(episode: Episode) -> list[str]:
    """How an episode ended: the answer and its evidence in pixels of the original, or why there is none."""
    lines = []
    evidence = episode.evidence
    if episode.stop is StopReason.ANSWERED and evidence is not None:
        rect = evidence.to_rect(Rect(0, 0, *episode.size))
        words = _STATUS_WORDS.get(episode.status)
        lines.append(f"answer    {one_line(episode.answer or '')}" + (f"  ({words})" if words else ""))
        found, size, which = episode.evidence_in, episode.size, ""
        if episode.placed and found is not None:
            rect, size = found.rect, found.size
            which = f" of {source_name(found.number - 1, len(episode.placed))} ({found.picture})"
        lines.append(
            f"evidence  x {rect.left}..{rect.right}, y {rect.top}..{rect.bottom} of {size[0]} x"
            f" {size[1]} px{which}"
            + ("  (named in the answer)" if episode.evidence_source == "answer" else "")
        )
        if moment := moment_of(episode, rect):
            lines.append(f"moment    {_moment(moment)}")
    elif episode.stop is StopReason.TURN_LIMIT and episode.turns and all(map(_is_cut_off, episode.turns)):
        lines.append(f"no answer: {_CUT_OFF}")
    elif episode.is_over_turn:
        lines.append(f"no answer: {_OVER_TURN_WORDS[episode.stop]}")
    elif episode.stop is StopReason.VOID:
        lines += _void_lines(episode)
    else:
        lines.append(f"no answer: {one_line(episode.error or episode.stop.value)}")
    if episode.usage.is_known:
        lines.append(f"usage     {usage_words(episode.usage)}")
    if "votes" in episode.meta:
        lines.append(f"votes     {_votes(episode.meta)}")
    return lines


def _moment(moment: dict[str, Any]) -> str:
    """`12.5 s, x 10..20, y 30..40 of the frame`, or `from 10 to 20 s`."""
    if isinstance(moment["time"], list):
        return "from {:g} to {:g} s".format(*moment["time"])
    left, top, right, bottom = moment["box"]
    return f"{moment['time']:g} s, x {left}..{right}, y {top}..{bottom} of the frame"


def usage_words(usage: Usage) -> str:
    """Tokens in words: read, from the cache if any, written."""
    cached = f" ({usage.cached:,} of them cached)" if usage.cached else ""
    return f"{usage.prompt:,} tokens read{cached}, {usage.completion:,} written"


def _void_lines(episode: Episode) -> list[str]:
    """What a policy wrote that acted in no turn, and what may help."""
    last = episode.turns[-1] if episode.turns else None
    if last and _is_cut_off(last):
        what, hint = _CUT_OFF, ""
    else:
        what = "the policy kept writing neither a zoom nor an answer"
        hint = "try       a model that has no tool: --dialect direct; `mini-o3 doctor` says what it can"
    wrote = [f"wrote     {_short(last.text) or 'nothing at all'}"] if last else []
    return [f"no answer: {what}", *wrote, *([hint] if hint and last else [])]


def _is_cut_off(turn: Turn) -> bool:
    return isinstance(turn.action, Malformed) and turn.action.kind is Fault.UNFINISHED


def search_line(episode: Episode) -> str:
    """One of several searches in a few words."""
    ending = verdict_lines(episode)[0] if episode.answer is None else _short(episode.answer)
    return f"{ending} ({episode.num_turns} turn{'' if episode.num_turns == 1 else 's'})"


def _votes(meta: dict[str, Any]) -> str:
    """`meta` as `asking.elect` leaves it."""
    votes, ended, failed = meta["votes"], meta["ended"], meta["failed"]
    counts = [(_short(answer), count) for answer, count in votes.items()]
    counts += [("no answer", ended - failed - sum(votes.values())), ("failed", failed)]
    wanted = "" if ended == meta["samples"] else f" ({meta['samples']} were asked for)"
    return f"of {ended} searches{wanted}: " + ", ".join(f"{what}: {count}" for what, count in counts if count)


def _short(answer: str) -> str:
    """An answer on one line."""
    line = " ".join(answer.split())
    return line if len(line) <= _LINE else f"{line[:_LINE]}..."


_CUT_OFF = "its turns were cut off at the limit of their length; allow longer ones (--turn-tokens)"
_STATUS_WORDS = {
    Status.NOT_FOUND: "not found: the policy says that it is not there",
    Status.GAVE_UP: "given up: the policy says that it cannot tell",
}
_OVER_TURN_WORDS = {
    StopReason.TURN_LIMIT: "the turns ran out; allow more of them",
    StopReason.IMAGE_LIMIT: "no more views were allowed",
    StopReason.CONTEXT_LIMIT: "the policy's context is full",
}
assert set(_OVER_TURN_WORDS) == OVER_TURN

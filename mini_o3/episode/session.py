"""The environment as a pure state machine: actions in, outcomes out, no pixels, no models, no clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mini_o3.episode.limits import Limits, StopReason
from mini_o3.protocol import VOID_FAULTS, Action, Answer, Fault, Malformed, Zoom, source_name
from mini_o3.vision import MAX_ASPECT, Rect


@dataclass(frozen=True, slots=True)
class Observed:
    """A zoom was carried out: observation `number` covers `rect` of the original."""

    number: int
    rect: Rect
    source: int


@dataclass(frozen=True, slots=True)
class Corrected:
    """A turn failed; the policy is told why and may go on."""

    malformed: Malformed


@dataclass(frozen=True, slots=True)
class Stopped:
    """The episode is over. `malformed` is the last turn's fault, if it had one."""

    reason: StopReason
    malformed: Malformed | None = None


Outcome = Observed | Corrected | Stopped


class Session:
    """One episode's state.

    `rects[i]` is what frame i covers, in pixels of the upright original: frame 0 is the whole picture, frame
    i >= 1 is observation i. With several `pictures` these are the first frames, and observations follow. The
    number of an observation is its place in this list, so that after errors too the number that the policy is
    told is the one that it can use. (In the released code the label counts turns and the list counts
    successful zooms.)
    """

    def __init__(
        self,
        size: tuple[int, int],
        limits: Limits,
        view_tokens: Callable[[Rect], int] | None = None,
        first: Sequence[Rect] = (),
    ) -> None:
        """`view_tokens` returns how many tokens a view of a rectangle has; by default none. `first` are the
        pictures that it begins with, if they are several on one canvas of this size."""
        self.limits = limits
        self.rects = list(first) or [Rect(0, 0, *size)]
        self.pictures = len(self.rects)
        self.turns = 0
        self.voids = 0
        self.stop: StopReason | None = None
        self.answer: str | None = None
        self._view_tokens = view_tokens or (lambda rect: 0)

    def apply(self, action: Action, context_tokens: int = 0) -> Outcome:
        """Carry out one policy turn; `context_tokens` is the length of the policy's context after it.

        Raises:
            RuntimeError: the episode is over.
        """
        self._check_open()
        self.turns += 1
        outcome = self._outcome(action, context_tokens)
        if isinstance(outcome, Stopped):
            self.stop = outcome.reason
        elif isinstance(outcome, Observed):
            self.rects.append(outcome.rect)
        return outcome

    def stop_for(self, reason: StopReason) -> None:
        """End the episode for a reason that no action gives: the policy failed, or somebody interrupted it.

        Raises:
            RuntimeError: the episode is over.
        """
        self._check_open()
        self.stop = reason

    def _check_open(self) -> None:
        if self.stop is not None:
            raise RuntimeError(f"the episode is over ({self.stop})")

    def _outcome(self, action: Action, context_tokens: int) -> Outcome:
        if isinstance(action, Answer):
            self.answer = action.text
            return Stopped(StopReason.ANSWERED)
        aimed = self._aim(action) if isinstance(action, Zoom) else action
        malformed = aimed if isinstance(aimed, Malformed) else None
        if malformed and malformed.kind in VOID_FAULTS:
            self.voids += 1
            if self.voids > self.limits.void_retries:
                return Stopped(StopReason.VOID, malformed)
        if self.turns >= self.limits.turns:
            return Stopped(StopReason.TURN_LIMIT, malformed)
        room = self.limits.context_tokens
        if isinstance(aimed, Malformed):
            full = room is not None and context_tokens >= room
            return Stopped(StopReason.CONTEXT_LIMIT, aimed) if full else Corrected(aimed)
        if self.limits.images is not None and len(self.rects) >= self.limits.images:
            return Stopped(StopReason.IMAGE_LIMIT)
        if room is not None and context_tokens + self._view_tokens(aimed) > room:
            return Stopped(StopReason.CONTEXT_LIMIT)
        assert isinstance(action, Zoom)
        return Observed(len(self.rects) - self.pictures + 1, aimed, action.region.frame)

    def _aim(self, zoom: Zoom) -> Rect | Malformed:
        frame = zoom.region.frame
        if frame >= len(self.rects):
            known = ", ".join(source_name(i, self.pictures) for i in range(len(self.rects))[-8:])
            detail = f"There is no {source_name(frame, self.pictures)}; the last sources are {known}."
            return Malformed(Fault.UNKNOWN_SOURCE, detail, zoom.thought)
        rect = zoom.region.to_rect(self.rects[frame])
        if max(rect.width, rect.height) >= MAX_ASPECT * min(rect.width, rect.height):
            sides = f"{rect.width} x {rect.height}"
            detail = f"The box is {sides} pixels, too thin to show; make it wider or higher."
            return Malformed(Fault.TOO_THIN, detail, zoom.thought)
        return rect

"""The reader as a policy: what it sees, where it looks next, when it answers."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from PIL import Image

from mini_o3.episode import Message, Reply, Request
from mini_o3.episode.hints import hints_in
from mini_o3.episode.status import NOT_THERE
from mini_o3.policies.reader.answers import Found, find, named
from mini_o3.policies.reader.ocr import Box, Line, Ocr
from mini_o3.policies.reader.places import Places
from mini_o3.policies.reader.question import Kind, Wanted, understand
from mini_o3.policies.reader.seen import Reading, Seen
from mini_o3.protocol import Answer, PromptProfile, Zoom, load_profile
from mini_o3.protocol.dialects import Frame, load_dialect
from mini_o3.vision import PixelBudget, Rect, Region

CANNOT_TELL = "I cannot tell"
PATIENCE = 28  # looks after which it says what it knows: with the last check within the usual 32 turns
_NATIVE = 0.95  # scale of a view from which on it shows all there is
_SMALL = 14.0  # height of a line in view pixels below which it may have been misread
_ENLARGED = 3.0  # scale of looks at single places: the eye enlarges small views
_CLOSE = 6  # of the looks at single places that could not be read, at most
_MARGIN = 0.6  # around the evidence, in heights of its lines
_TIGHT = 3.0  # times the evidence's area that the last look may have to stand for it


class Reader:
    """Searches pictures for text. The same picture and question give the same search, at any seed."""

    name = "reader"
    context_tokens: int | None = None

    def __init__(
        self,
        *,
        budget: PixelBudget | None = None,
        profile: PromptProfile | None = None,
        ocr: Ocr | None = None,
    ) -> None:
        """Raises: UserError: the extra `reader` is not installed."""
        self.budget, self.profile = budget or PixelBudget(), profile or load_profile("search")
        self.ocr = ocr or Ocr()
        self.weights = self.ocr.name

    def open(self, request: Request) -> ReaderConversation:
        return ReaderConversation(self, request)


class ReaderConversation:
    """One search: it reads every view it is shown, and takes the next turn from all it has read."""

    def __init__(self, reader: Reader, request: Request) -> None:
        self.reader, self.size = reader, request.size
        self.wanted: Wanted = understand(request.question)
        self.seen = Seen(request.size)
        self.places = Places(request.size, reader.budget)
        self.dialect = load_dialect(reader.profile.dialect)
        self.looks = 0 if self.dialect.name != "direct" else PATIENCE
        self.frames: list[Frame] = []
        self.next_rect = Rect(0, 0, *request.size)
        self.new: list[Reading] = []
        self.close_looks = 0
        self.found: Found | None = None
        self.hints: list[Box] | None = None
        self.is_close = self.checked = False

    async def reply(self, messages: Sequence[Message]) -> Reply:
        views = [part for message in messages for part in message.parts if isinstance(part, Image.Image)]
        if not self.frames:
            self._hear(messages)
        if views:
            lines = await asyncio.to_thread(self.reader.ocr.lines, views[-1])
            self._take_in(views[-1], lines)
        text = self.dialect.format_action(self._decide(), self.frames)
        said = self.dialect.parse(text, self.frames)
        if isinstance(said, Zoom):  # some dialects round boxes
            self.next_rect = said.region.to_rect(self.frames[said.region.frame].rect)
        return Reply(text, confidence=None if self.found is None else round(self.found.score, 4))

    def close(self) -> None: ...

    def _hear(self, messages: Sequence[Message]) -> None:
        """Take the hints of the first message in place of what looks like text."""
        for text in (part for message in messages for part in message.parts if isinstance(part, str)):
            found = hints_in(text)
            if found is not None:
                whole = Rect(0, 0, *self.size)
                rects = [region.to_rect(whole) for region in found]
                self.hints = [(float(x0), float(y0), float(x1), float(y1)) for x0, y0, x1, y1 in rects]

    def _take_in(self, view: Image.Image, lines: Sequence[Line]) -> None:
        rect = self.next_rect
        self.frames.append(Frame(rect, view.size))
        self.new = self.seen.add(view, rect, lines)
        if len(self.frames) == 1:
            if self.hints is None:
                self.places.begin(view, [reading.box for reading in self.new], self.wanted.sides)
            else:
                self.places.only(self.hints)
            if self._shown_at(rect) >= _NATIVE:
                self._look_closely()
        else:
            self.places.read(rect)

    def _shown_at(self, rect: Rect) -> float:
        """View pixels per pixel of the original when `rect` is shown."""
        width, height = self.reader.budget.fit(rect.width, rect.height)
        return math.sqrt(width * height / (rect.width * rect.height))

    def _look_closely(self) -> None:
        """From now on only at single places that could not be read."""
        self.is_close = True
        unread = [one.box for one in self.seen.readings if not one.clear or one.letters < _SMALL]
        self.places.only(unread)

    def _decide(self) -> Zoom | Answer:
        found = find(self.wanted, self.seen.readings, self.size)
        window = None
        if found is None or not found.sure:
            window = self._window()
        if window is None:
            found = find(self.wanted, self.seen.readings, self.size, complete=True)
            return self._answer(found)
        if found is not None and found.sure:
            return self._answer(found)
        self.looks += 1
        return self._zoom(window, self._plan())

    def _window(self) -> Rect | None:
        if self.looks >= PATIENCE:
            return None
        if not self.is_close:
            window = self.places.next(self._scale())
            if window is not None:
                return window
            self._look_closely()
        if self.close_looks >= _CLOSE:
            return None
        self.close_looks += 1
        return self.places.next(_ENLARGED)

    def _scale(self) -> float:
        """At which windows are shown: at native size if the looks that are left suffice for that."""
        width, height = self.size
        left = max(PATIENCE - self.looks - 2, 1) * 0.75 * self.reader.budget.max_pixels
        return min(1.0, math.sqrt(left / max(width * height * self.places.share, 1.0)))

    def _answer(self, found: Found | None) -> Zoom | Answer:
        if found is None:
            return Answer(*self._nothing())
        self.found = found
        box = self._evidence(found.box)
        last = self.frames[-1].rect
        inside = (
            last.left <= box.left
            and last.top <= box.top
            and last.right >= box.right
            and last.bottom >= box.bottom
        )
        is_tight = inside and last.width * last.height <= _TIGHT * box.width * box.height
        if found.large or is_tight or self.checked or self.dialect.name == "direct":
            region = Region.of_rect(box, self.size) if self.dialect.names_boxes else None
            return Answer(found.text, f"{found.why} That answers the question.", region)
        self.checked = True
        return self._zoom(box, f"{found.why} I look at it closely to be sure.")

    def _nothing(self) -> tuple[str, str]:
        """Answer and thought where nothing was found."""
        if self.wanted.kind is Kind.OTHER:
            return CANNOT_TELL, "I can only read text, and the question asks for something that no text says."
        if self.wanted.kind is Kind.PRESENCE and self.wanted.anchors:
            return "no", f'I have looked everywhere; "{self.wanted.anchors[0]}" is written nowhere.'
        if self.wanted.symbol or named(self.wanted, self.seen.readings):
            return CANNOT_TELL, "I have looked everywhere, and the text that I could read does not tell."
        return NOT_THERE, "I have looked everywhere and have not found it."

    def _zoom(self, rect: Rect, thought: str) -> Zoom:
        return Zoom(Region.of_rect(rect, self.size), thought)

    def _evidence(self, box: Box) -> Rect:
        """A rectangle of the original around text, with a little room."""
        margin = _MARGIN * min(box[3] - box[1], box[2] - box[0]) + 2
        width, height = self.size
        left, top = max(int(box[0] - margin), 0), max(int(box[1] - margin), 0)
        right, bottom = min(math.ceil(box[2] + margin), width), min(math.ceil(box[3] + margin), height)
        return Rect(left, top, max(right, left + 1), max(bottom, top + 1))

    def _plan(self) -> str:
        """The thought before a look: what was read, what is still missing."""
        read = [one.text for one in sorted(self.new, key=lambda one: -one.height) if one.clear][:4]
        told = (
            f"I can read {', '.join(repr(text) for text in read)}. " if read else "I can read nothing here. "
        )
        goal = (
            f"I look for {self.wanted.anchors[0]!r}"
            if self.wanted.anchors and not named(self.wanted, self.seen.readings)
            else f"I still look for the {self.wanted.kind.value} that is asked for"
        )
        if self.is_close:
            return f"{told}{goal}; here is something that I could not read."
        return f"{told}{goal}; most of what is left to read may be here."

"""A person at the terminal as the policy: the same pictures, the same rules."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from mini_o3.episode import Message, PolicyError, Reply, Request
from mini_o3.protocol import Answer, PromptProfile, Zoom, format_action, load_profile
from mini_o3.vision import PixelBudget, Region

HELP = """zoom X0 Y0 X1 Y1 [SOURCE]   look closer; fractions 0..1 of SOURCE (0: original, i: observation i)
answer TEXT                 give the answer
quit                        leave"""


@contextmanager
def plain_interrupts() -> Iterator[None]:
    """Within, Ctrl-C raises KeyboardInterrupt at once. asyncio would only mark the task and let `input` wait
    on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Human:
    """Asks a person through `ask` (prompt in, line out; EOFError: the person left) and `say` (one line
    out)."""

    name = "human"
    context_tokens: int | None = None

    def __init__(
        self,
        *,
        budget: PixelBudget | None = None,
        profile: PromptProfile | None = None,
        ask: Callable[[str], str] = input,
        say: Callable[[str], None],
        folder: Path | None = None,
    ) -> None:
        self.budget, self.profile = budget or PixelBudget(), profile or load_profile("search")
        self.ask, self.say, self.folder = ask, say, folder

    def open(self, request: Request) -> HumanConversation:
        folder = self.folder or Path(tempfile.mkdtemp(prefix="mini-o3-"))
        folder.mkdir(parents=True, exist_ok=True)
        return HumanConversation(self, folder, len(request.first) or 1)


class HumanConversation:
    def __init__(self, person: Human, folder: Path, pictures: int = 1) -> None:
        self.person, self.folder, self.pictures = person, folder, pictures
        self.views = 0
        self.begun = False

    async def reply(self, messages: Sequence[Message]) -> Reply:
        if not self.begun:
            self.person.say(HELP)
            self.begun = True
        for message in messages:
            self._show(message)
        with plain_interrupts():
            return Reply(self._read())

    def close(self) -> None: ...

    def _show(self, message: Message) -> None:
        for part in message.parts:
            if isinstance(part, Image.Image):
                path = self.folder / f"view_{self.views}.png"
                part.save(path)
                name = "the whole picture" if self.views == 0 else f"observation {self.views}"
                self.person.say(f"{name} ({part.width} x {part.height}): {path}")
                self.views += 1
            elif message.role == "user" and part.strip():
                self.person.say(part.strip())

    def _read(self) -> str:
        while True:
            try:
                line = self.person.ask("> ").strip()
            except EOFError:
                raise PolicyError("the person left") from None
            word, _, rest = line.partition(" ")
            if word in ("quit", "exit"):
                raise PolicyError("the person left")
            try:
                if word == "answer":
                    return format_action(Answer(rest.strip()))
                if word == "zoom":
                    return format_action(Zoom(self._region(rest.split())), self.pictures)
            except ValueError as error:
                self.person.say(f"{error}")
                continue
            if "<" in line:
                return line  # the protocol itself
            self.person.say(HELP)

    def _region(self, words: list[str]) -> Region:
        if len(words) not in (4, 5):
            raise ValueError("zoom takes four numbers and perhaps a source: zoom 0.1 0.2 0.3 0.4 0")
        frame = int(words[4]) if len(words) == 5 else self.views - 1
        x0, y0, x1, y1 = (float(word) for word in words[:4])
        return Region(x0, y0, x1, y1, frame)

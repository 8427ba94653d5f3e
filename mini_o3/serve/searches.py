"""Live searches: each runs on its own, and whoever watches it reads its events from the first or from where
they left off."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mini_o3.episode import Episode, EpisodeRun, Limits, Policy, SearchTask, StopReason, Turn
from mini_o3.episode.store import EpisodeStore
from mini_o3.kit.errors import SettingError, UserError
from mini_o3.kit.files import make_folder
from mini_o3.policies.load import load_policy
from mini_o3.policies.spec import PolicySpec
from mini_o3.protocol import Answer, Malformed, Zoom
from mini_o3.serve.events import Event, EventLog
from mini_o3.serve.settings import ServeSettings
from mini_o3.show.result import result_of
from mini_o3.vision import Picture, Rect, Region

Load = Callable[[PolicySpec], Policy]
Opened = Callable[[], Picture]
_REMEMBERED = 200  # ended searches whose events can still be read


class Busy(Exception):
    """So many searches wait already that another one is refused."""


class Search(EventLog):
    """One search: `start`, a `turn` each, `end` with the result.

    Attributes:
        policy: name of the policy.
        run: the episode while it goes on; None before, and after, so that its picture can be forgotten.
        episode: its record, once it is over; None also if it could not go on.
    """

    def __init__(self, policy: str, grace: float) -> None:
        super().__init__(grace)
        self.policy = policy
        self.run: EpisodeRun | None = None
        self.episode: Episode | None = None
        self._step: asyncio.Task[Turn | None] | None = None
        self._taken: Zoom | Answer | None = None
        self._stop: str | None = None

    async def play(self, run: EpisodeRun) -> Episode:
        """Run it to its end, or until it is stopped; every turn becomes an event."""
        self.run = run
        await self.tell({"type": "start", "id": self.id, "size": list(run.picture.size)})
        try:
            while run.session.stop is None and self._stop is None:
                turn = await self._next_turn(run)
                if turn is not None:
                    await self.tell(turn_event(len(run.turns), turn, run.taken_over))
        finally:
            self.run = None
            run.close()
        is_cut = run.session.stop is None
        episode = run.finish(StopReason.INTERRUPTED, self._stop) if is_cut else run.finish()
        self.episode, self.is_over = episode, True
        await self.tell({"type": "end", "result": result_of(episode)})
        return episode

    async def fail(self, reason: str) -> None:
        """End it with an event that says why it could not go on."""
        self.is_over = True
        await self.tell({"type": "end", "result": {"status": "failed", "error": reason}})

    def stop(self, reason: str = "stopped by the user") -> None:
        """End it before its next turn; what was seen stays in its record."""
        if self._stop is None:
            self._stop = reason
            self._interrupt()

    def take_over(self, box: list[float] | None, answer: str | None) -> None:
        """Let a person's action stand in place of the turn that the policy is about to take.

        Raises:
            UserError: it has not begun or is over, or `person_action` refuses.
        """
        if self.run is None:
            raise UserError("the search does not go on now; wait until it has begun, or ask again")
        self._taken = person_action(self.run, box, answer)
        self._interrupt()

    async def _next_turn(self, run: EpisodeRun) -> Turn | None:
        if self._taken is None:
            self._step = asyncio.ensure_future(run.step())
            try:
                return await self._step
            except asyncio.CancelledError:
                if self._taken is None and self._stop is None:
                    raise
            finally:
                self._step = None
        if self._taken is not None and self._stop is None:
            action, self._taken = self._taken, None
            return run.take_over(action)
        return None

    def _interrupt(self) -> None:
        if self._step is not None:
            self._step.cancel()


class Searches:
    """All searches of a server: policies are loaded once, so many searches run together, others wait."""

    def __init__(self, settings: ServeSettings, load: Load = load_policy) -> None:
        self.settings, self.load = settings, load
        self.searches: OrderedDict[str, Search] = OrderedDict()
        make_folder(settings.data)
        self.store = EpisodeStore(settings.data)
        self._policies: dict[str, Policy] = {}
        self._loading = asyncio.Lock()
        self._places = asyncio.Semaphore(settings.most_searches)
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def policy(self, name: str | None) -> Policy:
        """The policy of that name, loaded when it is first asked for; None: the default.

        Raises:
            UserError: the server was not started with it, or it cannot be loaded.
        """
        name = name or self.settings.policies[0]
        if name not in self.settings.policies:
            known = ", ".join(self.settings.policies)
            raise SettingError("policy", f"is not offered here; choose one of {known}", name)
        async with self._loading:
            if name not in self._policies:
                spec = PolicySpec(name, concurrency=self.settings.most_searches)
                self._policies[name] = await asyncio.to_thread(self.load, spec)
        return self._policies[name]

    async def begin(
        self, path: Path, opened: Opened, question: str, policy: str | None, turns: int, seed: int = 0
    ) -> Search:
        """Start a search of the picture in the file `path`, or let it wait for its turn.

        Args:
            opened: gives the upright picture; called in a thread when the search begins, so that what waits
                holds no pixels.

        Raises:
            UserError: no such policy, or the question or the turn limit cannot be used.
            Busy: too many wait.
        """
        if not question.strip() or len(question) > 4000:
            raise SettingError("question", "must have 1 to 4,000 characters")
        if not 1 <= turns <= self.settings.turns:
            raise SettingError("turns", f"must be 1 to {self.settings.turns}", turns)
        if self._waiting >= self.settings.most_waiting:
            raise Busy
        chosen = await self.policy(policy)
        task = SearchTask(str(path), question)
        search = Search(chosen.name, self.settings.grace)

        def run() -> EpisodeRun:
            return EpisodeRun(task, chosen, Limits(turns=turns), picture=opened(), seed=seed)

        self.searches[search.id] = search
        while len(self.searches) > _REMEMBERED:
            oldest = next((key for key, one in self.searches.items() if one.is_over), None)
            if oldest is None:
                break
            del self.searches[oldest]
        task_ = asyncio.create_task(self._play(search, run))
        self._tasks.add(task_)
        task_.add_done_callback(self._tasks.discard)
        return search

    async def close(self) -> None:
        """Stop all searches; what they saw is recorded."""
        for search in self.searches.values():
            search.stop("the server was shut down")
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _play(self, search: Search, begin: Callable[[], EpisodeRun]) -> None:
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            episode = await search.play(await asyncio.to_thread(begin))
            meta = {**episode.meta, "served": search.id}
            self.store.append(replace(episode, meta=meta), tokens=False)
        except UserError as error:
            await search.fail(str(error))
        except Exception as error:  # a fault of ours must reach whoever watches, and the log
            await search.fail(f"{type(error).__name__}: {error}")
            raise
        finally:
            self._places.release()


def turn_event(number: int, turn: Turn, taken_over: list[int]) -> Event:
    """A turn for the page; boxes are [left, top, right, bottom] in pixels of the original."""
    event: Event = {"type": "turn", "n": number, "thought": turn.thought, "text": turn.text}
    action = turn.action
    if isinstance(action, Malformed):
        event |= {"action": "malformed", "fault": action.kind.value, "detail": action.detail}
    elif isinstance(action, Answer):
        event |= {"action": "answer", "answer": action.text}
    else:
        event |= {"action": "zoom", "of": action.region.frame, "region": list(action.region.xyxy)}
    if turn.rect is not None:
        event |= {"box": list(turn.rect), "observation": turn.observation}
    if turn.usage.is_known:
        event["usage"] = turn.usage.to_dict()
    return event | {"seconds": round(turn.seconds, 3), "person": number in taken_over}


def person_action(run: EpisodeRun, box: list[float] | None, answer: str | None) -> Zoom | Answer:
    """What a person wants done in place of the policy.

    Args:
        box: [left, top, right, bottom] in pixels of the original, to look at; or
        answer: the answer to give.

    Raises:
        UserError: neither can be used, or the policy's dialect cannot say it.
    """
    thought = "A person takes over."
    try:
        if answer is not None:
            action: Zoom | Answer = Answer(answer, thought)
        else:
            action = Zoom(Region.of_rect(_inside(box, run.picture.size), run.picture.size), thought)
        run.dialect.format_action(action, run.frames)
    except ValueError as error:
        raise UserError(f"that cannot be done: {error}") from None
    return action


def _inside(box: list[float] | None, size: tuple[int, int]) -> Rect:
    if box is None or len(box) != 4 or not all(abs(value) < 1e9 for value in box):
        raise SettingError("box", "must be [left, top, right, bottom] in pixels of the picture")
    left, top, right, bottom = (round(value) for value in box)
    width, height = size
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if right <= left or bottom <= top:
        raise SettingError("box", "has no area inside the picture")
    return Rect(left, top, right, bottom)

"""Continuous batching over turns: every conversation is at a turn of its own, and all that speak decode together.

A conversation (`Stream`) owns one cache slot from its first turn to its close, so what was once read is never read again.
Conversations that begin alike (a group of rollouts on one question) read the beginning once. Each step of the loop
takes in what is new, encodes its views in one batch, reads at most `prefill_tokens` of prompts, so that nobody who
speaks waits for a long prompt, and draws one token for everyone who speaks.

Positions are always passed explicitly: transformers keeps the rotary offset of the last conversation as state on the
model, so implicit positions are wrong as soon as two conversations alternate.
"""

from __future__ import annotations

import asyncio
import queue
import random
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from PIL import Image

from mini_o3.models.engine.slots import SlotCache
from mini_o3.models.render import Rendered, positions
from mini_o3.models.sampling import Sampled, Sampling, draw
from mini_o3.models.tower import encode_views
from mini_o3.models.vlm import Vlm

_VIEWS_KEPT = 1024  # encoded views that may be asked for again
_PATCHES_AT_ONCE = 16_384  # in one pass of the vision tower, unless one view has more
_IDLE_SECONDS = 0.05  # after which the thread ends; the next turn starts another, and the program need not stop one


@dataclass(slots=True, eq=False)
class Stream:
    """One conversation: its slot, where its positions go on, and the token drawn last, which is not in the cache yet."""

    slot: int
    random: random.Random
    position: int = 0
    pending: list[int] = field(default_factory=list)
    tokens: int = 0  # length of the context, the pending token included


@dataclass(slots=True, eq=False)
class _Turn:
    """One turn: what is still to be read, what was drawn so far, and who waits for it."""

    stream: Stream
    prompt: Rendered
    sampling: Sampling
    future: asyncio.Future[Sampled]
    ids: list[int] = field(default_factory=list)
    embedded: torch.Tensor | None = None  # (tokens to be read, width)
    places: torch.Tensor | None = None  # (3, tokens to be read)
    read: int = 0
    begins: bytes = b""  # at the beginning of a conversation: what it begins with
    like: list[_Turn] = field(default_factory=list)  # turns that begin just so, and wait for this one
    drawn: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    cancelled: bool = False

    @property
    def unread(self) -> int:
        return len(self.ids) - self.read


@dataclass(frozen=True, slots=True)
class _Beginning:
    """A slot that holds a whole opening, and the logits of what comes next."""

    slot: int
    length: int
    logits: torch.Tensor


class Engine:
    """Decodes up to `slots` conversations of one model at the same time, in a thread of its own.

    For one event loop at a time. Greedy output is that of a single conversation decoded by itself, up to the rounding of
    matrix products of another shape.
    """

    def __init__(self, vlm: Vlm, slots: int = 64, prefill_tokens: int = 1024) -> None:
        self.vlm, self.prefill_tokens = vlm, prefill_tokens
        self.language = vlm.model.model.language_model
        self.dtype = next(self.language.parameters()).dtype
        self.cache = SlotCache(vlm.model.config.text_config, slots, self.dtype, vlm.device)
        self.free = list(range(slots))
        self.queue: list[asyncio.Future[None]] = []  # those who wait for a slot
        self.inbox: queue.SimpleQueue[_Turn | Stream] = queue.SimpleQueue()  # a stream: it is closed
        self.reading: list[_Turn] = []
        self.speaking: dict[int, _Turn] = {}  # by slot
        self.beginnings: dict[bytes, _Beginning] = {}
        self.views: OrderedDict[bytes, torch.Tensor] = OrderedDict()
        self.thread: threading.Thread | None = None
        self.lock = threading.Lock()

    # --- on the event loop ---

    async def open(self, seed: int = 0) -> Stream:
        """A new conversation, as soon as a slot is free."""
        while not self.free:
            future = asyncio.get_running_loop().create_future()
            self.queue.append(future)
            await future
        return Stream(self.free.pop(0), random.Random(seed))

    async def reply(self, stream: Stream, prompt: Rendered, sampling: Sampling) -> Sampled:
        """Read `prompt` into the conversation, then speak one turn."""
        turn = _Turn(stream, prompt, sampling, asyncio.get_running_loop().create_future())
        self._send(turn)
        try:
            return await turn.future
        except asyncio.CancelledError:
            turn.cancelled = True
            raise

    def close(self, stream: Stream) -> None:
        """Give the slot to whoever waits. What is sent later is worked on later, so it may be used again at once."""
        self._send(stream)
        self.free.append(stream.slot)
        while self.queue:
            future = self.queue.pop(0)
            if not future.done():
                future.set_result(None)
                break

    def _send(self, item: _Turn | Stream) -> None:
        self.inbox.put(item)
        with self.lock:
            if self.thread is None:
                self.thread = threading.Thread(target=self._run, name="mini-o3-engine")
                self.thread.start()

    # --- in the thread ---

    def _run(self) -> None:
        try:
            while self._take_in():
                with torch.inference_mode():
                    self._read()
                    self._speak()
        except BaseException as error:
            with self.lock:
                self.thread = None
            for turn in [*self.reading, *(t for r in self.reading for t in r.like), *self.speaking.values()]:
                _settle(turn.future, error)
            self.reading, self.speaking = [], {}
            if not isinstance(error, Exception):
                raise

    def _take_in(self) -> bool:
        """Everything that was sent; waits if there is nothing to do. False: the thread ends."""
        idle = not (self.reading or self.speaking)
        turns: list[_Turn] = []
        while True:
            try:
                item = self.inbox.get(timeout=_IDLE_SECONDS) if idle else self.inbox.get_nowait()
            except queue.Empty:
                with self.lock:
                    if idle and self.inbox.empty():
                        self.thread = None
                        return False
                break
            idle = False
            if isinstance(item, Stream):
                turns = [turn for turn in turns if turn.stream is not item]
                self._drop(item)
            else:
                turns.append(item)
        with torch.inference_mode():
            self._prepare(turns)
        return True

    def _drop(self, stream: Stream) -> None:
        self.cache.clear(stream.slot)
        self.beginnings = {key: b for key, b in self.beginnings.items() if b.slot != stream.slot}
        if stream.slot in self.speaking and self.speaking[stream.slot].stream is stream:
            del self.speaking[stream.slot]
        for turn in [turn for turn in self.reading if turn.stream is stream]:
            self.reading.remove(turn)
            if turn.like:  # the next of those that begin alike reads in its place
                heir, *heir_like = turn.like
                heir.like = heir_like
                self._embed([heir])
                self.reading.append(heir)
        for turn in self.reading:
            turn.like = [t for t in turn.like if t.stream is not stream]

    def _prepare(self, turns: list[_Turn]) -> None:
        """Lay out what has to be read; turns of conversations that begin like another one wait for it."""
        factor = self.vlm.renderer.factor
        fresh: list[_Turn] = []
        for turn in turns:
            stream = turn.stream
            turn.ids, stream.pending = [*stream.pending, *turn.prompt.ids], []
            grids = [(view.height // factor, view.width // factor) for view in turn.prompt.views]
            places, stream.position = positions(turn.ids, self.vlm.renderer.image_pad, grids, stream.position)
            turn.places = torch.from_numpy(places).to(self.vlm.device)
            if self.cache.lengths[stream.slot] == 0:
                turn.begins = _digest(np.asarray(turn.ids).tobytes(), *map(_of_view, turn.prompt.views))
                leader = next((t for t in (*self.reading, *fresh) if t.begins == turn.begins), None)
                if leader is not None:
                    leader.like.append(turn)
                    continue
            fresh.append(turn)
        known = [turn for turn in fresh if turn.begins in self.beginnings]
        if known:
            self._begin_like(known, [self.beginnings[turn.begins] for turn in known])
        self._embed([turn for turn in fresh if turn not in known])
        self.reading += [turn for turn in fresh if turn not in known]

    def _embed(self, turns: list[_Turn]) -> None:
        tokens = self._encode([view for turn in turns for view in turn.prompt.views])
        for turn in turns:
            row = torch.tensor(turn.ids, device=self.vlm.device)
            turn.embedded = self.language.embed_tokens(row)
            count = len(turn.prompt.views)
            if count:
                seen, tokens = torch.cat(tokens[:count]), tokens[count:]
                turn.embedded = turn.embedded.masked_scatter((row == self.vlm.renderer.image_pad)[:, None], seen)

    def _encode(self, views: Sequence[Image.Image]) -> list[torch.Tensor]:
        """Image tokens (tokens, width) of every view; equal views are encoded once, and kept for a while."""
        keys = [_of_view(view) for view in views]
        missing = {key: view for key, view in zip(keys, views, strict=True) if key not in self.views}
        todo = list(missing.items())
        while todo:
            side = self.vlm.patcher.patch
            patches = [(v.width // side) * (v.height // side) for _, v in todo]
            count = max(int(np.searchsorted(np.cumsum(patches), _PATCHES_AT_ONCE, side="right")), 1)
            part, todo = todo[:count], todo[count:]
            rows, grids = self.vlm.patcher([view for _, view in part])
            visual = self.vlm.model.model.visual
            out = encode_views(visual, rows.to(self.vlm.device, self.dtype), grids.to(self.vlm.device))
            flat = out.reshape(-1, out.shape[-1])
            sizes = [int(grid.prod()) // visual.spatial_merge_size**2 for grid in grids]
            self.views.update(zip((key for key, _ in part), flat.split(sizes), strict=True))
        found = []
        for key in keys:
            self.views.move_to_end(key)
            found.append(self.views[key])
        while len(self.views) > _VIEWS_KEPT:
            self.views.popitem(last=False)
        return found

    def _read(self) -> None:
        """One pass over prompts, `prefill_tokens` at most; who has read all speaks."""
        self.reading = [turn for turn in self.reading if not turn.cancelled or turn.like]
        if not self.reading:
            return
        count = 0
        rows: list[_Turn] = []
        for turn in self.reading:
            longest = min(max(count, turn.unread), self.prefill_tokens)
            if rows and longest * (len(rows) + 1) > self.prefill_tokens:
                break
            count, rows = longest, [*rows, turn]
        embedded = torch.zeros((len(rows), count, self.language.config.hidden_size), dtype=self.dtype, device=self.vlm.device)
        places = torch.zeros((3, len(rows), count), dtype=torch.long, device=self.vlm.device)
        reals = [min(turn.unread, count) for turn in rows]
        for row, (turn, real) in enumerate(zip(rows, reals, strict=True)):
            assert turn.embedded is not None
            assert turn.places is not None
            embedded[row, :real] = turn.embedded[turn.read : turn.read + real]
            places[:, row, :real] = turn.places[:, turn.read : turn.read + real]
        slots = [turn.stream.slot for turn in rows]
        hidden = self._forward(embedded, places, slots)
        for turn, real in zip(rows, reals, strict=True):
            turn.read += real
            self.cache.advance(turn.stream.slot, real)
        done = [row for row, turn in enumerate(rows) if not turn.unread]
        if not done:
            return
        logits = self._logits(hidden[done, [reals[row] - 1 for row in done]])
        self.reading = [turn for turn in self.reading if turn.unread]
        for row, scores in zip(done, logits, strict=True):
            turn = rows[row]
            if turn.begins:
                slot = turn.stream.slot
                found = self.beginnings[turn.begins] = _Beginning(slot, self.cache.lengths[slot], scores)
                self._begin_like(turn.like, [found] * len(turn.like))
                turn.like = []
        self._say([rows[row] for row in done], logits)

    def _begin_like(self, turns: Sequence[_Turn], beginnings: Sequence[_Beginning]) -> None:
        """These turns begin just like what a slot holds already."""
        for turn, found in zip(turns, beginnings, strict=True):
            self.cache.copy(found.slot, turn.stream.slot, found.length)
        if turns:
            self._say(list(turns), torch.stack([found.logits for found in beginnings]))

    def _speak(self) -> None:
        """One token for everyone who speaks."""
        self.speaking = {slot: turn for slot, turn in self.speaking.items() if not turn.cancelled}
        if not self.speaking:
            return
        turns = list(self.speaking.values())
        count = max(self.speaking) + 1
        ids = [0] * count
        at = [0] * count
        for turn in turns:
            ids[turn.stream.slot] = turn.stream.pending[0]
            at[turn.stream.slot] = turn.stream.position
            turn.stream.position += 1
            turn.stream.pending = []
        embedded = self.language.embed_tokens(torch.tensor(ids, device=self.vlm.device))[:, None]
        places = torch.tensor(at, device=self.vlm.device).expand(3, count)[..., None]
        hidden = self._forward(embedded, places, slice(0, count))
        for turn in turns:
            self.cache.advance(turn.stream.slot, 1)
        self._say(turns, self._logits(hidden[[turn.stream.slot for turn in turns], 0]))

    def _forward(self, embedded: torch.Tensor, places: torch.Tensor, rows: Sequence[int] | slice) -> torch.Tensor:
        mask = self.cache.write_to(rows, embedded.shape[1])
        out = self.language(
            inputs_embeds=embedded, position_ids=places, attention_mask=mask, past_key_values=self.cache, use_cache=True
        )
        return out.last_hidden_state  # type: ignore[no-any-return]

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.vlm.model.lm_head(hidden)  # type: ignore[no-any-return]

    def _say(self, turns: list[_Turn], logits: torch.Tensor) -> None:
        """Draw the next token of every turn; who has come to an end is told so."""
        temperatures = [turn.sampling.temperature for turn in turns]
        uniforms = [turn.stream.random.random() for turn in turns]
        tokens, log_probs = draw(logits, temperatures, uniforms, self.vlm.renderer.forbidden)
        for turn, token, log_prob in zip(turns, tokens, log_probs, strict=True):
            turn.drawn.append(token)
            turn.log_probs.append(log_prob)
            stream, sampling = turn.stream, turn.sampling
            stream.pending = [token]
            stream.tokens = self.cache.lengths[stream.slot] + 1
            finished = self._ended(turn.drawn, sampling.stops)
            if finished or len(turn.drawn) >= sampling.max_tokens:
                self.speaking.pop(stream.slot, None)
                _settle(turn.future, Sampled(turn.drawn, turn.log_probs, finished))
            else:
                self.speaking[stream.slot] = turn

    def _ended(self, drawn: list[int], stops: tuple[str, ...]) -> bool:
        renderer = self.vlm.renderer
        if drawn[-1] == renderer.im_end:
            return True
        if drawn[-1] not in _ending_ids(renderer.tokenizer, frozenset(stop[-1] for stop in stops)):
            return False
        return renderer.decode(drawn[-24:]).rstrip().endswith(stops)


@cache
def _ending_ids(tokenizer: Any, characters: frozenset[str]) -> frozenset[int]:
    """Tokens that hold one of these (ASCII) characters; decoding after every token would cost more than the model."""
    return frozenset(index for text, index in tokenizer.get_vocab().items() if characters & set(text))


def _settle(future: asyncio.Future[Sampled], result: Sampled | BaseException) -> None:
    """Hand a result to the event loop that waits for it."""

    def settle() -> None:
        if not future.done():
            if isinstance(result, Sampled):
                future.set_result(result)
            else:
                future.set_exception(result)

    future.get_loop().call_soon_threadsafe(settle)


def _of_view(view: Image.Image) -> bytes:
    return _digest(repr(view.size).encode(), view.tobytes())


def _digest(*parts: bytes) -> bytes:
    found = blake2b(digest_size=16)
    for part in parts:
        found.update(part)
    return found.digest()

"""Continuous batching over turns: every conversation is at a turn of its own, and all that speak decode
together.

A conversation (`Stream`) owns one cache slot from its first turn to its close, so what was once read is never
read again. Conversations that begin alike (a group of rollouts on one question) read the beginning once. Each
step of the loop takes in what is new, encodes as many of its views as fit into one pass of the vision tower,
reads at most `prefill_tokens` of prompts, so that nobody who speaks waits for a long prompt, and draws a
token for everyone who speaks, or several where a draft foresaw them.

Positions are always passed explicitly: transformers keeps the rotary offset of the last conversation as state
on the model, so implicit positions are wrong as soon as two conversations alternate.
"""

from __future__ import annotations

import asyncio
import queue
import random
import threading

import numpy as np
import torch

from mini_o3.models.chat import Rendered, positions
from mini_o3.models.engine.attention import Piece
from mini_o3.models.engine.decoder import PackedDecoder
from mini_o3.models.engine.drafts import Drafts
from mini_o3.models.engine.slots import SlotCache
from mini_o3.models.engine.turns import Beginning, Stream, Turn, settle
from mini_o3.models.engine.views import PATCHES_AT_ONCE, ViewEncoder, count_patches, digest, view_key
from mini_o3.models.sampling import Sampled, Sampling, draw
from mini_o3.models.vlm import Vlm

_IDLE_SECONDS = (
    0.05  # after which the thread ends; the next turn starts another, and the program need not stop one
)


class Engine:
    """Decodes up to `slots` conversations of one model at the same time, in a thread of its own.

    For one event loop at a time. Greedy output is that of a single conversation decoded by itself, up to the
    rounding of matrix products of another shape.
    """

    def __init__(self, vlm: Vlm, slots: int = 64, prefill_tokens: int = 1024, draft_tokens: int = 5) -> None:
        self.vlm, self.prefill_tokens = vlm, prefill_tokens
        self.language = vlm.model.model.language_model
        dtype = next(self.language.parameters()).dtype
        self.cache = SlotCache(vlm.model.config.text_config, slots, dtype, vlm.device)
        self.decoder = PackedDecoder(self.language, self.cache)
        self.drafts = Drafts(draft_tokens)
        self.free = list(range(slots))
        self.queue: list[asyncio.Future[None]] = []  # those who wait for a slot
        self.inbox: queue.SimpleQueue[Turn | Stream] = queue.SimpleQueue()  # a stream: it is closed
        self.live: set[Turn] = set()  # everyone who waits for an answer
        self.fresh: list[Turn] = []  # to be laid out, or waiting for somebody who begins just so
        self.reading: list[Turn] = []
        self.speaking: dict[int, Turn] = {}  # by slot
        self.beginnings: dict[bytes, Beginning] = {}
        self.views = ViewEncoder(vlm)
        self.thread: threading.Thread | None = None
        self.lock = threading.Lock()

    # --- on the event loop ---

    async def open(self, seed: int = 0) -> Stream:
        """A new conversation, as soon as a slot is free."""
        while not self.free:
            future = asyncio.get_running_loop().create_future()
            self.queue.append(future)
            try:
                await future
            except asyncio.CancelledError:
                if not future.cancelled():  # it was this one's turn, and now it is the next one's
                    self._call_next()
                raise
        return Stream(self.free.pop(0), random.Random(seed))

    async def reply(self, stream: Stream, prompt: Rendered, sampling: Sampling) -> Sampled:
        """Read `prompt` into the conversation, then speak one turn."""
        turn = Turn(stream, prompt, sampling, asyncio.get_running_loop().create_future())
        self._send(turn)
        try:
            return await turn.future
        except asyncio.CancelledError:
            turn.cancelled = True
            raise

    def close(self, stream: Stream) -> None:
        """Give the slot to whoever waits. What is sent later is worked on later, so it may be used again at
        once."""
        self._send(stream)
        self.free.append(stream.slot)
        self._call_next()

    def weights_changed(self) -> None:
        """Forget what was read with other weights; for when no conversation is open."""
        self.views.forget()

    def _call_next(self) -> None:
        while self.queue:
            future = self.queue.pop(0)
            if not future.done():
                future.set_result(None)
                break

    def _send(self, item: Turn | Stream) -> None:
        self.inbox.put(item)
        with self.lock:
            if self.thread is None:
                thread = threading.Thread(target=self._run, name="mini-o3-engine")
                thread.start()
                self.thread = thread

    # --- in the thread ---

    @torch.inference_mode()
    def _run(self) -> None:
        while True:
            try:
                if not self._take_in():
                    return
                self._prepare()
                self._pass()
            except Exception as error:
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Whoever is at a turn is told, and nothing goes on; later turns are tried again."""
        for turn in self.live:
            settle(turn.future, error)
        self.live, self.fresh, self.reading, self.speaking = set(), [], [], {}

    def _take_in(self) -> bool:
        """Everything that was sent; waits if there is nothing to do. False: the thread ends."""
        idle = not (self.fresh or self.reading or self.speaking)
        while True:
            try:
                item = self.inbox.get(timeout=_IDLE_SECONDS) if idle else self.inbox.get_nowait()
            except queue.Empty:
                if not idle:
                    return True
                with self.lock:
                    if self.inbox.empty():
                        self.thread = None
                        return False
                continue
            idle = False
            if isinstance(item, Stream):
                self._drop(item)
            else:
                self.fresh.append(item)
                self.live.add(item)

    def _drop(self, stream: Stream) -> None:
        self.cache.clear(stream.slot)
        self.beginnings = {key: b for key, b in self.beginnings.items() if b.slot != stream.slot}
        self.live = {turn for turn in self.live if turn.stream is not stream}
        self._forget_all_but(self.live)

    def _forget_all_but(self, live: set[Turn]) -> None:
        self.fresh = [turn for turn in self.fresh if turn in live]
        self.reading = [turn for turn in self.reading if turn in live]
        self.speaking = {slot: turn for slot, turn in self.speaking.items() if turn in live}

    def _prepare(self) -> None:
        """Lay out what has to be read. Who begins like somebody else takes it over, as soon as that one has
        read it."""
        self.live = {turn for turn in self.live if not turn.cancelled}
        self._forget_all_but(self.live)
        known: list[Turn] = []
        readers: list[Turn] = []
        waiting: list[Turn] = []
        room = PATCHES_AT_ONCE
        for turn in self.fresh:
            if turn.places is None:
                self._lay_out(turn)
            if turn.begins and turn.begins in self.beginnings:
                known.append(turn)
            elif turn.begins and any(other.begins == turn.begins for other in (*self.reading, *readers)):
                waiting.append(turn)
            else:
                room -= count_patches(turn.prompt.views, self.vlm.patcher.patch)
                (readers if room >= 0 or not readers else waiting).append(turn)
        for turn in known:
            found = self.beginnings[turn.begins]
            self.cache.copy(found.slot, turn.stream.slot, found.length)
        if known:
            self._say(known, torch.stack([self.beginnings[turn.begins].logits for turn in known]))
        self._embed(readers)
        self.reading += readers
        self.fresh = waiting

    def _lay_out(self, turn: Turn) -> None:
        stream, factor = turn.stream, self.vlm.renderer.factor
        turn.ids, stream.pending = [*stream.pending, *turn.prompt.ids], []
        grids = [(view.height // factor, view.width // factor) for view in turn.prompt.views]
        places, stream.position = positions(turn.ids, self.vlm.renderer.image_pad, grids, stream.position)
        turn.places = torch.from_numpy(places).to(self.vlm.device)
        if self.cache.lengths[stream.slot] == 0:
            turn.begins = digest(np.asarray(turn.ids).tobytes(), *map(view_key, turn.prompt.views))

    def _embed(self, turns: list[Turn]) -> None:
        tokens = self.views.encode([view for turn in turns for view in turn.prompt.views])
        for turn in turns:
            row = torch.tensor(turn.ids, device=self.vlm.device)
            turn.embedded = self.language.embed_tokens(row)
            count = len(turn.prompt.views)
            if count:
                seen, tokens = torch.cat(tokens[:count]), tokens[count:]
                turn.embedded = turn.embedded.masked_scatter(
                    (row == self.vlm.renderer.image_pad)[:, None], seen
                )

    def _pass(self) -> None:
        """One pass of the model: a token for everyone who speaks, and `prefill_tokens` of prompts at most."""
        speaking, reading = list(self.speaking.values()), []
        room = self.prefill_tokens
        for turn in self.reading:
            count = min(turn.unread, room)
            room -= count
            if count:
                reading.append((turn, count))
        if not (speaking or reading):
            return
        pieces = [Piece(turn.stream.slot, self._length(turn), 1 + len(turn.draft)) for turn in speaking]
        pieces += [Piece(turn.stream.slot, self._length(turn), count) for turn, count in reading]
        embedded, places = self._drawn(speaking)
        for turn, count in reading:
            assert turn.embedded is not None
            assert turn.places is not None
            embedded.append(turn.embedded[turn.read : turn.read + count])
            places.append(turn.places[:, turn.read : turn.read + count])
            turn.read += count
        hidden = self.decoder(torch.cat(embedded), torch.cat(places, 1), pieces)
        rows = list(range(sum(piece.tokens for piece in pieces[: len(speaking)])))  # whose logits are wanted
        end = len(rows)
        for turn, count in reading:
            self.cache.advance(turn.stream.slot, count)
            end += count
            if not turn.unread:
                rows.append(end - 1)
        if not rows:
            return
        self.reading = [turn for turn in self.reading if turn.unread]
        read = [turn for turn, _ in reading if not turn.unread]
        logits = self.vlm.model.lm_head(hidden[rows])
        for turn, scores in zip(read, logits[len(rows) - len(read) :], strict=True):
            if turn.begins:
                self.beginnings[turn.begins] = Beginning(turn.stream.slot, self._length(turn), scores)
        self._say([*speaking, *read], logits)

    def _length(self, turn: Turn) -> int:
        return self.cache.lengths[turn.stream.slot]

    def _drawn(self, turns: list[Turn]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """What everyone drew last, and the draft of what comes after it, embedded, and its positions."""
        if not turns:
            return [], []
        ids = [token for turn in turns for token in (turn.stream.pending[0], *turn.draft)]
        at = [turn.stream.position + index for turn in turns for index in range(1 + len(turn.draft))]
        device = self.vlm.device
        return [self.language.embed_tokens(torch.tensor(ids, device=device))], [
            torch.tensor(at, device=device).expand(3, -1)
        ]

    def _say(self, turns: list[Turn], logits: torch.Tensor) -> None:
        """Draw the next tokens of every turn: `logits` has a row for the pending token and for each of its
        draft."""
        counts = [1 + len(turn.draft) for turn in turns]
        temperatures = [
            turn.sampling.temperature for turn, count in zip(turns, counts, strict=True) for _ in range(count)
        ]
        uniforms = [u for turn, count in zip(turns, counts, strict=True) for u in turn.stream.uniforms(count)]
        tokens, log_probs = draw(logits, temperatures, uniforms, self.vlm.renderer.forbidden)
        end = 0
        for turn, count in zip(turns, counts, strict=True):
            end += count
            self._take(turn, tokens[end - count : end], log_probs[end - count : end])

    def _take(self, turn: Turn, tokens: list[int], log_probs: list[float]) -> None:
        """Append what was drawn, as far as the draft foresaw it and one further; who has come to an end is
        told so."""
        stream, sampling, speaks = turn.stream, turn.sampling, bool(turn.drawn)
        for used, (token, log_prob) in enumerate(zip(tokens, log_probs, strict=True), start=1):
            stream.ahead.popleft()
            turn.drawn.append(token)
            turn.log_probs.append(log_prob)
            finished = self.vlm.renderer.ended(turn.drawn, sampling.stops)
            if finished or len(turn.drawn) >= sampling.max_tokens or token not in turn.draft[used - 1 : used]:
                break
        if speaks:  # what was pending, and what of the draft was right, is in the context now
            self.cache.advance(stream.slot, used)
            stream.position += used
        stream.pending = [token]
        stream.tokens = self._length(turn) + 1
        if finished or len(turn.drawn) >= sampling.max_tokens:
            self.speaking.pop(stream.slot, None)
            self.live.discard(turn)
            self.drafts.learn(turn.drawn)
            settle(turn.future, Sampled(turn.drawn, turn.log_probs, finished))
        else:
            self.speaking[stream.slot] = turn
            turn.draft = self.drafts.guess(turn.drawn, sampling.max_tokens - len(turn.drawn) - 1)

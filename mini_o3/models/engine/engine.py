"""Continuous batching over turns: every conversation is at a turn of its own, and all decode together.

A conversation (`Sequence`) owns one cache slot from its first turn to its close, so what was once read is
never read again. Conversations that begin alike (rollouts on one question) read the beginning once. Each step
of the loop takes in what is new, encodes as many of its views as fit into one pass of the vision tower, reads
at most `prefill_tokens` of prompts, so that nobody who decodes waits for a long prompt, and samples a token
for everyone who decodes, or several where a draft foresaw them.

Positions are always passed explicitly: transformers keeps the rotary offset of the last conversation as state
on the model, so implicit positions are wrong as soon as two conversations alternate.
"""

from __future__ import annotations

import asyncio
import queue
import random
import threading
from collections.abc import Sequence as Several

import torch

from mini_o3.models.chat import Rendered
from mini_o3.models.engine.drafter import NgramDrafter
from mini_o3.models.engine.runner import Runner
from mini_o3.models.engine.scheduler import Scheduler
from mini_o3.models.engine.sequence import Generation, Sequence, SharedPrefix
from mini_o3.models.sampling import Sampled, Sampling, sample
from mini_o3.models.views import ViewCache
from mini_o3.models.vlm import Vlm

_IDLE_SECONDS = 0.05  # after which the thread ends; the next turn starts another, so nobody has to stop it


class Engine:
    """Decodes up to `slots` conversations of one model at the same time, in a thread of its own.

    For one event loop at a time. Greedy output is that of a single conversation decoded by itself, up to the
    rounding of matrix products of another shape.
    """

    def __init__(
        self,
        vlm: Vlm,
        slots: int = 64,
        prefill_tokens: int = 1024,
        draft_tokens: int = 5,
        way: str | None = None,
    ) -> None:
        self.vlm = vlm
        self.runner = Runner(vlm, way)
        self.scheduler = Scheduler(prefill_tokens, vlm.patcher.patch)
        self.drafter = NgramDrafter(draft_tokens)
        self.views = ViewCache(vlm)
        self.free = list(range(slots))
        self.queue: list[asyncio.Future[None]] = []  # those who wait for a slot
        self.inbox: queue.SimpleQueue[Generation | Sequence] = queue.SimpleQueue()  # a sequence: it is closed
        self.thread: threading.Thread | None = None
        self.lock = threading.Lock()

    # --- on the event loop ---

    async def open(self, seed: int = 0) -> Sequence:
        """A new conversation, as soon as a slot is free."""
        while not self.free:
            future = asyncio.get_running_loop().create_future()
            self.queue.append(future)
            try:
                await future
            except asyncio.CancelledError:
                if not future.cancelled():  # a slot was free for this one; the next one gets it
                    self._wake_next()
                raise
        return Sequence(self.free.pop(0), random.Random(seed))

    async def reply(self, sequence: Sequence, prompt: Rendered, sampling: Sampling) -> Sampled:
        """Read `prompt` into the conversation, then write one turn."""
        generation = Generation(sequence, prompt, sampling, asyncio.get_running_loop().create_future())
        self._send(generation)
        try:
            return await generation.future
        except asyncio.CancelledError:
            generation.cancelled = True
            raise

    def close(self, sequence: Sequence) -> None:
        """Give the slot to whoever waits. It may be used again at once: what is sent later is done later."""
        self._send(sequence)
        self.free.append(sequence.slot)
        self._wake_next()

    def weights_changed(self) -> None:
        """Forget what was read with other weights; for when no conversation is open."""
        self.views.clear()
        self.runner.weights_changed()

    def _wake_next(self) -> None:
        while self.queue:
            future = self.queue.pop(0)
            if not future.done():
                future.set_result(None)
                break

    def _send(self, item: Generation | Sequence) -> None:
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
                if not self._receive():
                    return
                self._admit()
                self._step()
            except Exception as error:  # goes to everyone who waits; later turns are tried again
                for generation in self.scheduler.active:
                    generation.resolve(error)
                self.scheduler.clear()

    def _receive(self) -> bool:
        """Take everything that was sent; wait if there is nothing to do. False: the thread ends."""
        idle = self.scheduler.is_idle
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
            if isinstance(item, Sequence):
                self.scheduler.drop(item)
                self.runner.cache.free(item.slot)
            else:
                self.scheduler.add(item)

    def _admit(self) -> None:
        """Start what can be started: encode the views of those who read, copy beginnings that are known."""
        scheduler = self.scheduler
        scheduler.drop_cancelled()
        for generation in scheduler.waiting:
            if generation.position_ids is None:
                generation.lay_out(self.vlm.renderer)
        reusing, reading = scheduler.admit()
        prefixes = [scheduler.prefixes[generation.prefix_key] for generation in reusing]
        for generation, prefix in zip(reusing, prefixes, strict=True):
            self.runner.cache.copy(prefix.slot, generation.sequence.slot, prefix.length)
            generation.sequence.cached = prefix.length
        if reusing:
            self._sample(reusing, torch.stack([prefix.logits for prefix in prefixes]))
        tokens = self.views.encode([view for generation in reading for view in generation.prompt.views])
        for generation in reading:
            count = len(generation.prompt.views)
            if count:
                generation.image_tokens, tokens = torch.cat(tokens[:count]), tokens[count:]
        scheduler.prefilling += reading

    def _step(self) -> None:
        """One pass of the model: a token for everyone who decodes, and a part of the prompts."""
        scheduler = self.scheduler
        decoding, prefill = list(scheduler.decoding.values()), scheduler.next_prefill()
        if not (decoding or prefill):
            return
        logits = self.runner.run(decoding, prefill)
        if logits is None:
            return
        scheduler.finish_prefill()
        read = [generation for generation, _ in prefill if not generation.unread]
        for generation, after in zip(read, logits[len(logits) - len(read) :], strict=True):
            generation.image_tokens = None
            if generation.prefix_key:
                sequence = generation.sequence
                prefix = SharedPrefix(sequence.slot, sequence.cached, after.clone())
                scheduler.prefixes[generation.prefix_key] = prefix
        self._sample([*decoding, *read], logits)

    def _sample(self, generations: Several[Generation], logits: torch.Tensor) -> None:
        """Sample the next tokens; `logits` has a row for the pending token and each drafted one."""
        counts = [1 + len(generation.draft) for generation in generations]
        temperatures, uniforms = [], []
        for generation, count in zip(generations, counts, strict=True):
            temperatures += [generation.sampling.temperature] * count
            uniforms += generation.sequence.uniforms(count)
        tokens, log_probs = sample(logits, temperatures, uniforms, self.vlm.renderer.forbidden)
        end = 0
        for generation, count in zip(generations, counts, strict=True):
            end += count
            self._accept(generation, tokens[end - count : end], log_probs[end - count : end])

    def _accept(self, generation: Generation, tokens: list[int], log_probs: list[float]) -> None:
        """Whose turn has ended is told so; who goes on gets a draft."""
        finished = generation.accept_tokens(tokens, log_probs, self.vlm.renderer)
        if finished is None:
            self.scheduler.decoding[generation.sequence.slot] = generation
            room = generation.sampling.max_tokens - len(generation.sampled) - 1
            generation.draft = self.drafter.propose(generation.sampled, room)
            return
        self.scheduler.finish(generation)
        self.drafter.observe(generation.sampled)
        generation.resolve(Sampled(generation.sampled, generation.log_probs, finished))

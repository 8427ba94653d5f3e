"""Coroutines run from ordinary code, also where an event loop is running already, as in a notebook."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run_coroutine(coroutine: Coroutine[Any, Any, T]) -> T:
    """What `coroutine` returns. Where a loop is running in this thread, it runs in a thread of its own.

    An interrupt cancels it, lets it end, and is raised again.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        is_running = False
    else:
        is_running = True
    if not is_running:
        return asyncio.run(coroutine)
    began: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = Future()

    async def watched() -> T:
        began.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        return await coroutine

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(asyncio.run, watched())
        try:
            return ended.result()
        except KeyboardInterrupt:
            loop, task = began.result()
            if task is not None:
                loop.call_soon_threadsafe(task.cancel)
            raise

"""Decoded pictures that many episodes share, with no more than so many pixels in memory at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from PIL import Image

from mini_o3.kit.reading import open_file
from mini_o3.vision.album import load_pictures
from mini_o3.vision.base import Picture
from mini_o3.vision.budget import PixelBudget
from mini_o3.vision.frames import split_frame
from mini_o3.vision.picture import DECODE_BUDGET, image_file


class Shared:
    """One decoded picture, or several on a canvas. `first_view` is made once for each budget; nobody draws on
    a view."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self.paths, self.pixels, self.users = paths, 0, 0
        self.lock = asyncio.Lock()
        self._picture: Picture | None = None
        self._views: dict[PixelBudget, Image.Image] = {}

    @property
    def picture(self) -> Picture:
        """The upright original."""
        assert self._picture is not None
        return self._picture

    @property
    def is_open(self) -> bool:
        return self._picture is not None

    async def open(self) -> None:
        """Decode it in a thread, so that other episodes go on meanwhile.

        Raises:
            UserError: as `load_picture`.
        """
        self._picture = await asyncio.to_thread(load_pictures, self.paths)

    def first_view(self, budget: PixelBudget) -> Image.Image:
        """The view of the whole picture."""
        if budget not in self._views:
            self._views[budget] = self.picture.view(self.picture.whole, budget)
        return self._views[budget]


class SharedPictures:
    """Pictures by path, each decoded once for all who use it at a time.

    At most `most` pixels are alive together, or one picture that is larger; who wants more waits. The
    picture that was used last stays, since samples of a question follow each other.
    """

    def __init__(self, most: int = DECODE_BUDGET) -> None:
        self.most, self.alive = most, 0
        self._known: dict[tuple[str, ...], Shared] = {}
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def use(self, *paths: str) -> AsyncIterator[Shared]:
        """The picture at a path, or several on one canvas, for as long as the context lasts.

        Raises:
            UserError: as `load_picture`.
        """
        shared = self._known.setdefault(paths, Shared(paths))
        shared.users += 1
        try:
            async with shared.lock:
                if not shared.is_open:
                    pixels = sum([await asyncio.to_thread(_pixels, path) for path in paths])
                    await self._make_room(pixels)
                    shared.pixels = pixels
                    self.alive += pixels
                    await shared.open()
            yield shared
        finally:
            shared.users -= 1
            if not shared.is_open and not shared.users:
                self._forget(shared)
            for other in list(self._known.values()):
                if other is not shared and not other.users:
                    self._forget(other)
            self._wake()

    async def _make_room(self, pixels: int) -> None:
        while self.alive and self.alive + pixels > self.most:
            idle = next((one for one in self._known.values() if not one.users), None)
            if idle is None:
                await self._freed.wait()
            else:
                self._forget(idle)

    def _forget(self, shared: Shared) -> None:
        del self._known[shared.paths]
        self.alive -= shared.pixels

    def _wake(self) -> None:
        self._freed.set()
        self._freed = asyncio.Event()


def _pixels(path: str) -> int:
    """How many pixels of a picture will lie in memory, by its header.

    0 if that cannot be told, or if it is so large that it is read from disk.
    """
    try:
        file_path, _ = split_frame(path)
        with open_file(file_path) as file, image_file(file_path, file) as opened:
            pixels = opened.size[0] * opened.size[1]
            return pixels if pixels <= DECODE_BUDGET else 0
    except Exception:  # whatever a damaged file makes a decoder raise: `load_picture` says it in one line
        return 0

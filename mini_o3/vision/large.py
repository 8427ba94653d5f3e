"""Pictures beyond memory by libvips: an overview by scaled decoding, and parts from tiles.

The tiles are those of the file where it is a tiled TIFF with smaller copies of itself (GeoTIFF, whole slides
as TIFF or SVS). Of any other file the overview is decoded at a smaller scale, and while it is looked at, the
picture is written as such a pyramid into the cache (`cache.py`), from which its parts come.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from mini_o3.kit.errors import UserError
from mini_o3.kit.reading import open_file
from mini_o3.vision.base import Picture, Tiled
from mini_o3.vision.budget import FILTER
from mini_o3.vision.cache import PyramidCache, digest_of
from mini_o3.vision.colour import to_srgb
from mini_o3.vision.frames import check_frame
from mini_o3.vision.picture import check_size
from mini_o3.vision.region import Rect
from mini_o3.vision.vips import STRICT, note_of, one_line, pillow, plain, profile_of, vips

MOST_PIXELS = 1 << 40
_RAW_PIXELS = 1_000_000_000  # up to here tiles are kept as they are (4 bytes a pixel), above as JPEG
_TILE = 256
_JPEG_QUALITY = 92
_LOADERS = tuple(f"{kind}load_source" for kind in ("jpeg", "webp", "png", "tiff", "heif", "gif"))
_MOST_PAGES = 64


def open_large(path: Path, number: int | None = None, store: PyramidCache | None = None) -> Picture:
    """A picture that is too large to be decoded at once; of a file with several pages the one of this number.

    Raises:
        UserError: the extra `large` is not installed, or the file cannot be used.
    """
    open_file(path).close()
    with one_line(path):
        head = vips().Image.new_from_source(vips().Source.new_from_file(str(path)), "", access="sequential")
        loader = head.get("vips-loader")
        if loader == "tiffload_source" and number is None and (levels := _levels(path)):
            return VipsPyramid(path, levels)
        check_frame(path, head.get("n-pages") if head.get_typeof("n-pages") else 1, number, "frames")
    return VipsFile(path, loader, (number or 1) - 1, store or PyramidCache())


class VipsPyramid(Tiled):
    """A tiled TIFF with smaller copies of itself."""

    def __init__(self, path: Path, levels: list[Any], note: str = "") -> None:
        """`levels` are libvips images, the largest first."""
        self.path, self.images = path, [plain(level) for level in levels]
        super().__init__([(level.width, level.height) for level in self.images])
        check_size(path, self.size, MOST_PIXELS)
        self.profile = profile_of(levels[0])
        self.note = note or note_of(levels[0], self.profile)

    def read(self, level: int, rect: Rect) -> Image.Image:
        with one_line(self.path):
            part = self.images[level].crop(rect.left, rect.top, rect.width, rect.height)
            return to_srgb(pillow(part), self.profile)[0]


class VipsFile(Picture):
    """Any other file. Its parts come from a pyramid that is made in the background after its first view."""

    def __init__(self, path: Path, loader: str, page: int, store: PyramidCache) -> None:
        self.path, self.loader, self.page, self.store = path, loader, page, store
        with one_line(path):
            image = self._load()
            self.is_turned = image.get_typeof("orientation") and image.get("orientation") not in (0, 1)
            upright = image.autorot()
            self.size = (upright.width, upright.height)
            self.profile = profile_of(image)
            self.note = note_of(image, self.profile)
        check_size(path, self.size, MOST_PIXELS)
        self._making: _Making | None = None
        self._lock = threading.Lock()

    def part(self, rect: Rect, size: tuple[int, int]) -> Image.Image:
        if self._making is None and rect == self.whole and max(size) * 2 < max(self.size):
            overview = self._overview(size)
            self._make()
            return overview
        return self._make().wait().part(rect, size)

    def close(self) -> None:
        """Stop making the pyramid."""
        if self._making is not None:
            self._making.stop()

    def _make(self) -> _Making:
        with self._lock:
            if self._making is None:
                self._making = _Making(self)
            return self._making

    def _load(self, access: str = "sequential", **options: int) -> Any:
        if self.page:
            options["page"] = self.page
        source = vips().Source.new_from_file(str(self.path))
        return getattr(vips().Image, self.loader)(source, access=access, fail_on=STRICT, **options)

    def _overview(self, size: tuple[int, int]) -> Image.Image:
        """All of it, decoded at a smaller scale where the format can do that, and turned when it is small."""
        with one_line(self.path):
            image = self._load()
            wanted = size if (image.width > image.height) == (self.size[0] > self.size[1]) else size[::-1]
            if self.loader == "jpegload_source":
                room = min(image.width / wanted[0], image.height / wanted[1]) / Tiled.ENOUGH
                image = self._load(shrink=max((n for n in (1, 2, 4, 8) if n <= room), default=1))
            image = plain(image)
            across, down = (
                want / have for want, have in zip(wanted, (image.width, image.height), strict=True)
            )
            small = image.resize(across, vscale=down, kernel="cubic", gap=3.0).copy_memory().autorot()
            view = to_srgb(pillow(small), self.profile)[0]
        return view if view.size == size else view.resize(size, FILTER)

    def write_pyramid(self, part: Path, watch: Callable[[Any], None]) -> None:
        """Write it as a tiled TIFF with smaller copies. `watch` gets what can be killed."""
        image = plain(self._load("random" if self.is_turned else "sequential").autorot())
        raw = image.width * image.height <= _RAW_PIXELS
        watch(image)
        image.tiffsave(
            str(part),
            tile=True,
            pyramid=True,
            tile_width=_TILE,
            tile_height=_TILE,
            bigtiff=True,
            compression="none" if raw else "jpeg",
            Q=_JPEG_QUALITY,
            keep="icc",
        )


class _Making:
    """A pyramid on its way into the cache, in a thread of its own."""

    def __init__(self, picture: VipsFile) -> None:
        self.picture, self.image, self.stopped = picture, None, False
        self.made: VipsPyramid | None = None
        self.error: UserError | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def wait(self) -> VipsPyramid:
        """Raises: UserError: it could not be made."""
        self.thread.join()
        if self.made is None:
            raise self.error or UserError(f"{self.picture.path}: reading it was stopped; ask again")
        return self.made

    def stop(self) -> None:
        self.stopped = True
        if self.image is not None:
            self.image.set_kill(True)
        self.thread.join()

    def _run(self) -> None:
        one = self.picture
        try:
            name = f"{digest_of(one.path)}-{one.page}.tif"
            kept = one.store.find(name)
            if kept is None or (pyramid := self._open(kept)) is None:
                kept = one.store.add(name, self._write)
                pyramid = self._open(kept)
            if pyramid is None:
                raise UserError(f"{kept}: was written and cannot be read; remove it and ask again")
            self.made = pyramid
        except UserError as error:
            self.error = error

    def _write(self, part: Path) -> None:
        with one_line(self.picture.path):
            self.picture.write_pyramid(part, self._watch)

    def _watch(self, image: Any) -> None:
        self.image = image
        if self.stopped:
            image.set_kill(True)

    def _open(self, kept: Path) -> VipsPyramid | None:
        """What lies in the cache; None if it is damaged."""
        try:
            with one_line(kept):
                levels = _levels(kept)
                pyramid = VipsPyramid(kept, levels, self.picture.note) if levels else None
        except UserError:
            return None
        return pyramid if pyramid is not None and pyramid.size == self.picture.size else None


def _levels(path: Path) -> list[Any]:
    """The resolutions of a tiled TIFF, the largest first; empty if it is none, or has no smaller ones."""
    first = _page(path, page=0)
    if not first.get_typeof("tile-width"):
        return []
    found = [first]
    pages = min(first.get("n-pages") if first.get_typeof("n-pages") else 1, _MOST_PAGES)
    subs = first.get("n-subifds") if first.get_typeof("n-subifds") else 0
    others = [{"page": number} for number in range(1, pages)] if pages > 1 else []
    others = [{"page": 0, "subifd": number} for number in range(min(subs, _MOST_PAGES))] or others
    for where in others:
        page = _page(path, **where)
        if _is_copy(page, first) and page.width < found[-1].width and page.get_typeof("tile-width"):
            found.append(page)
    # A pyramid ends with what can be decoded at once.
    return found if found[-1].width * found[-1].height <= _ENDS else []


_ENDS = 64_000_000


def _page(path: Path, **where: int) -> Any:
    return vips().Image.tiffload_source(
        vips().Source.new_from_file(str(path)), access="random", fail_on=STRICT, **where
    )


def _is_copy(small: Any, large: Any) -> bool:
    """Whether one page is a smaller copy of another: the same shape, up to a pixel, and the same kind."""
    scale = small.width / large.width
    return abs(small.height - large.height * scale) <= 1 + scale and small.bands == large.bands

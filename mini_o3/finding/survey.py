"""A first look at every picture: whether it can be read, how large it is, and which are copies of others."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mini_o3.finding.source import Source
from mini_o3.kit.errors import UserError
from mini_o3.kit.files import append_jsonl, read_jsonl
from mini_o3.kit.progress import OnProgress, no_progress
from mini_o3.vision.base import InMemory
from mini_o3.vision.small import COMPARED, are_same, difference_hash, near_hashes

INDEX_FILE = "pictures.jsonl"
_AHEAD = 32  # pictures that are looked at before their turn
_THREADS = 4


@dataclass(frozen=True, slots=True)
class Seen:
    """What the first look told of a picture.

    Attributes:
        digest: hash of the content of its file, with the number of the page.
        size: (width, height) in pixels, upright.
        hash: perceptual hash, 32 bytes as hex digits.
        copy_of: digest of the picture that it is a copy of; None if it is searched itself.
        error: why it cannot be searched; then the rest is empty.
    """

    source: Source
    digest: str = ""
    size: tuple[int, int] = (0, 0)
    hash: str = ""
    copy_of: str | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """A line of the index; without what cannot be searched, which is looked at again."""
        data = {
            "picture": self.source.name,
            "stamp": list(self.source.stamp),
            "digest": self.digest,
            "size": list(self.size),
            "hash": self.hash,
        }
        return data if self.copy_of is None else {**data, "copy_of": self.copy_of}


def survey(
    sources: Sequence[Source], folder: Path, *, near: bool = True, progress: OnProgress = no_progress
) -> Iterator[Seen]:
    """Look at all pictures, in order; what is known from `folder/pictures.jsonl` is not read again.

    A picture with the content of an earlier one is a copy of it, and with `near` also one that shows the same
    in another size or compression (`vision.small.are_same`).
    """
    known = {_key(row): row for row in read_jsonl(folder / INDEX_FILE, skip_damaged=True)}
    copies = _Copies(near)
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for number, (source, seen) in enumerate(_looked(sources, known, pool), start=1):
                if seen.error is None:
                    row = known.get((source.name, *source.stamp))
                    seen = copies.settle(seen, row.get("copy_of") if row else None)
                    if row is None or row.get("copy_of") != seen.copy_of:
                        append_jsonl(folder / INDEX_FILE, seen.to_dict())
                progress(number, len(sources))
                yield seen
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _looked(
    sources: Sequence[Source], known: dict[Any, dict[str, Any]], pool: ThreadPoolExecutor
) -> Iterator[tuple[Source, Seen]]:
    """All sources in order, each with its first look, which several threads take ahead of time."""
    ahead: list[Future[Seen]] = []
    for number, source in enumerate(sources):
        while len(ahead) < min(_AHEAD, len(sources) - number):
            following = sources[number + len(ahead)]
            ahead.append(pool.submit(_look, following, known.get((following.name, *following.stamp))))
        yield source, ahead.pop(0).result()


def _look(source: Source, row: dict[str, Any] | None) -> Seen:
    if row is not None:
        width, height = row["size"]
        return Seen(source, row["digest"], (width, height), row["hash"])
    try:
        with source.file() as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
            if source.is_deep_zoom:  # such files are alike for all pictures of a size
                digest = hashlib.sha256(f"{digest} {source.name}".encode()).hexdigest()
            file.seek(0)
            small, size = source.small(file)
            bits = difference_hash(small).hex()
    except UserError as error:
        return Seen(source, error=str(error))
    except OSError as error:
        return Seen(source, error=f"{source.name}: cannot be read ({error.strerror or error})")
    return Seen(source, digest if source.frame is None else f"{digest}#{source.frame}", size, bits)


class _Copies:
    """Tells which pictures are copies of earlier ones."""

    def __init__(self, near: bool) -> None:
        self.near = near
        self.first: dict[str, Seen] = {}  # by digest, those that are no copies
        self.copies: dict[str, str] = {}
        self.order: list[Seen] = []
        self.hashes = np.empty((64, 32), np.uint8)
        self.open = lru_cache(maxsize=2)(_compared)

    def settle(self, seen: Seen, known: str | None) -> Seen:
        """The same with what it is a copy of; `known` is what an earlier start found."""
        original = seen.digest if seen.digest in self.first else self.copies.get(seen.digest)
        if original is None and self.near:
            original = known if known in self.first else self._near(seen)
        if original is not None:
            self.copies[seen.digest] = original
            return Seen(seen.source, seen.digest, seen.size, seen.hash, original)
        self.first[seen.digest] = seen
        if len(self.order) == len(self.hashes):
            self.hashes = np.concatenate([self.hashes, np.empty_like(self.hashes)])
        self.hashes[len(self.order)] = np.frombuffer(bytes.fromhex(seen.hash), np.uint8)
        self.order.append(seen)
        return seen

    def _near(self, seen: Seen) -> str | None:
        hashes = self.hashes[: len(self.order)]
        for number in near_hashes(bytes.fromhex(seen.hash), hashes)[:_CANDIDATES]:
            other = self.order[number]
            try:
                if are_same(self.open(other.source), _compared(seen.source)):
                    return other.digest
            except UserError:  # one of them is damaged after all; each is told of when it is searched
                continue
        return None


def _compared(source: Source) -> Image.Image:
    """A picture as it is compared: whole, or smaller if it is not in memory."""
    picture = source.picture()
    return picture.image if isinstance(picture, InMemory) else picture.thumbnail(COMPARED)


_CANDIDATES = 3  # pictures with a like hash that are compared


def _key(row: dict[str, Any]) -> Any:
    stamp = row.get("stamp")
    return (row.get("picture"), *stamp) if isinstance(stamp, list) and _is_whole(row) else None


def _is_whole(row: dict[str, Any]) -> bool:
    """Whether a line of the index has what it should."""
    size, bits = row.get("size"), row.get("hash")
    return (
        isinstance(row.get("digest"), str)
        and isinstance(size, list)
        and len(size) == 2
        and isinstance(bits, str)
        and re.fullmatch("[0-9a-f]{64}", bits) is not None
    )

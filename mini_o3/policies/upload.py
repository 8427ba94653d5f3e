"""Views on their way to an endpoint: encoded once, without metadata, and together below a number of bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from mini_o3.episode import Message
from mini_o3.episode.policy import Role

#: Quality and share of the sides, from the best to the least that is sent. What comes after is left out.
_STEPS = ((92, 1.0), (82, 1.0), (75, 0.7), (70, 0.5), (60, 0.35))
LEFT_OUT = (
    "[This picture is left out, since the conversation has become too large. Zoom there again to see it.]"
)
_OVERHEAD = 4096  # bytes of a request that are neither text nor picture


class View:
    """One picture of a conversation; `step` says how far it has been reduced."""

    def __init__(self, image: Image.Image) -> None:
        self.image, self.step = image, 0
        self._encoded: dict[int, str] = {}

    @property
    def is_left_out(self) -> bool:
        return self.step >= len(_STEPS)

    @property
    def bytes(self) -> int:
        return len(LEFT_OUT if self.is_left_out else self._url())

    def part(self) -> dict[str, Any]:
        """The part of a message that shows it, or says that it is left out."""
        if self.is_left_out:
            return {"type": "text", "text": LEFT_OUT}
        return {"type": "image_url", "image_url": {"url": self._url()}}

    def _url(self) -> str:
        if self.step not in self._encoded:
            quality, share = _STEPS[self.step]
            self._encoded = {self.step: _data_url(self.image, quality, share)}
        return self._encoded[self.step]


class Outbox:
    """The messages of one conversation as an endpoint gets them, below `most` bytes in all.

    When they grow beyond it, views are reduced, the oldest first and the first and the last view last of all:
    by quality, then in size, in the end left out with a word about it. A view that was reduced stays so.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._messages: list[tuple[Role, list[str | View]]] = []

    def add(self, messages: Sequence[Message]) -> None:
        for message in messages:
            parts = [part if isinstance(part, str) else View(part) for part in message.parts]
            self._messages.append((message.role, parts))

    def payload(self) -> list[dict[str, Any]]:
        """All messages in the format of the interface."""
        self._fit()
        return [{"role": role, "content": _content(parts)} for role, parts in self._messages]

    @property
    def reduced(self) -> tuple[int, int]:
        """How many views are sent smaller than they could be, and how many are left out."""
        views = self._views()
        return sum(0 < view.step < len(_STEPS) for view in views), sum(view.is_left_out for view in views)

    def _views(self) -> list[View]:
        return [part for _, parts in self._messages for part in parts if isinstance(part, View)]

    def _fit(self) -> None:
        texts = sum(len(part) * 2 for _, parts in self._messages for part in parts if isinstance(part, str))
        views = self._views()
        order = views[1:-1] + views[:1] + (views[-1:] if len(views) > 1 else [])
        for step in range(1, len(_STEPS) + 1):
            for view in order:
                if texts + _OVERHEAD + sum(one.bytes for one in views) <= self.most:
                    return
                if step < len(_STEPS) or view is not views[-1]:  # what is asked about now is never left out
                    view.step = max(view.step, step)


def _content(parts: list[str | View]) -> str | list[dict[str, Any]]:
    if all(isinstance(part, str) for part in parts):
        return "".join(str(part) for part in parts)
    return [{"type": "text", "text": part} if isinstance(part, str) else part.part() for part in parts]


def _data_url(image: Image.Image, quality: int, share: float) -> str:
    """As JPEG without EXIF, location, comments or any other note of the file it was cut from."""
    size = max(1, round(image.width * share)), max(1, round(image.height * share))
    bare = (
        image.convert("RGB") if share == 1.0 else image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    )
    bare = bare.copy() if bare is image else bare
    bare.info = {}
    buffer = io.BytesIO()
    bare.save(buffer, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"

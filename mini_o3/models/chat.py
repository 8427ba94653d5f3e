"""Chat to token ids, one message at a time, so that what is in the KV cache never has to be rendered again.

The layout is the ChatML of Qwen2.5-VL and Qwen3-VL. Whether the policy wrote a token is decided here and
nowhere else: ids of messages are the environment's (mask 0), ids that were sampled are the policy's (mask 1).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from PIL import Image
from transformers import PreTrainedTokenizerBase

from mini_o3.episode import Message
from mini_o3.models.tokenizer import (
    END_OF_TEXT,
    IM_END,
    IM_START,
    IMAGE_PAD,
    VIDEO_PAD,
    VISION_END,
    VISION_START,
)

Part = str | Image.Image
_ANSWER_TOKENS = 256  # longest answer, with its tags, of which the probability is told
#: How templates whose models always think end; in Python's own writing or with the line break as it is.
_THINKS = re.compile(r"assistant(\\n|\n)<think>(\\n|\n)'\s*\}\}\s*\{%-? endif -?%\}\s*$")


@dataclass(slots=True)
class Rendered:
    """Token ids with their mask (1: the policy wrote it) and the views behind their image placeholders, in
    order."""

    ids: list[int] = field(default_factory=list)
    mask: list[int] = field(default_factory=list)
    views: list[Image.Image] = field(default_factory=list)

    def add(self, other: Rendered) -> None:
        self.ids += other.ids
        self.mask += other.mask
        self.views += other.views


class ChatRenderer:
    """Renders for one tokenizer.

    `factor` is the side in pixels of one image token: 28 for Qwen2.5-VL, 32 for Qwen3-VL. Of the chat
    template of the tokenizer only one thing is read, how the policy's message begins: models that always
    think (Qwen3-VL-Thinking) begin with an open `<think>`.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, factor: int = 28) -> None:
        self.tokenizer, self.factor = tokenizer, factor
        tokenizer.backend_tokenizer.encode_special_tokens = True
        token = tokenizer.convert_tokens_to_ids
        self.im_start, self.im_end, self.image_pad = token(IM_START), token(IM_END), token(IMAGE_PAD)
        self.vision_start, self.vision_end = token(VISION_START), token(VISION_END)
        self.ends = frozenset({self.im_end, tokenizer.get_vocab().get(END_OF_TEXT, self.im_end)})
        #: Never to be sampled: a picture that the policy claims to have seen.
        self.forbidden = tuple(token(t) for t in (IMAGE_PAD, VIDEO_PAD, VISION_START, VISION_END))
        self.newline = self.encode("\n")
        thinks = _THINKS.search(str(tokenizer.chat_template or ""))
        self.begins = "assistant\n<think>\n" if thinks else "assistant\n"

    def encode(self, text: str) -> list[int]:
        """Plain text to ids; `<|im_end|>` and its like in the text stay text and cannot forge the layout."""
        return list(self.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        return str(
            self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )

    def answer_probability(self, ids: Sequence[int], log_probs: Sequence[float]) -> float | None:
        """Mean probability of the sampled tokens between `<answer>` and `</answer>`; None without them.

        Tokens that hold part of a tag count as the tag. Only the end of the turn is decoded, token by token.
        """
        begin = _last_start(self.decode, ids, "<answer>")
        if begin is None:
            return None
        first = next(n for n in range(begin + 1, len(ids) + 1) if "<answer>" in self.decode(ids[begin:n]))
        end = _last_start(self.decode, ids, "</answer")
        inside = log_probs[first : len(ids) if end is None else max(end, first)]
        return math.fsum(map(math.exp, inside)) / len(inside) if inside else None

    def message(self, role: str, parts: Sequence[Part]) -> Rendered:
        """One whole message that the environment wrote, with its end."""
        out = Rendered()
        ids = [self.im_start, *self.encode(f"{role}\n")]
        for part in parts:
            if isinstance(part, str):
                ids += self.encode(part)
            else:
                rows, columns = self.grid(part)
                ids += [self.vision_start, *[self.image_pad] * (rows * columns), self.vision_end]
                out.views.append(part)
        ids += [self.im_end, *self.newline]
        out.ids, out.mask = ids, [0] * len(ids)
        return out

    def grid(self, view: Image.Image) -> tuple[int, int]:
        """Rows and columns of image tokens that a view takes."""
        return view.height // self.factor, view.width // self.factor

    def grids(self, views: Iterable[Image.Image]) -> list[tuple[int, int]]:
        return [self.grid(view) for view in views]

    def generation_prompt(self) -> Rendered:
        """The start of the policy's message: the next id is sampled."""
        ids = [self.im_start, *self.encode(self.begins)]
        return Rendered(ids, [0] * len(ids))

    def prompt(self, messages: Sequence[Message], sampled: Sequence[int] | None) -> Rendered:
        """Everything between what the policy sampled last (None: nothing yet) and its next token."""
        out = Rendered() if sampled is None else self.turn_suffix(sampled)
        for message in messages:
            out.add(self.message(message.role, message.parts))
        out.add(self.generation_prompt())
        return out

    def assistant_message(self, text: str) -> Rendered:
        """A message of the policy that was not sampled (a teacher's): its text and its end count as written
        by the policy."""
        ids = [*self.encode(text), self.im_end]
        return Rendered(ids, [1] * len(ids))

    def turn_suffix(self, sampled: Sequence[int]) -> Rendered:
        """What the environment adds after sampled ids: the end of the message, if it is missing, and a line
        break."""
        ids = [*([] if sampled and sampled[-1] == self.im_end else [self.im_end]), *self.newline]
        return Rendered(ids, [0] * len(ids))

    def ended(self, drawn: Sequence[int], stops: tuple[str, ...]) -> bool:
        """Whether the sampled ids are a whole turn: the last is an end, or the text ends with one of `stops`
        (in ASCII)."""
        if drawn[-1] in self.ends:
            return True
        if drawn[-1] not in _ending_ids(self.tokenizer, frozenset(stop[-1] for stop in stops)):
            return False
        return self.decode(drawn[-24:]).rstrip().endswith(stops)


def _last_start(decode: Callable[[Sequence[int]], str], ids: Sequence[int], mark: str) -> int | None:
    """The last place from which on the decoded ids hold `mark`; None if nowhere among the last ones."""
    places = range(len(ids) - 1, max(len(ids) - _ANSWER_TOKENS, 0) - 1, -1)
    return next((n for n in places if mark in decode(ids[n:])), None)


@cache
def _ending_ids(tokenizer: Any, characters: frozenset[str]) -> frozenset[int]:
    """Tokens that hold one of these characters; decoding after every token would cost more than the model."""
    return frozenset(index for text, index in tokenizer.get_vocab().items() if characters & set(text))


def position_ids(
    ids: Sequence[int], image_pad: int, grids: Sequence[tuple[int, int]], start: int = 0
) -> tuple[np.ndarray, int]:
    """Rotary positions of `ids`: (3, N) int64 for time, row and column, and the next free position.

    Text advances all three together. The tokens of a view stand at its start in time and spread over rows and
    columns. `grids` holds (rows, columns) in image tokens of the views behind the placeholders. Equal to
    transformers' `get_rope_index`, but can go on from `start`, so that a conversation is positioned turn by
    turn.
    """
    out = np.empty((3, len(ids)), np.int64)
    at, index, view = start, 0, 0
    while index < len(ids):
        if ids[index] != image_pad:
            out[:, index] = at
            at, index = at + 1, index + 1
            continue
        rows, columns = grids[view]
        count = rows * columns
        cells = np.arange(count)
        out[:, index : index + count] = at + np.stack(
            [np.zeros(count, np.int64), cells // columns, cells % columns]
        )
        at, index, view = at + max(rows, columns), index + count, view + 1
    return out, at

"""A pass of the language model: what is read and decoded is packed, logits come out where somebody wants
them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mini_o3.models.engine.attention import Piece
from mini_o3.models.engine.decoder import Decoder
from mini_o3.models.engine.sequence import Generation
from mini_o3.models.forward import deepstack, embed
from mini_o3.models.vlm import Vlm


class Runner:
    """Runs passes of one model against one cache; `way` as in `Decoder`."""

    def __init__(self, vlm: Vlm, way: str | None = None) -> None:
        self.vlm = vlm
        self.decoder = Decoder(vlm, way)
        self.cache = self.decoder.cache

    def weights_changed(self) -> None:
        """Forget copies of weights."""
        self.decoder.weights_changed()

    def run(
        self, decoding: Sequence[Generation], prefill: Sequence[tuple[Generation, int]]
    ) -> torch.Tensor | None:
        """Logits after every pending and drafted token, then after every prompt that is now read to its end.

        `prefill` says who reads how many tokens of its prompt. None: nobody wants logits.
        """
        pieces, ids, positions, image_tokens = [], [], [], []
        for generation in decoding:
            sequence, count = generation.sequence, 1 + len(generation.draft)
            pieces.append(Piece(sequence.slot, sequence.cached, count))
            ids += [sequence.pending[0], *generation.draft]
            at = np.arange(sequence.next_position, sequence.next_position + count)
            positions.append(np.broadcast_to(at, (3, count)))
        wanted = list(range(len(ids)))
        for generation, count in prefill:
            sequence, read = generation.sequence, generation.read
            assert generation.position_ids is not None
            pieces.append(Piece(sequence.slot, sequence.cached, count))
            chunk = generation.ids[read : read + count]
            ids += chunk
            positions.append(generation.position_ids[:, read : read + count])
            views = chunk.count(self.vlm.renderer.image_pad)
            if views and generation.image_tokens is not None:
                image_tokens.append(generation.image_tokens[generation.placed : generation.placed + views])
            generation.read += count
            generation.placed += views
            sequence.cached += count
            if not generation.unread:
                wanted.append(len(ids) - 1)
        device, packed = self.vlm.device, torch.tensor(ids)
        seen = torch.cat(image_tokens) if image_tokens else None
        embedded = embed(self.vlm, packed.to(device), seen)
        levels = deepstack(self.vlm, seen)
        places = (packed == self.vlm.renderer.image_pad).nonzero()[:, 0].to(device) if levels else None
        at_positions = torch.from_numpy(np.concatenate(positions, 1)).to(device)
        hidden = self.decoder(embedded, at_positions, pieces, levels, places)
        return self.vlm.model.lm_head(hidden[wanted]) if wanted else None  # type: ignore[no-any-return]

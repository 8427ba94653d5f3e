"""Any Qwen2.5-VL checkpoint, nano included: loading, and decoding one conversation with its KV cache kept over turns.

Positions are always passed explicitly: transformers keeps the rotary offset of the last conversation as state on the
model, so implicit positions are wrong as soon as two conversations alternate.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from mini_o3.kit.errors import UserError
from mini_o3.models.nano import SETTINGS_FILE
from mini_o3.models.patches import Patcher
from mini_o3.models.render import ChatRenderer, Rendered, positions
from mini_o3.models.tower import encode_views
from mini_o3.vision import PixelBudget


@dataclass(slots=True)
class Vlm:
    """A loaded checkpoint. `budget` and `profile` are its own if its directory says so (`mini_o3.json`), else None."""

    model: Any
    renderer: ChatRenderer
    patcher: Patcher
    budget: PixelBudget | None
    profile: str | None
    context_tokens: int

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device  # type: ignore[no-any-return]


def load_vlm(folder: str | Path, device: str | None = None) -> Vlm:
    """Load a Qwen2.5-VL directory, in float32 on the CPU and bfloat16 on CUDA.

    Raises:
        UserError: the directory or one of its files is missing, or it holds another kind of model.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such model directory; give a folder with a Qwen2.5-VL checkpoint")
    for name in ("config.json", "preprocessor_config.json"):
        if not (folder / name).is_file():
            raise UserError(f"{folder}: {name} is missing; give a folder with a Qwen2.5-VL checkpoint")
    from transformers import AutoTokenizer, Qwen2_5_VLForConditionalGeneration

    try:
        config = json.loads((folder / "config.json").read_text())
        processor = json.loads((folder / "preprocessor_config.json").read_text())
        settings = json.loads((folder / SETTINGS_FILE).read_text()) if (folder / SETTINGS_FILE).is_file() else {}
        if config.get("model_type") != "qwen2_5_vl":
            raise UserError(f"{folder}: holds a {config.get('model_type')} model; only Qwen2.5-VL (qwen2_5_vl) can be run")
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.bfloat16 if device == "cuda" else torch.float32
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=dtype).to(device).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{folder}: cannot be loaded ({str(error).splitlines()[0]}); is the checkpoint complete?") from None
    patcher = Patcher.of(processor)
    budget = PixelBudget(**settings["budget"]) if "budget" in settings else None
    return Vlm(
        model, ChatRenderer(tokenizer, patcher.patch * patcher.merge), patcher, budget, settings.get("profile"),
        int(model.config.text_config.max_position_embeddings),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. Temperature 0 is greedy; `stops` end a turn and stay in its text."""

    temperature: float = 0.0
    max_tokens: int = 1024
    stops: tuple[str, ...] = ("</grounding>", "</answer>")


@dataclass(frozen=True, slots=True)
class Sampled:
    ids: list[int]
    log_probs: list[float]
    finished: bool


class Decoder:
    """One conversation with its KV cache. `extend` feeds what the environment said, `sample` lets the model speak."""

    def __init__(self, vlm: Vlm, seed: int = 0) -> None:
        from transformers import DynamicCache

        self.vlm = vlm
        self.cache = DynamicCache()
        self.position = 0
        self.length = 0
        self.pending: list[int] = []  # sampled last, not in the cache yet
        self.logits: torch.Tensor | None = None
        self.stopped = False  # set from outside: stop sampling as if the length limit was hit
        self.generator = torch.Generator().manual_seed(seed)

    @torch.inference_mode()
    def extend(self, rendered: Rendered) -> None:
        """Put ids and views into the context; afterwards `logits` (vocabulary,) are those of the next token."""
        vlm, model = self.vlm, self.vlm.model.model
        ids = [*self.pending, *rendered.ids]
        self.pending = []
        factor = vlm.renderer.factor
        grids = [(view.height // factor, view.width // factor) for view in rendered.views]
        places, self.position = positions(ids, vlm.renderer.image_pad, grids, self.position)
        row = torch.tensor([ids], device=vlm.device)
        embedded = model.language_model.embed_tokens(row)
        if rendered.views:
            tokens = self._encode(rendered.views).to(embedded.dtype)
            embedded = embedded.masked_scatter((row == vlm.renderer.image_pad)[..., None], tokens)
        self._forward(embedded, torch.from_numpy(places)[:, None].to(vlm.device), len(ids))

    @torch.inference_mode()
    def sample(self, sampling: Sampling) -> Sampled:
        """Draw tokens until the message ends, a stop string is written or `max_tokens` are out.

        Log-probabilities are those of the distribution drawn from: image tokens excluded, at the temperature (at 1 if
        greedy).
        """
        renderer = self.vlm.renderer
        ids: list[int] = []
        log_probs: list[float] = []
        while len(ids) < sampling.max_tokens and not self.stopped:
            if self.pending:
                row = torch.tensor([self.pending], device=self.vlm.device)
                place = torch.full((3, 1, 1), self.position, device=self.vlm.device)
                self.position += 1
                self.pending = []
                self._forward(self.vlm.model.model.language_model.embed_tokens(row), place, 1)
            assert self.logits is not None
            scores = self.logits.float().cpu().clone()
            scores[list(renderer.forbidden)] = -torch.inf
            spread = torch.log_softmax(scores / (sampling.temperature or 1.0), -1)
            if sampling.temperature:
                token = int(torch.multinomial(spread.exp(), 1, generator=self.generator))
            else:
                token = int(spread.argmax())
            ids.append(token)
            log_probs.append(float(spread[token]))
            self.pending = [token]
            if token == renderer.im_end or renderer.decode(ids[-24:]).rstrip().endswith(sampling.stops):
                return Sampled(ids, log_probs, True)
        return Sampled(ids, log_probs, False)

    def _forward(self, embedded: torch.Tensor, places: torch.Tensor, count: int) -> None:
        model = self.vlm.model
        out = model.model.language_model(
            inputs_embeds=embedded, position_ids=places, past_key_values=self.cache, use_cache=True
        )
        self.logits = model.lm_head(out.last_hidden_state[0, -1])
        self.length += count

    def _encode(self, views: Sequence[Image.Image]) -> torch.Tensor:
        rows, grids = self.vlm.patcher(list(views))
        visual = self.vlm.model.model.visual
        dtype = next(visual.parameters()).dtype
        out = encode_views(visual, rows.to(self.vlm.device, dtype), grids.to(self.vlm.device))
        return out.reshape(-1, out.shape[-1])

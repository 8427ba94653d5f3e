"""What a turn costs as a conversation grows: the engine, reading everything again, and the engine at the
width of a 7B model.

    python bench/turns.py --out docs/bench

One thread. Writes `turns.json`, and `turns.png` if matplotlib is there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from plain import Plain
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from mini_o3.kit.run import revision
from mini_o3.models.chat import Rendered
from mini_o3.models.engine import Engine
from mini_o3.models.sampling import Sampling
from mini_o3.models.shipped import NANO_DIR
from mini_o3.models.vlm import Vlm, has_bfloat16, load_vlm
from mini_o3.probes.shapes import make_probe
from mini_o3.vision import Rect, show


def seven_b_layer(nano: Vlm) -> Vlm:
    """nano with one decoder layer of the shape of Qwen2.5-VL-7B's in place of its own: 233 million random
    parameters."""
    config = Qwen2_5_VLConfig.from_dict(nano.model.config.to_dict())
    text = config.text_config
    text.hidden_size, text.intermediate_size, text.num_hidden_layers = 3584, 18944, 1
    text.num_attention_heads, text.num_key_value_heads, text.layer_types = 28, 4, ["full_attention"]
    text.rope_parameters = {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6}
    config.vision_config.out_hidden_size = 3584
    return replace(nano, model=Qwen2_5_VLForConditionalGeneration(config).float().eval())


def per_turn(vlm: Vlm, turns: int, together: int, written: int, drafts: int = 5) -> list[float]:
    """Seconds per turn and conversation of the engine, at every turn, with `together` conversations at once.

    Every turn is one view and exactly `written` tokens: ending a turn is forbidden, so they babble.
    """
    sampling = Sampling(temperature=1.0, max_tokens=written, stops=())

    async def all_turns() -> list[float]:
        engine = Engine(vlm, slots=together, draft_tokens=drafts)
        sequences = [await engine.open(row) for row in range(together)]
        out = []
        for turn in range(turns):
            prompts = [_prompt(vlm, turn, row) for row in range(together)]
            began = time.perf_counter()
            await asyncio.gather(
                *(engine.reply(s, p, sampling) for s, p in zip(sequences, prompts, strict=True))
            )
            out.append((time.perf_counter() - began) / together)
        for sequence in sequences:
            engine.close(sequence)
        return out

    with _endless(vlm):
        return asyncio.run(all_turns())


def per_turn_read_again(vlm: Vlm, turns: int, written: int) -> list[float]:
    """The same of one conversation that is read again from its beginning at every turn."""
    out = []
    with _endless(vlm):
        conversation = Plain(vlm, Sampling(temperature=1.0, max_tokens=written, stops=()), cached=False).open(
            None
        )
        for turn in range(turns):
            added = _prompt(vlm, turn, 0)
            conversation.ids += added.ids
            rows, grids = vlm.patcher(added.views)
            conversation.rows.append(rows)
            conversation.grids.append(grids)
            began = time.perf_counter()
            conversation.ids += conversation._generate(conversation._new(True))
            out.append(time.perf_counter() - began)
    return out


@contextmanager
def _endless(vlm: Vlm) -> Iterator[None]:
    """Nobody may end a turn."""
    renderer = vlm.renderer
    renderer.forbidden = (*renderer.forbidden, renderer.im_end)
    try:
        yield
    finally:
        renderer.forbidden = renderer.forbidden[:-1]


def _prompt(vlm: Vlm, turn: int, row: int) -> Rendered:
    corner = 10 * turn + row
    view = show(_picture(), Rect(corner, corner, corner + 400, corner + 400), vlm.budget)
    whole = vlm.renderer.turn_suffix([]) if turn else Rendered()
    whole.add(vlm.renderer.message("user", (f"Observation {turn}: ", view)))
    whole.add(vlm.renderer.generation_prompt())
    return whole


@cache
def _picture() -> Image.Image:
    return make_probe(1, "easy", size=(1472, 1472)).picture


def plot(found: dict[str, Any], path: Path) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, seconds in found["seconds"].items():
        axes.plot(
            range(1, len(seconds) + 1),
            [s / seconds[0] for s in seconds],
            label=f"{name}, {seconds[0] * 1e3:.0f} ms at turn 1",
        )
    axes.axhline(1.3, color="grey", linestyle=":", label="1.3")
    axes.set(
        xlabel="turn",
        ylabel="cost of a turn, turn 1 = 1",
        title="What a turn costs as the conversation grows",
    )
    axes.legend()
    figure.savefig(path, dpi=110, bbox_inches="tight")


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--turns", type=int, default=32)
    options.add_argument("--out", type=Path, required=True)
    args = options.parse_args()
    torch.set_num_threads(1)
    vlm = load_vlm(NANO_DIR)
    per_turn(vlm, 2, 4, 8)  # warm up
    short = load_vlm(NANO_DIR, dtype=torch.bfloat16) if has_bfloat16("cpu") else None
    costs = {
        "engine": per_turn(vlm, args.turns, 16, 36),
        "engine, no drafts": per_turn(vlm, args.turns, 16, 36, drafts=0),
        **({"engine, bfloat16": per_turn(short, args.turns, 16, 36)} if short else {}),
        "re-encoding": per_turn_read_again(vlm, args.turns, 36),
        "one layer of 7B, engine": per_turn(seven_b_layer(vlm), args.turns, 8, 16),
    }
    found: dict[str, Any] = {"command": " ".join(sys.argv), "revision": revision()}
    found["seconds"] = {name: [round(s, 5) for s in seconds] for name, seconds in costs.items()}
    found["last_turn_over_first"] = {
        name: round(seconds[-1] / seconds[0], 2) for name, seconds in costs.items()
    }
    print(json.dumps(found["last_turn_over_first"]), flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "turns.json").write_text(json.dumps(found, indent=1) + "\n")
    try:
        plot(found, args.out / "turns.png")
    except ImportError:
        print("no picture: matplotlib is not installed")


if __name__ == "__main__":
    main()

"""How often a model names the right colour in its lists of things, told apart by what a copied word would get
right.

Teacher-forced on teacher episodes of easy probes that nothing is trained on.
Usage: python bench/list_colours.py [MODEL_DIR] [N]
"""

import sys
from collections import Counter

import torch

from mini_o3.models.forward import hidden_states
from mini_o3.models.shipped import NANO_DIR
from mini_o3.models.tower import encode_patches
from mini_o3.models.vlm import load_vlm
from mini_o3.probes.shapes.words import COLOURS
from mini_o3.sft.batch import collate
from mini_o3.sft.episodes import EpisodeData
from mini_o3.sft.perception import PerceptionData

SEED = 600_000_000


@torch.inference_mode()
def main(folder: str, count: int) -> None:
    vlm = load_vlm(folder)
    renderer = vlm.renderer
    named = {renderer.encode(f" {colour}")[0] for colour in COLOURS}
    finds, things, ends = (renderer.encode(text)[0] for text in ("Find", " things", ";"))
    data = EpisodeData(renderer, SEED, PerceptionData(renderer, SEED), 0.0, levels={"easy": 1.0})
    right: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for sample in (sample for index in range(count) for sample in data(index)):
        batch = collate([sample], vlm.patcher, renderer, 0)
        tokens = encode_patches(vlm.visual, batch.rows, batch.grids)
        hidden = hidden_states(vlm, batch.ids, batch.position_ids, tokens)
        guesses = vlm.model.lm_head(hidden[0]).argmax(-1).tolist()
        sought, listing = -1, False
        for at, token in enumerate(sample.ids):
            if token == finds:
                sought = sample.ids[at + 1]
            listing = token == things or (listing and token != ends)
            if listing and token in named and sample.learn[at]:
                kind = "the colour that is sought" if token == sought else "another colour"
                seen[kind] += 1
                right[kind] += guesses[at - 1] == token
    for kind, total in seen.items():
        share = right[kind] / total
        print(f"{kind}: {share:.3f} +- {(share * (1 - share) / (total - 1)) ** 0.5:.3f} of {total}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(NANO_DIR), int(sys.argv[2]) if len(sys.argv) > 2 else 40)

"""Make the model of a run the nano that the package ships.

    python bench/ship_nano.py runs/sft_15

Weights keep 8 significant bits, those of bfloat16: git packs them a sixth smaller, and it keeps every nano
there ever was. Measure what is shipped, not the run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import zlib
from pathlib import Path

from safetensors.torch import load_file, save_file

from mini_o3.models.nano import NANO_DIR
from mini_o3.models.vlm import checkpoint_in, weights_hash


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("run", help="folder of a run of sft")
    run = Path(options.parse_args().run)
    model = checkpoint_in(run)
    weights = {
        name: value.bfloat16().to(value.dtype)
        for name, value in load_file(model / "model.safetensors").items()
    }
    for target in (NANO_DIR, Path("runs/sft/model")):  # where the suites look for what imitation has learnt
        shutil.copytree(model, target, dirs_exist_ok=True)
        save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    for name in ("cell_head.safetensors", "metrics.jsonl"):  # a next round goes on from there
        shutil.copy(run / name, Path("runs/sft") / name)
    packed = len(zlib.compress((NANO_DIR / "model.safetensors").read_bytes()))
    print(json.dumps({"weights": weights_hash(NANO_DIR), "packed": packed}))


if __name__ == "__main__":
    main()

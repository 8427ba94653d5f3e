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

from mini_o3.models.shipped import NANO_DIR, checkpoint_in
from mini_o3.models.vlm import weights_hash


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
    shutil.copytree(model, NANO_DIR, dirs_exist_ok=True)
    save_file(weights, NANO_DIR / "model.safetensors", metadata={"format": "pt"})
    shutil.copy(
        run / "cell_head.safetensors", NANO_DIR.parent / "cell_heads" / "nano.safetensors"
    )  # a next round goes on from there
    packed = len(zlib.compress((NANO_DIR / "model.safetensors").read_bytes()))
    print(json.dumps({"weights": weights_hash(NANO_DIR), "packed": packed}))


if __name__ == "__main__":
    main()

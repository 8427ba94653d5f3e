"""TRL 1.16's learner on given trajectories: loss, gradient and time of one pass over all of them.

Runs in an environment of its own, see `rollout.py`. Reads what `learner.py` wrote, writes loss, seconds and
gradients.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from mini_o3.models.shipped import NANO_DIR
from mini_o3.models.vlm import load_vlm

sys.path.insert(0, str(Path(__file__).parent))
from trl_loop import TEMPLATE, Processor, image_processor


def batch(rows: list[dict[str, Any]], vlm: Any) -> dict[str, Any]:
    """What TRL's own loop would hand to its loss: prompt padded on the left, completion on the right."""
    prompts = [row["mask"].index(1) for row in rows]
    left, right = max(prompts), max(len(row["ids"]) - p for row, p in zip(rows, prompts, strict=True))
    count = len(rows)
    out = {
        "prompt_ids": torch.zeros((count, left), dtype=torch.long),
        "prompt_mask": torch.zeros((count, left), dtype=torch.long),
        "completion_ids": torch.zeros((count, right), dtype=torch.long),
        "completion_mask": torch.zeros((count, right), dtype=torch.long),
        "tool_mask": torch.zeros((count, right), dtype=torch.long),
        "old_per_token_logps": torch.zeros((count, right)),
        "mm_token_type_ids": torch.zeros((count, left + right), dtype=torch.long),
    }
    for index, (row, prompt) in enumerate(zip(rows, prompts, strict=True)):
        ids, rest = torch.tensor(row["ids"]), len(row["ids"]) - prompt
        out["prompt_ids"][index, left - prompt :] = ids[:prompt]
        out["prompt_mask"][index, left - prompt :] = 1
        out["completion_ids"][index, :rest] = ids[prompt:]
        out["completion_mask"][index, :rest] = 1
        out["tool_mask"][index, :rest] = torch.tensor(row["mask"][prompt:])
        out["old_per_token_logps"][index, :rest] = torch.tensor(row["old"][prompt:])
        out["mm_token_type_ids"][index, left - prompt : left + rest] = (ids == vlm.renderer.image_pad).long()
    pixels = [view for row in rows for view in row["views"]]
    rows_of, grids = vlm.patcher(pixels)
    return out | {
        "pixel_values": rows_of,
        "image_grid_thw": grids,
        "num_images": [len(row["views"]) for row in rows],
        "advantages": torch.tensor([row["advantage"] for row in rows], dtype=torch.float32),
    }


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--batch", type=Path)
    options.add_argument("--out", type=Path)
    options.add_argument("--micro", type=int, help="trajectories per forward pass")
    options.add_argument("--threads", type=int)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    vlm = load_vlm(NANO_DIR)
    vlm.model.requires_grad_(True)
    rows = torch.load(args.batch, weights_only=False)
    tokenizer = vlm.renderer.tokenizer
    tokenizer.chat_template = TEMPLATE
    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            report_to=[],
            per_device_train_batch_size=2,
            num_generations=2,
            epsilon=0.2,
            epsilon_high=0.3,
            beta=0.0,
            loss_type="grpo",
            gradient_checkpointing=False,
            temperature=1.0,
        )
        trainer = GRPOTrainer(
            model=vlm.model,
            reward_funcs=lambda completions, **_: [0.0] * len(completions),
            args=config,
            train_dataset=Dataset.from_list([{"prompt": "x"}] * 2),
            processing_class=Processor(image_processor(), tokenizer, TEMPLATE),
        )
        trainer.current_gradient_accumulation_steps = 1
        trainer.model.train()
        trainer.model.zero_grad()
        total, began = 0.0, time.perf_counter()
        for start in range(0, len(rows), args.micro):
            part = rows[start : start + args.micro]
            loss = trainer._compute_loss(trainer.model, batch(part, vlm)) * len(part) / len(rows)
            loss.backward()
            total += float(loss.detach())
        seconds = time.perf_counter() - began
    gradients = {name: p.grad for name, p in trainer.model.named_parameters() if p.grad is not None}
    torch.save({"loss": total, "seconds": seconds, "gradients": gradients}, args.out)


if __name__ == "__main__":
    main()

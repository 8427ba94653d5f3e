"""TRL 1.16's own tool loop on nano and our probes, timed; prints one line of JSON.

Runs in an environment of its own: `pip install -r requirements.txt trl==1.16.0`, then `bench/rollout.py
--trl-python`. What TRL needs to speak nano's protocol at all is below: a chat template with a tool role, a
processor that works without torchvision, a parser of `<grounding>`. Views are made before the clock starts
where TRL wants them in the data set.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
from typing import Any, ClassVar

import torch
import trl.trainer.grpo_trainer as grpo
from datasets import Dataset
from PIL import Image
from transformers import ProcessorMixin, Qwen2VLImageProcessorPil
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
from trl import GRPOConfig, GRPOTrainer

from mini_o3.models.nano import PROCESSOR
from mini_o3.models.shipped import NANO_DIR
from mini_o3.models.vlm import load_vlm
from mini_o3.probes.shapes import make_probe
from mini_o3.protocol import Zoom, load_profile, parse
from mini_o3.vision import Rect, show

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ 'user' if m.role == 'tool' else m.role }}\n"
    "{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{% if p.type == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ p.text }}{% endif %}{% endfor %}{% endif %}"
    "{% for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Processor(Qwen2_5_VLProcessor):
    """Without the video processor, which needs torchvision."""

    def __init__(self, image_processor: Any, tokenizer: Any, chat_template: str | None = None) -> None:
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


def image_processor() -> Qwen2VLImageProcessorPil:
    """nano's: it never resizes, as every view has the size it wants."""
    return Qwen2VLImageProcessorPil(
        size={"shortest_edge": 168**2, "longest_edge": 168**2},
        patch_size=14,
        merge_size=2,
        temporal_patch_size=1,
        image_mean=PROCESSOR["image_mean"],
        image_std=PROCESSOR["image_std"],
    )


class Search:
    """TRL's environment: one episode's picture and what was looked at."""

    probes: ClassVar[list[Any]] = []
    budget: ClassVar[Any] = None
    profile: ClassVar[Any] = None

    def reset(self, number: int = 0, **_: Any) -> None:
        self.picture = self.probes[number].picture
        self.rects = [Rect(0, 0, *self.picture.size)]

    def zoom(self, text: str) -> list[dict[str, Any]]:
        """Look closer.

        Args:
            text: The whole turn.
        """
        action = parse(text)
        if not isinstance(action, Zoom) or action.region.frame >= len(self.rects):
            raise ValueError("no such source")
        self.rects.append(action.region.to_rect(self.rects[action.region.frame]))
        view = show(self.picture, self.rects[-1], self.budget)
        pieces = self.profile.observe(len(self.rects) - 1)
        return [
            {"type": "text", "text": p} if isinstance(p, str) else {"type": "image", "image": view}
            for p in pieces
        ]


class Done(Exception):
    """The rollouts are made; the learning is not what is timed."""


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--questions", type=int)
    options.add_argument("--rollouts", type=int)
    options.add_argument("--turns", type=int)
    options.add_argument("--max-tokens", type=int)
    options.add_argument("--threads", type=int)
    options.add_argument("--size", type=int)
    options.add_argument("--temperature", type=float)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    vlm = load_vlm(NANO_DIR)
    profile = load_profile("nano")
    levels = ("easy", "medium", "hard")
    Search.probes = [
        make_probe(1000 + n, levels[n % 3], size=(args.size, args.size)) for n in range(args.questions)
    ]
    Search.budget, Search.profile = vlm.budget, profile
    tokenizer = vlm.renderer.tokenizer
    tokenizer.backend_tokenizer.encode_special_tokens = False  # TRL renders text and then encodes it
    tokenizer.chat_template, tokenizer.response_template = TEMPLATE, {"unused": True}
    images = image_processor()
    rows = []
    for number, probe in enumerate(Search.probes):
        text = "".join(piece for piece in profile.ask(probe.task.question) if isinstance(piece, str))
        view: Image.Image = show(probe.picture, Rect(0, 0, *probe.picture.size), vlm.budget)
        prompt = [{"role": "system", "content": profile.system}, {"role": "user", "content": text}]
        rows.append({"prompt": prompt, "image": view, "number": number})

    def parse_response(_: Any, ids: list[int], **__: Any) -> dict[str, Any]:
        text = vlm.renderer.decode(ids)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if isinstance(parse(text), Zoom):
            message["tool_calls"] = [
                {"type": "function", "function": {"name": "zoom", "arguments": {"text": text}}}
            ]
        return message

    grpo.parse_response = parse_response
    count = args.questions * args.rollouts
    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            report_to=[],
            per_device_train_batch_size=count,
            max_steps=1,
            generation_batch_size=count,
            num_generations=args.rollouts,
            max_tool_calling_iterations=args.turns - 1,
            max_completion_length=4096,
            temperature=args.temperature,
            top_k=0,
            gradient_checkpointing=False,
            beta=0.0,
            generation_kwargs={"suppress_tokens": list(vlm.renderer.forbidden)},
        )
        trainer = GRPOTrainer(
            model=vlm.model,
            reward_funcs=lambda completions, **_: [0.0] * len(completions),
            args=config,
            train_dataset=Dataset.from_list(rows),
            processing_class=Processor(images, tokenizer, TEMPLATE),
            environment_factory=Search,
        )
        trainer.generation_config.max_new_tokens = args.max_tokens  # of one turn, as for the others
        generate, result = trainer._generate, {}

        def timed(prompts: list[Any]) -> None:
            began = time.perf_counter()
            prompt_ids, _, _, completions, *_ = generate(prompts)
            result["seconds"] = time.perf_counter() - began
            result["episodes"] = len(completions)
            result["turns"] = sum(message["role"] == "assistant" for c in completions for message in c)
            result["first_prompt"] = prompt_ids[0]
            raise Done

        trainer._generate = timed
        with contextlib.suppress(Done):
            trainer.train()
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""The model `mini_o3` of lmms-eval: every request is a whole search, by any of our policies.

    lmms-eval --model mini_o3 --model_args policy=api:URL#MODEL,turns=32,out=runs/vstar-lmms --tasks
    vstar_bench

lmms-eval asks and scores; what is returned is the answer alone. Its own generation settings are not used: the
policy draws as `temperature` says, and stops where its prompts say.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lmms_eval.api.model import lmms
from lmms_eval.api.registry import register_model
from lmms_eval.protocol import ChatMessages
from tqdm import tqdm

from mini_o3.episode import Episode, Limits
from mini_o3.interop.searches import Question, Searches
from mini_o3.kit.errors import UserError
from mini_o3.policies.load import load_policy
from mini_o3.policies.spec import PolicySpec

FORMS = ("plain", "tags")


@register_model("mini_o3")
class MiniO3(lmms):
    """A policy of ours behind the chat interface of lmms-eval (its api/model.py: `generate_until`)."""

    is_simple = False

    def __init__(
        self,
        policy: str = "nano",
        turns: int = 32,
        out: str = "runs/lmms_eval",
        temperature: float = 0.0,
        max_pixels: int | None = None,
        prompts: str | None = None,
        dialect: str | None = None,
        concurrent: int = 16,
        form: str = "plain",
        batch_size: object = None,
        max_batch_size: object = None,
        device: object = None,
    ) -> None:
        """The `--model_args`, as for `mini-o3 eval`.

        Args:
            out: folder for the trajectories (`episodes.jsonl`) and pictures; what is there is not asked
                again.
            form: `plain` returns the answer as it is, which the tasks that want a letter or a word score;
                `tags` returns `<answer>...</answer>`, for tasks that want it in the format of reasoning
                models (`*_reasoning`). An episode without an answer returns nothing, or empty tags.
            batch_size, max_batch_size, device: given by lmms-eval to every model; not used.

        Raises:
            UserError: there is no such policy or form, `out` holds other settings, or there are several
                processes.
        """
        super().__init__()
        if form not in FORMS:
            raise UserError(f"form={form}: choose one of {', '.join(FORMS)}")
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise UserError("mini_o3 runs in one process; leave the launcher out and give concurrent=N")
        self.form = form
        size = None if max_pixels is None else int(max_pixels)
        settings = {
            "policy": policy,
            "turns": int(turns),
            "temperature": float(temperature),
            "max_pixels": size,
            "prompts": prompts,
            "dialect": dialect,
        }
        spec = PolicySpec(policy, size, prompts, dialect, float(temperature), concurrency=int(concurrent))
        self.searches = Searches(
            load_policy(spec),
            Limits(int(turns)),
            Path(out),
            settings=settings,
            concurrent=spec.episodes_at_once,
        )

    def generate_until(self, requests: list[Any]) -> list[str]:
        """The answer to every request. Repeats of a document (`--repeats`, K samples) have the seeds 0, 1,
        ...

        Raises:
            UserError: a request has no picture or several, or the policy failed at some, which lmms-eval
                cannot leave unscored; those that went well are kept, run the same command again.
        """
        seeds: Counter[tuple[str, str, int]] = Counter()
        questions: list[Callable[[], Question]] = []
        for request in requests:
            doc_to_messages, _, doc_id, task, split = request.args[-5:]
            questions.append(
                partial(self._question, doc_to_messages, doc_id, task, split, seeds[task, split, doc_id])
            )
            seeds[task, split, doc_id] += 1
        with tqdm(total=len(questions), desc="searches") as bar:
            return [
                self._said(episode)
                for episode in self.searches.answer(questions, lambda done, total, more="": bar.update())
            ]

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        raise UserError(
            "mini_o3 answers questions and has no likelihood of given texts; choose tasks of generate_until"
        )

    def generate_until_multi_round(self, requests: list[Any]) -> list[str]:
        raise UserError(
            "mini_o3 takes its turns by itself; choose tasks of generate_until, not of several rounds"
        )

    def _question(self, doc_to_messages: Any, doc_id: int, task: str, split: str, seed: int) -> Question:
        messages = ChatMessages(messages=doc_to_messages(self.task_dict[task][split][doc_id]))
        parts = [part for message in messages.messages if message.role == "user" for part in message.content]
        pictures = [part.url for part in parts if part.type == "image"]
        if len(pictures) != 1 or any(part.type in ("video", "audio") for part in parts):
            kinds = ", ".join(part.type for part in parts)
            raise UserError(
                f"{task}/{split}/{doc_id}: mini_o3 searches one picture; the request holds {kinds}"
            )
        text = "\n".join(part.text for part in parts if part.type == "text")
        return Question(pictures[0], text, f"{task}/{split}/{doc_id}", seed)

    def _said(self, episode: Episode) -> str:
        answer = (episode.answer or "").strip()
        return f"<answer>{answer}</answer>" if self.form == "tags" else answer

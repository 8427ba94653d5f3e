"""The task `mini_o3/visual_search` of inspect_ai: our episodes as its samples, our judge as its scorer.

    inspect eval mini_o3/visual_search -T tasks=runs/easy -T policy=nano -T turns=32 --model none
    inspect eval mini_o3/visual_search -T tasks=runs/easy -T temperature=0.6 --epochs 8 --model none

Inspect's own model is not asked. Epochs are samples: epoch k has seed k - 1, and inspect's reducers compute
Avg@K and the like from them. The log holds each conversation, with its views if `--log-images` is given, and
in the metadata of the sample the task and the episode, so `inspect score --scorer mini_o3/judged` can judge a
log again. An answer that nobody could judge is unscored: it is in the log with its reason, and in no metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    Content,
    ContentImage,
    ContentText,
    ModelOutput,
)
from inspect_ai.scorer import CORRECT, INCORRECT, Score, Scorer, Target, accuracy, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from mini_o3.episode import Episode, EpisodeRun, Limits, Message, SearchTask, read_tasks
from mini_o3.judge import Verdict, make_judge
from mini_o3.judge.verdict import JUDGE_FAILED, UNPARSED
from mini_o3.kit.errors import UserError
from mini_o3.policies.load import load_policy
from mini_o3.policies.spec import PolicySpec
from mini_o3.vision.draw import data_url

_CONCURRENT = 16  # episodes of a local model that are decoded together


@task
def visual_search(
    tasks: str,
    policy: str = "nano",
    turns: int = 32,
    judge: str = "auto",
    temperature: float = 0.0,
    max_pixels: int | None = None,
    prompts: str | None = None,
    dialect: str | None = None,
) -> Task:
    """Search pictures for the answers to questions; the arguments are those of `mini-o3 eval`.

    Args:
        tasks: folder with tasks.jsonl.

    Raises:
        UserError: there are no such tasks, or no such policy or judge.
    """
    if policy == "human":
        raise UserError("policy=human: inspect has the terminal; play with `mini-o3 ask --policy human`")
    make_judge(judge)  # complains now, not after the first search
    return Task(
        dataset=MemoryDataset([_sample(found) for found in _once(read_tasks(tasks))], name=tasks),
        solver=search(tasks, policy, turns, temperature, max_pixels, prompts, dialect),
        scorer=judged(judge),
    )


@solver
def search(
    tasks: str,
    policy: str = "nano",
    turns: int = 32,
    temperature: float = 0.0,
    max_pixels: int | None = None,
    prompts: str | None = None,
    dialect: str | None = None,
) -> Solver:
    """One episode per sample; a policy that fails is in the log as the episode's end, and raises nothing."""
    known = {found.id: found for found in read_tasks(tasks)}
    spec = PolicySpec(policy, max_pixels, prompts, dialect, temperature, concurrency=_CONCURRENT)
    chosen = load_policy(spec, tasks=list(known.values()))

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        if state.epoch > 1 and temperature == 0:
            raise UserError(
                "--epochs: greedy episodes on one task are all the same; give -T temperature above 0"
            )
        run = EpisodeRun(known[str(state.sample_id)], chosen, Limits(turns), seed=state.epoch - 1)
        episode = await run.play()
        state.messages = [_chat(message) for message in run.messages]
        state.output = ModelOutput.from_content(f"mini_o3/{chosen.name}", episode.answer or "")
        state.metadata["episode"] = episode.to_dict(tokens=False)
        state.completed = True
        return state

    return solve


@scorer(metrics=[accuracy(), stderr(cluster="picture")])
def judged(judge: str = "auto") -> Scorer:
    """The verdict of a judge on the sample's episode; errors are clustered by picture, as in our own
    reports."""
    made = make_judge(judge)

    async def score(state: TaskState, target: Target) -> Score:
        episode = Episode.from_dict(state.metadata["episode"])
        verdict = await made(SearchTask.from_dict(state.metadata["task"]), episode)
        more: dict[str, Any] = {
            "answer": episode.answer,
            "explanation": verdict.reason or f"{episode.answer!r} is {verdict.kind.value}, by {made.name}",
            "reason": _reason(verdict),
            "metadata": {
                "verdict": verdict.to_dict(),
                "stop": episode.stop.value,
                "turns": episode.num_turns,
            },
        }
        if not verdict.is_judged:
            return Score.unscored(**more)
        return Score(value=CORRECT if verdict.is_correct else INCORRECT, **more)

    return score


def _once(tasks: Sequence[SearchTask]) -> list[SearchTask]:
    """A benchmark may hold a question twice: it is asked once, as by `mini-o3 eval`."""
    return list({found.id: found for found in tasks}.values())


def _sample(found: SearchTask) -> Sample:
    return Sample(
        input=found.asked,
        target=found.answer or "",
        id=found.id,
        metadata={"picture": found.picture, "category": found.category, "task": found.to_dict()},
    )


def _reason(verdict: Verdict) -> str | None:
    """Inspect's word for an abnormal score, ours where it has none."""
    words = {"no answer": "no_response", UNPARSED: "invalid_response_format", JUDGE_FAILED: "grader_failed"}
    return words.get(verdict.cause, verdict.cause.replace(" ", "_")) if verdict.reason else None


def _chat(message: Message) -> ChatMessage:
    kinds: dict[str, Any] = {
        "system": ChatMessageSystem,
        "user": ChatMessageUser,
        "assistant": ChatMessageAssistant,
    }
    content: list[Content] = [
        ContentText(text=part) if isinstance(part, str) else ContentImage(image=data_url(part, quality=90))
        for part in message.parts
    ]
    made: ChatMessage = kinds[message.role](content=content)
    return made

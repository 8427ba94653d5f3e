"""GRPO with over-turn masking on nano, in one file: ask in groups, judge, weigh, learn; again.

Left out, and where it is: drawing more questions until enough groups teach something, and several updates a
step (`grpo/train.py`); micro-batches, views encoded once, a vision tower that learns (`grpo/learner.py`);
other readings of the masking (`grpo/advantages.py`, `grpo/weights.py`); model judges and questions from a
folder; resuming, validation, alarms, several processes. What is left is the method.

    python examples/grpo_in_one_file.py                # four steps
    python examples/grpo_in_one_file.py 2 2 4          # steps, questions a step, searches a question
"""

import asyncio
import sys
from typing import NamedTuple

import torch
from PIL import Image

from mini_o3 import Episode, Limits
from mini_o3.episode import EpisodeRun
from mini_o3.grpo.questions import FreshProbes, Question
from mini_o3.models.chat import position_ids
from mini_o3.models.forward import encode_views, hidden_states
from mini_o3.models.sampling import Sampling, log_probs
from mini_o3.models.shipped import checkpoint_in
from mini_o3.models.vlm import Vlm, load_vlm
from mini_o3.policies.local import Local

TURNS, TEMPERATURE, LR, CLIP = 6, 0.6, 1e-4, (0.2, 0.3)  # the budget of training; the clip down and up


class Search(NamedTuple):
    """One search: its record, what the policy was shown, and 1 if the answer is right."""

    episode: Episode
    views: list[Image.Image]
    reward: float


async def search(policy: Local, question: Question, seed: int) -> Search:
    run = EpisodeRun(question.task, policy, Limits(turns=TURNS), picture=question.picture, seed=seed)
    episode = await run.play()
    return Search(episode, list(run.views), float(episode.answer == question.task.answer))


async def ask(policy: Local, questions: list[Question], samples: int) -> list[list[Search]]:
    """A group of searches for every question; the engine decodes all of them together."""

    async def group(question: Question) -> list[Search]:
        return await asyncio.gather(*(search(policy, question, seed) for seed in range(samples)))

    return await asyncio.gather(*(group(question) for question in questions))


def weigh(groups: list[list[Search]]) -> list[tuple[Search, float]]:
    """The searches that are learnt from, each with its advantage over what the loss is divided by.

    A search that a limit stopped gave no wrong answer: it is masked, which is over-turn masking. It counts
    in the mean and the spread of its group all the same. A group of equal rewards teaches nothing.
    """
    learnt: list[tuple[Search, float]] = []
    for group in groups:
        rewards = torch.tensor([one.reward for one in group])
        if rewards.max() == rewards.min():
            continue
        advantages = (rewards - rewards.mean()) / rewards.std()
        pairs = zip(group, advantages.tolist(), strict=True)
        learnt += [(one, advantage) for one, advantage in pairs if not one.episode.is_over_turn]
    return [(one, advantage / len(learnt)) for one, advantage in learnt]


def loss_of(vlm: Vlm, one: Search, weight: float) -> torch.Tensor:
    """The clipped objective of one search: the mean over the tokens that the policy wrote.

    The tokens, which of them it wrote, and how probable they were come with the record: nothing is
    tokenized again.
    """
    episode = one.episode
    ids = torch.tensor([episode.token_ids])
    wrote = torch.tensor([episode.token_mask])[:, 1:] > 0
    old = torch.tensor([episode.token_log_probs])[:, 1:][wrote]
    grids = vlm.renderer.grids(one.views)
    places = torch.from_numpy(position_ids(episode.token_ids, vlm.renderer.image_pad, grids)[0])[:, None]
    with torch.no_grad():  # the vision tower keeps its weights
        seen = torch.cat(encode_views(vlm, one.views))
    logits = vlm.model.lm_head(hidden_states(vlm, ids, places, seen)[:, :-1][wrote])
    now = log_probs(logits, TEMPERATURE, vlm.renderer.forbidden).gather(-1, ids[:, 1:][wrote][:, None])[:, 0]
    ratio = (now - old).exp()
    clipped = ratio.clamp(1 - CLIP[0], 1 + CLIP[1])
    return -torch.minimum(ratio * weight, clipped * weight).mean()


def main(steps: int = 4, questions: int = 3, samples: int = 8) -> None:
    torch.set_num_threads(2)
    vlm = load_vlm(checkpoint_in("guesses"))  # nano that has learnt to guess when its turns run out
    vlm.visual.requires_grad_(False)
    parameters = [one for one in vlm.model.parameters() if one.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=LR, weight_decay=0.01)
    policy = Local(vlm, "learner", slots=32, sampling=Sampling(TEMPERATURE, max_tokens=160))
    probes = FreshProbes(seed=1, levels={"easy": 0.4, "medium": 0.4, "hard": 0.2})
    for step in range(steps):
        asked = [probes(step * questions + number) for number in range(questions)]
        groups = asyncio.run(ask(policy, asked, samples))
        learnt = weigh(groups)
        optimiser.zero_grad()
        for one, weight in learnt:
            loss_of(vlm, one, weight).backward()
        if learnt:
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
        every = [one for group in groups for one in group]
        right = sum(one.reward for one in every) / len(every)
        over = sum(one.episode.is_over_turn for one in every) / len(every)
        print(
            f"step {step + 1}: right {right:.2f}, out of turns {over:.2f},"
            f" learnt from {len(learnt)} of {len(every)}"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""The learner sees what the policy saw, and its gradient is that of the formula."""

import asyncio
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator

from mini_o3.episode import Limits, StopReason
from mini_o3.grpo import learner as module
from mini_o3.grpo.advantages import Masking
from mini_o3.grpo.batch import collate, mini_batch, pack
from mini_o3.grpo.config import GrpoConfig
from mini_o3.grpo.learner import Learner
from mini_o3.grpo.questions import FreshProbes
from mini_o3.grpo.rollout import RolloutCollector, outcome_of
from mini_o3.grpo.weights import rollout_weights
from mini_o3.judge import CORRECT, INCORRECT, make_judge, unjudged
from mini_o3.models.forward import encode_views
from mini_o3.models.sampling import Sampling
from mini_o3.models.shipped import NANO_DIR
from mini_o3.models.vlm import load_vlm
from mini_o3.policies import local
from mini_o3.policies.local import Local

EXACT = make_judge("exact")
CONFIG = GrpoConfig(
    seed=1,
    steps=1,
    groups=2,
    rollouts=4,
    turns=4,
    updates=1,
    max_tokens=96,
    lr=1e-9,
    micro_tokens=2000,
    temperature=0.6,
)


def collector(vlm, judge=EXACT, **changes):
    policy = Local(vlm, "nano", slots=8, sampling=Sampling(temperature=CONFIG.temperature, max_tokens=96))
    settings = {
        "policy": policy,
        "judge": judge,
        "questions": FreshProbes(1, {"easy": 1.0}),
        "limits": Limits(turns=4),
        "rollouts": 4,
        "masking": Masking(),
        "turn_cost": 0.0,
        "at_once": 8,
        "seed": 1,
    }
    return RolloutCollector(**settings | changes)


@pytest.fixture(scope="module")
def vlm():
    torch.set_num_threads(1)
    return load_vlm(NANO_DIR)


@pytest.fixture(scope="module")
def groups(vlm):
    """Rolled-out groups that teach something; who was right is invented, so that there are some."""

    async def every_second(task, episode):
        return CORRECT if episode.seed % 2 and episode.stop is StopReason.ANSWERED else INCORRECT

    mixed = FreshProbes(2, {"easy": 0.5, "hard": 0.5})  # of the hard ones, some run over
    found = collector(vlm, every_second, questions=mixed).groups(range(12))
    kept = [group for group in found if group.advantages is not None]
    assert len(kept) >= 2
    assert any(rollout.episode.is_over_turn for group in kept for rollout in group.rollouts)
    return kept


def test_log_probs_of_the_learner_are_those_recorded_when_the_tokens_were_drawn(vlm, groups):
    learner = Learner(vlm, CONFIG, Accelerator(cpu=True))
    batch = of_update(groups)
    seen = encode_views(vlm, batch.views)
    read = 0
    for rows in pack(batch.trajectories, 3000):
        packed = collate(rows, [(6, 6)] * len(batch.views), vlm.renderer.image_pad)
        with torch.no_grad():
            log_probs, entropy = learner.log_probs(packed, seen)
        assert (log_probs - packed.old).abs().max() < 1e-4
        assert not log_probs[packed.mask == 0].any()
        assert ((entropy >= 0) & (entropy < math.log(len(vlm.renderer.tokenizer)))).all()
        read += len(rows)
    assert read == len(batch.trajectories) > 0


def of_update(groups, masking=None):
    """What an update learns from all of these groups."""
    return mini_batch(groups, rollout_weights([group.outcomes for group in groups], masking or Masking()))


def reference(vlm, groups, normaliser="completed", token_mean="rollout"):
    """The objective as it is written down: one rollout after the other through the whole model, no packing,
    no cache."""
    total, rollouts, tokens = torch.zeros(()), 0, 0
    for group in groups:
        rewards = [rollout.reward for rollout in group.rollouts]
        mean = sum(rewards) / len(rewards)
        std = math.sqrt(sum((r - mean) ** 2 for r in rewards) / (len(rewards) - 1))
        mask = [not rollout.episode.is_over_turn for rollout in group.rollouts]
        of_group = torch.zeros(())
        for rollout, completed in zip(group.rollouts, mask, strict=True):
            episode, advantage = rollout.episode, (rollout.reward - mean) / std
            rows, grids = vlm.patcher(list(rollout.views))
            ids = torch.tensor([episode.token_ids])
            logits = vlm.model(
                input_ids=ids,
                pixel_values=rows,
                image_grid_thw=grids,
                use_cache=False,
                mm_token_type_ids=(ids == vlm.renderer.image_pad).long(),
            ).logits[0]
            logits = logits / CONFIG.temperature
            logits[:, list(vlm.renderer.forbidden)] = -torch.inf
            terms = []
            for place, (wrote, old) in enumerate(
                zip(episode.token_mask, episode.token_log_probs, strict=True)
            ):
                if wrote:
                    ratio = torch.exp(logits[place - 1].log_softmax(-1)[ids[0, place]] - old)
                    terms.append(torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.3) * advantage))
            of_group = of_group + completed * sum(terms) / (len(terms) if token_mean == "rollout" else 1)
            rollouts, tokens = rollouts + completed, tokens + completed * len(terms)
        of_mean = {"all": len(mask), "completed": sum(mask), "batch": 1}[normaliser]
        total = total + of_group / of_mean
    return -total / (
        len(groups) if normaliser != "batch" else rollouts if token_mean == "rollout" else tokens
    )


def remembered_otherwise(rollout):
    """The rollout with log-probabilities that another policy would have had."""

    def shift(turn):
        return replace(turn, log_probs=tuple(p + 0.15 * (i % 5 - 2) for i, p in enumerate(turn.log_probs)))

    return replace(rollout, episode=replace(rollout.episode, turns=tuple(map(shift, rollout.episode.turns))))


@pytest.mark.parametrize(
    ("freeze_vision", "normaliser", "token_mean"),
    [
        (False, "completed", "rollout"),
        (True, "completed", "rollout"),
        (True, "all", "rollout"),
        (True, "batch", "rollout"),
        (True, "batch", "batch"),
    ],
)
def test_loss_and_gradient_equal_the_formula_over_whole_conversations(
    vlm, groups, freeze_vision, normaliser, token_mean, monkeypatch
):
    """Off policy, so that some tokens are clipped: the old log-probabilities are moved a little."""
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *_: None)
    moved = [
        replace(group, rollouts=tuple(remembered_otherwise(r) for r in group.rollouts)) for group in groups
    ]
    masking = Masking(normaliser=normaliser, token_mean=token_mean)
    config = CONFIG.model_copy(
        update={"freeze_vision": freeze_vision, "max_grad_norm": 1e9, "token_mean": token_mean}
    )
    learner = Learner(vlm, config, Accelerator(cpu=True))
    vlm.model.zero_grad(set_to_none=True)
    sums = learner.update(of_update(moved, masking))
    ours = {name: p.grad.clone() for name, p in vlm.model.named_parameters() if p.grad is not None}
    assert sums["clipped"] > 0

    vlm.model.zero_grad(set_to_none=True)
    loss = reference(vlm, moved, normaliser, token_mean)
    loss.backward()
    assert sums["loss"] == pytest.approx(float(loss.detach()), abs=1e-6)
    theirs = {name: p.grad for name, p in vlm.model.named_parameters() if p.grad is not None}
    assert ours.keys() == theirs.keys()
    assert any("visual" in name for name in ours) is not freeze_vision
    for name, grad in ours.items():
        assert (grad - theirs[name]).abs().max() < 1e-6 + 1e-5 * theirs[name].abs().max(), name


def test_what_has_no_gradient_is_not_read_and_a_view_is_encoded_once(vlm, groups, monkeypatch):
    learner = Learner(vlm, CONFIG, Accelerator(cpu=True))
    encoded = []
    monkeypatch.setattr(
        module, "encode_views", lambda vlm, views: encoded.append(len(views)) or encode_views(vlm, views)
    )
    batch = of_update(groups)
    learning = [
        r.episode
        for g in groups
        for r, gain in zip(g.rollouts, g.advantages.advantages, strict=True)
        if gain != 0.0
    ]
    assert len(learning) < sum(len(group.rollouts) for group in groups)
    sums = learner.update(batch)
    assert sums["rollouts"] == len(learning)
    assert sums["tokens"] == sum(sum(episode.token_mask) for episode in learning)
    shown = {view.tobytes() for g in groups for r in g.rollouts if r.episode in learning for view in r.views}
    assert encoded == [len(shown), len(shown)]  # once to be read, once more for its own gradient
    assert len(shown) < sum(len(t.views) for t in batch.trajectories)


def test_long_trajectories_come_first_and_no_pack_is_too_large(groups):
    trajectories = of_update(groups).trajectories
    packs = pack(trajectories, 1200)
    assert sorted(len(t.ids) for rows in packs for t in rows) == sorted(len(t.ids) for t in trajectories)
    assert all(len(rows) == 1 or len(rows) * max(len(t.ids) for t in rows) <= 1200 for rows in packs)
    assert len(packs[0][0].ids) == max(len(t.ids) for t in trajectories)


def test_the_judge_is_asked_while_other_rollouts_go_on(vlm, monkeypatch):
    """Verdicts asked for together, but only when all rollouts have ended, would come after every turn."""
    happened = []
    plain = local.LocalConversation.reply

    async def noted(self, messages):
        happened.append("turn")
        return await plain(self, messages)

    async def judge(task, episode):
        happened.append("judged")
        return CORRECT

    monkeypatch.setattr(local.LocalConversation, "reply", noted)
    collector(vlm, judge).groups([0, 1])
    assert "turn" in happened[happened.index("judged") :]


def test_a_judge_that_takes_its_time_keeps_no_group_from_its_turn(vlm):
    """Two groups fit at a time. The judge of the first two is not done until the last of four is asked."""
    questions, asked = FreshProbes(1, {"easy": 1.0}), asyncio.Event()
    loops = []

    def watched(index):
        if index == 3:
            loops[0].call_soon_threadsafe(asked.set)
        return questions(index)

    async def patient(task, episode):
        loops.append(asyncio.get_running_loop())
        await asyncio.wait_for(asked.wait(), 100)
        return CORRECT

    groups = collector(vlm, patient, questions=watched, at_once=4).groups(range(4))
    assert [group.index for group in groups] == [0, 1, 2, 3]
    assert all(rollout.reward == 1.0 for group in groups for rollout in group.rollouts)


def test_gradient_checkpointing_changes_no_gradient(vlm, groups, monkeypatch):
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *_: None)
    gradients, reads, counts = [], [], []
    layer = vlm.model.model.language_model.layers[0].mlp
    handle = layer.register_forward_pre_hook(lambda *_: reads.append(1))
    for checkpointing in (False, True):
        learner = Learner(
            vlm, CONFIG.model_copy(update={"gradient_checkpointing": checkpointing}), Accelerator(cpu=True)
        )
        learner.update(of_update(groups))
        gradients.append(
            {name: p.grad.clone() for name, p in vlm.model.named_parameters() if p.grad is not None}
        )
        assert not vlm.model.training
        counts.append(len(reads))
        reads.clear()
    handle.remove()
    vlm.model.gradient_checkpointing_disable()
    assert counts[1] == 2 * counts[0] > 0  # once more on the way back
    plain, again = gradients
    assert plain.keys() == again.keys()
    assert max(float(value.abs().max()) for value in plain.values()) > 0
    assert all(torch.allclose(plain[name], again[name], atol=1e-6) for name in plain)


def test_a_group_with_a_rollout_that_nobody_could_judge_is_dropped_not_scored(vlm):
    answers = iter([CORRECT, unjudged("judge failed"), INCORRECT, INCORRECT])

    async def shaky(task, episode):
        return next(answers)

    [group] = collector(vlm, shaky, limits=Limits(turns=6)).groups([0])
    assert sorted(str(r.reward) for r in group.rollouts) == ["0.0", "0.0", "1.0", "None"]
    assert group.advantages is None


def test_only_a_right_answer_pays_for_its_turns(groups):
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    for rollout in rollouts:
        found = outcome_of(rollout, 0.02)
        assert found.reward == rollout.reward
        assert found.cost == pytest.approx(0.02 * rollout.episode.num_turns if rollout.reward == 1.0 else 0.0)
        assert found.over_turn == rollout.episode.is_over_turn
    assert {rollout.reward for rollout in rollouts} == {0.0, 1.0}


def test_the_same_seeds_give_the_same_rollouts(vlm):
    one, two = (collector(vlm).groups([3, 4]) for _ in range(2))
    assert [r.episode.token_ids for g in one for r in g.rollouts] == [
        r.episode.token_ids for g in two for r in g.rollouts
    ]
    assert len({r.episode.token_ids for r in one[0].rollouts}) > 1


def test_a_gradient_that_is_too_long_is_shortened(vlm, groups, monkeypatch):
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *_: None)
    learner = Learner(
        vlm, CONFIG.model_copy(update={"max_grad_norm": 1e-3, "freeze_vision": True}), Accelerator(cpu=True)
    )
    sums = learner.update(of_update(groups))
    assert sums["grad_norm"] > 1e-2  # as it was
    left = torch.stack([p.grad.norm() for p in learner.parameters if p.grad is not None]).norm()
    assert float(left) == pytest.approx(1e-3, rel=1e-2)


def test_the_turns_of_right_answers_are_charged_to_their_group():
    def took(turns, reward):
        episode = SimpleNamespace(
            num_turns=turns, is_over_turn=False, stop=StopReason.ANSWERED, token_mask=(0, 1)
        )
        return SimpleNamespace(episode=episode, reward=reward)

    asking = RolloutCollector(None, None, None, Limits(), 4, Masking(), 0.1, 8, 1)
    found = asking._group(
        0, SimpleNamespace(task=None), [took(1, 1.0), took(2, 1.0), took(1, 0.0), took(6, 0.0)]
    )
    assert found.advantages.advantages == pytest.approx([0.9646, 0.7615, -0.8630, -0.8630], abs=1e-4)

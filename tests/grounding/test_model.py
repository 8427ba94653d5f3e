"""The grounding model: shapes, gates, queries, matching, and a loss that also takes empty targets."""

import itertools

import pytest
import torch

from mini_o3.grounding.backbone import SHAPES, Backbone
from mini_o3.grounding.boxes import paired_giou, pairwise_iou, to_cxcywh, to_xyxy
from mini_o3.grounding.config import ModelConfig
from mini_o3.grounding.model import GroundingModel
from mini_o3.grounding.reasoning import State, Step

CONFIG = ModelConfig(image=64, width=32, heads=2, slots=5, steps=3)


def model_of(config=CONFIG, seed=0):
    torch.manual_seed(seed)
    return GroundingModel(config, ["cat", "dog", "cup"]).eval()


def opened(model, bias):
    for gate in model.reasoner.gates:
        torch.nn.init.constant_(gate.bias, bias)
    return model


PICTURES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
CATEGORIES, IMAGE_OF = torch.tensor([0, 1, 2, 1]), torch.tensor([0, 0, 1, 1])


def test_shapes_of_every_look():
    output = model_of()(PICTURES, CATEGORIES, IMAGE_OF)
    assert len(output.looks) == 4  # the proposals, then three steps
    for look in output.looks:
        assert look.boxes.shape == (4, 5, 4)
        assert look.logits.shape == (4, 5)
        assert look.attention.shape == (4, 5, 16)
        assert torch.allclose(look.attention.sum(-1), torch.ones(4, 5), atol=1e-5)
        assert ((look.boxes > 0) & (look.boxes < 1)).all()
    assert output.relevance.shape == (4, 16)
    assert output.alive.shape == (3, 4)


def test_vit_large_has_the_shape_of_the_source():
    config = ModelConfig(backbone="vit_l16", image=384)
    assert SHAPES["vit_l16"] == (1024, 24, 16, 4096)
    with torch.device("meta"):
        backbone = Backbone(config)
        tokens = backbone(torch.empty(1, 3, 384, 384))
    assert tokens.shape == (1, 576, 1024)
    layer = 4 * (1024 * 1024 + 1024) + (1024 * 4096 + 4096) + (4096 * 1024 + 1024) + 4 * 1024
    patches = 3 * 16 * 16 * 1024 + 1024
    count = patches + 1024 + 577 * 1024 + 24 * layer + 2 * 1024
    assert count == 303_690_752  # without a pooling layer and a classifier
    assert sum(p.numel() for p in backbone.parameters()) == count


@pytest.mark.slow
def test_vit_large_runs_forward_and_backward():
    model = GroundingModel(ModelConfig(backbone="vit_l16", image=384), ["cat"]).train()
    output = model(torch.randn(1, 3, 384, 384), torch.tensor([0]), torch.tensor([0]))
    (output.looks[-1].boxes.sum() + output.looks[-1].logits.sum()).backward()
    gradient = model.backbone.net.embeddings.patch_embeddings.projection.weight.grad
    assert gradient.shape == (1024, 3, 16, 16)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def test_a_closed_gate_gives_back_what_went_in():
    torch.manual_seed(0)
    step = Step(32, 2)
    torch.nn.init.normal_(step.box.layers[-1].weight)
    state = State(torch.randn(3, 5, 32), torch.rand(3, 5, 4), torch.zeros(3, 5, 16))
    tokens = torch.randn(3, 16, 32)
    closed = step(state, tokens, tokens, torch.zeros(3))
    assert torch.equal(closed.slots, state.slots)
    assert torch.equal(closed.boxes, state.boxes)
    half = step(state, tokens, tokens, torch.tensor([0.0, 1.0, 0.5]))
    assert torch.equal(half.slots[0], state.slots[0])
    assert not torch.allclose(half.slots[1], state.slots[1])


def test_permuted_queries_permute_the_output():
    order = torch.tensor([2, 0, 3, 1])
    model = model_of()
    with torch.no_grad():
        plain = model(PICTURES, CATEGORIES, IMAGE_OF)
        permuted = model(PICTURES, CATEGORIES[order], IMAGE_OF[order])
    for one, other in zip(plain.looks, permuted.looks, strict=True):
        assert torch.allclose(one.boxes[order], other.boxes, atol=1e-5)
        assert torch.allclose(one.logits[order], other.logits, atol=1e-5)


def test_a_query_does_not_depend_on_what_else_is_asked():
    model = model_of()
    with torch.no_grad():
        together = model(PICTURES, CATEGORIES, IMAGE_OF).looks[-1]
        alone = model(PICTURES[1:], CATEGORIES[2:3], torch.tensor([0])).looks[-1]
    assert torch.allclose(together.boxes[2], alone.boxes[0], atol=1e-5)
    assert torch.allclose(together.logits[2], alone.logits[0], atol=1e-5)


def test_stopped_queries_are_not_computed():
    model = opened(model_of(), -5.0)  # after the first step every gate says stop
    computed = []
    for step in model.reasoner.steps:
        step.register_forward_hook(lambda module, given, out: computed.append(len(given[0].slots)))
    with torch.no_grad():
        output = model(PICTURES, CATEGORIES, IMAGE_OF)
    assert computed == [4]
    assert output.alive.tolist() == [[1.0] * 4, [0.0] * 4, [0.0] * 4]
    assert torch.equal(output.looks[1].boxes, output.looks[3].boxes)


def test_a_query_that_goes_on_is_the_same_whether_others_stopped_or_not():
    model = model_of()
    with torch.no_grad():
        everybody = model(PICTURES, CATEGORIES, IMAGE_OF)
        slots = []
        hook = model.reasoner.steps[0].register_forward_hook(
            lambda m, g, out: slots.append(out.slots.mean(1))
        )
        model(PICTURES, CATEGORIES, IMAGE_OF)
        hook.remove()
        # A gate that separates the queries by a direction: some stop, some go on.
        direction = slots[0][0] - slots[0][1]
        values = slots[0] @ direction
        for gate in model.reasoner.gates:
            gate.weight.copy_(1e3 * direction[None])
            gate.bias.fill_(-1e3 * float(values.median()) - 1.0)
        mixed = model(PICTURES, CATEGORIES, IMAGE_OF)
        model.config = model.config.model_copy(update={"gated": False})
        free = model(PICTURES, CATEGORIES, IMAGE_OF)
    going = mixed.alive[1] > 0
    assert 0 < going.sum() < 4
    assert torch.allclose(mixed.looks[2].boxes[going], free.looks[2].boxes[going], atol=1e-4)
    assert torch.equal(mixed.looks[2].boxes[~going], mixed.looks[1].boxes[~going])
    assert len(everybody.looks) == len(mixed.looks)


def test_fewer_steps_are_the_first_of_many():
    model = model_of()
    with torch.no_grad():
        many, few = (model(PICTURES, CATEGORIES, IMAGE_OF, steps=n) for n in (3, 1))
    assert len(few.looks) == 2
    assert torch.equal(few.looks[1].boxes, many.looks[1].boxes)


def test_boxes_against_hand_worked_ones():
    one = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.25, 0.25]])
    other = torch.tensor([[0.25, 0.25, 0.75, 0.75], [0.0, 0.0, 0.5, 0.5]])
    iou, giou = pairwise_iou(one, other)
    assert torch.allclose(iou, torch.tensor([[1 / 7, 1.0], [0.0, 0.25]]))
    assert giou[0, 0].item() == pytest.approx(1 / 7 - (9 / 16 - 7 / 16) / (9 / 16))
    assert torch.allclose(paired_giou(one, other), giou.diagonal())
    assert torch.allclose(to_xyxy(to_cxcywh(one)), one)


def test_matcher_finds_the_least_cost_of_all_assignments():
    pytest.importorskip("scipy")
    from mini_o3.grounding.matcher import cost, match

    torch.manual_seed(3)
    for boxes_count, targets_count in ((4, 3), (3, 4), (4, 4), (4, 1), (1, 3)):
        boxes, logits = torch.rand(1, boxes_count, 4), torch.randn(1, boxes_count)
        targets = torch.rand(targets_count, 4)
        costs = cost(boxes[0], logits[0], targets)
        rows, columns = match(boxes, logits, [targets])[0]
        size = min(boxes_count, targets_count)
        assert len(set(rows.tolist())) == len(set(columns.tolist())) == len(rows) == size
        least = min(
            sum(costs[r, c].item() for r, c in zip(rs, cs, strict=True))
            for rs in itertools.permutations(range(boxes_count), size)
            for cs in itertools.combinations(range(targets_count), size)
        )
        assert costs[rows, columns].sum().item() == pytest.approx(least, abs=1e-4)


def test_matching_a_batch_is_matching_one_by_one_and_nothing_matches_nothing():
    pytest.importorskip("scipy")
    from mini_o3.grounding.matcher import match

    torch.manual_seed(4)
    boxes, logits = torch.rand(3, 6, 4), torch.randn(3, 6)
    targets = [torch.rand(2, 4), torch.rand(0, 4), torch.rand(4, 4)]
    together = match(boxes, logits, targets)
    for query in range(3):
        (alone,) = match(boxes[query : query + 1], logits[query : query + 1], [targets[query]])
        assert all(torch.equal(a, b) for a, b in zip(alone, together[query], strict=True))
    assert [len(rows) for rows, _ in together] == [2, 0, 4]


@pytest.mark.parametrize("counts", [(0, 0, 0, 0), (1, 0, 3, 9)])
def test_the_loss_teaches_also_where_nothing_is_to_be_found(counts):
    pytest.importorskip("scipy")
    from mini_o3.grounding.criterion import criterion

    torch.manual_seed(5)
    model = model_of().train()
    targets = [torch.rand(n, 4) * 0.4 + 0.2 for n in counts]
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=1e-3), []
    for _ in range(15):
        loss, parts = criterion(model(PICTURES, CATEGORIES, IMAGE_OF), targets, step_cost=0.01)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert set(parts) == {"score", "l1", "giou", "relevance", "steps"}
    assert losses[-1] < losses[0]
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_a_step_of_training_in_bfloat16():
    pytest.importorskip("scipy")
    from mini_o3.grounding.criterion import criterion

    model = model_of().train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(PICTURES, CATEGORIES, IMAGE_OF)
    loss, _ = criterion(output, [torch.rand(2, 4) for _ in range(4)], step_cost=0.01)
    loss.backward()
    assert loss.isfinite()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert len(gradients) > 20
    assert all(g.isfinite().all() for g in gradients)


def test_the_cost_of_steps_closes_gates():
    pytest.importorskip("scipy")
    from mini_o3.grounding.criterion import criterion

    model = model_of().train()
    loss, parts = criterion(model(PICTURES, CATEGORIES, IMAGE_OF), [torch.zeros(0, 4)] * 4, step_cost=1.0)
    assert 1.0 < parts["steps"] <= 3.0
    loss.backward()
    assert all(gate.bias.grad.item() > 0 for gate in model.reasoner.gates)  # downhill is towards closing


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="must be a multiple of 32"):
        ModelConfig(image=100)
    with pytest.raises(ValueError, match="multiple of 4 and of heads"):
        ModelConfig(width=130)

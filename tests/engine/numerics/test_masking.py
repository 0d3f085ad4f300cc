import pytest
import torch
from torch.nn import functional as F

from cu.engine.fit import cross_entropy, fit
from cu.engine.numerics.masking import largest, moments, step_inside
from cu.engine.recipe import AdamW


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.77, 1.0])
def test_largest_keeps_exactly_floor_of_the_share_and_only_larger_scores(fraction):
    source = torch.Generator().manual_seed(0)
    scores = {"a": torch.rand(7, 3, generator=source), "b": torch.rand(16, generator=source)}
    mask = largest(scores, fraction)
    kept = torch.cat([scores[n][mask[n]] for n in scores])
    dropped = torch.cat([scores[n][~mask[n]] for n in scores])
    assert len(kept) == int(fraction * 37)
    assert not len(dropped) or kept.min() >= dropped.max()


def test_largest_breaks_ties_by_order():
    assert largest({"a": torch.ones(3), "b": torch.ones(3)}, 0.67)["b"].tolist() == [True, False, False]


def test_of_no_scores_none_are_largest():
    assert largest({}, 0.5) == {}


def half_mask(model):
    source = torch.Generator().manual_seed(1)
    return {name: torch.rand(w.shape, generator=source) < 0.5 for name, w in model.named_parameters()}


def optimizers():
    return {
        "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1),
        "nesterov": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
        "adamw": AdamW(lr=0.1, betas=(0.9, 0.99), weight_decay=0.1),
    }


@pytest.mark.parametrize("kind", ["sgd", "nesterov", "adamw"])
def test_weights_and_memory_outside_the_mask_are_bitwise_frozen(kind):
    model = torch.nn.Linear(6, 5)
    optimizer, mask = optimizers()[kind](model.parameters()), half_mask(model)
    images, labels = torch.randn(8, 6), torch.randint(0, 5, (8,))

    def step(masked):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        if not masked:
            return optimizer.step()
        with step_inside(mask, model, optimizer):
            return optimizer.step()

    for free_steps in (0, 2):  # with and without momentum from before
        for _ in range(free_steps):
            step(masked=False)
        before = {n: w.detach().clone() for n, w in model.named_parameters()}
        memory = {n: {k: v.clone() for k, v in moments(optimizer, w).items()} for n, w in model.named_parameters()}
        for _ in range(3):
            step(masked=True)
        for name, weight in model.named_parameters():
            assert torch.equal(weight[~mask[name]], before[name][~mask[name]])
            assert (weight[mask[name]] != before[name][mask[name]]).any()
            for key, value in moments(optimizer, weight).items():
                expected = memory[name].get(key, torch.zeros_like(value))
                assert torch.equal(value[~mask[name]], expected[~mask[name]])


def test_a_masked_gradient_alone_would_let_weights_drift():
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], 0.1, weight_decay=0.1)
    weight.grad = torch.zeros(2)
    optimizer.step()
    assert (weight != 1).all()


def test_clipping_inside_sees_only_the_masked_gradient():
    model = torch.nn.Linear(2, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), 1.0)
    model.weight.grad = torch.tensor([[3.0, 100.0]])
    with step_inside({"weight": torch.tensor([[True, False]])}, model, optimizer):
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1e9)
    assert norm == 3


def test_a_full_mask_trains_bitwise_as_none_does(original, toy_tasks, make_run, make_recipe, same_weights):
    recipe, run = make_recipe(clip_norm=0.5), make_run()
    full = {name: torch.ones_like(w, dtype=torch.bool) for name, w in original.named_parameters()}
    batches = run.batches(toy_tasks["class"].retain, recipe)
    masked = fit(original, batches, cross_entropy, recipe, run, around_step=lambda m, o, b: step_inside(full, m, o))
    assert same_weights(masked, fit(original, batches, cross_entropy, recipe, make_run()))

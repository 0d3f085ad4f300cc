import pytest
import torch
from torch.nn import functional as F

from cu.methods.random_label import RandomLabel
from cu.methods.salun import SalUn


def salun(recipe, saliency, **settings):
    plain = {"order": "joint", "labels": "wrong", "redraw": True}
    return SalUn(recipe=recipe, saliency=saliency, **{**plain, **settings})


@pytest.mark.parametrize("order", ["joint", "sequential"])
def test_with_a_full_mask_it_is_random_label_bit_for_bit(
    original, toy_tasks, make_run, make_recipe, same_weights, order
):
    recipe, task = make_recipe(augment=True), toy_tasks["class"]
    ours = salun(recipe, 1.0, order=order).unlearn(original, task, make_run())
    plain = RandomLabel(recipe=recipe, order=order, labels="wrong", redraw=True).unlearn(original, task, make_run())
    assert same_weights(ours, plain)


def test_the_mask_keeps_the_share_it_says(original, toy_tasks, make_run, make_recipe):
    total = sum(w.numel() for w in original.parameters())
    for saliency in (0.1, 0.5, 0.9):
        mask = salun(make_recipe(), saliency).mask(original, toy_tasks["sample"], make_run())
        assert sum(int(m.sum()) for m in mask.values()) == int(saliency * total)


def test_the_mask_is_where_the_forget_loss_is_steepest(original, toy_tasks, make_run, make_recipe):
    forget = toy_tasks["class"].forget
    method = salun(make_recipe(batch_size=len(forget)), 0.3)
    mask = torch.cat([m.flatten() for m in method.mask(original, toy_tasks["class"], make_run()).values()])
    loss = F.cross_entropy(original(forget.eval_view(torch.arange(len(forget)))).logits, forget.labels)
    steepness = torch.cat([g.flatten() for g in torch.autograd.grad(-loss, list(original.parameters()))]).abs()
    assert steepness[mask].min() >= steepness[~mask].max() * (1 - 1e-3)


def test_weights_outside_the_mask_are_bitwise_frozen(original, toy_tasks, make_run, make_recipe):
    method, run = salun(make_recipe(lr=0.1, weight_decay=0.05), 0.5), make_run()
    mask = method.mask(original, toy_tasks["class"], make_run())
    with run.ledger.running():
        model = method.unlearn(original, toy_tasks["class"], run)
    for name, weight in model.named_parameters():
        before = original.get_parameter(name)
        assert torch.equal(weight[~mask[name]], before[~mask[name]])
    moved = torch.cat([(w != original.get_parameter(n))[mask[n]] for n, w in model.named_parameters()])
    assert moved.double().mean() > 0.9
    assert run.ledger.seconds["prep"] > 0


def test_a_class_is_forgotten(original, toy_tasks, make_run, make_recipe):
    task, run = toy_tasks["class"], make_run()
    model = salun(make_recipe(lr=0.1, epochs=6), 0.5).unlearn(original, task, run)
    assert run.accuracy(model, task.forget) < 0.5
    assert run.accuracy(model, task.retain) > 0.6

import math
from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from cu.data.batches.pairs import Pair
from cu.data.batches.shuffled import Batch
from cu.engine.predict import accuracy
from cu.errors import ConfigError
from cu.methods.fcs import ForgetContrastStrengthen, uniform_loss
from cu.methods.finetune import FineTune


def fcs(recipe, *, rounds=2, **settings):
    plain = {"erase": replace(recipe, epochs=1), "contrast": replace(recipe, epochs=rounds), "temperature": 1.15}
    return ForgetContrastStrengthen(**{**plain, "strengthen": replace(recipe, epochs=rounds), **settings})


def batch_of(split, count):
    chosen = torch.arange(count)
    return Batch(split.eval_view(chosen), split.labels[chosen], {split.name: count})


def test_the_first_stage_is_kl_from_the_uniform(original, toy_tasks):
    batch = batch_of(toy_tasks["class"].forget, 6)
    total = 0.0
    for row in original(batch.images).logits.softmax(1).tolist():
        total += sum(0.25 * math.log(0.25 / p) for p in row) / 6
    assert uniform_loss(original, batch).item() == pytest.approx(total, rel=1e-4)


def test_the_contrast_is_that_of_the_entry(original, toy_tasks, make_recipe):
    task = toy_tasks["sample"]
    pair = Pair(batch_of(task.forget, 5), batch_of(task.retain, 7))
    ours, theirs = (original(b.images).logits.tolist() for b in (pair.forget, pair.retain))
    total = 0.0
    for anchor in ours:
        scores = [sum(a * b for a, b in zip(anchor, other, strict=True)) / 1.15 for other in theirs]
        whole = math.log(sum(math.exp(s - max(scores)) for s in scores)) + max(scores)
        total -= sum(s - whole for s in scores) / (5 * 7)
    assert fcs(make_recipe()).contrast_loss(original, pair).item() == pytest.approx(total, rel=1e-4)


def test_retain_logits_are_held_constant_and_no_label_is_read(original, toy_tasks, make_recipe):
    task, method = toy_tasks["sample"], fcs(make_recipe())
    pair = Pair(batch_of(task.forget, 5), batch_of(task.retain, 7))
    images = pair.retain.images.clone().requires_grad_()
    loss = method.contrast_loss(original, Pair(pair.forget, replace(pair.retain, images=images)))
    assert torch.autograd.grad(loss, images, allow_unused=True)[0] is None
    unlabelled = Pair(*(replace(b, labels=torch.zeros_like(b.labels)) for b in (pair.forget, pair.retain)))
    assert method.contrast_loss(original, unlabelled) == loss


def naive_loop(model, task, run, recipe, rounds, lr):
    """Three plain SGD optimizers, one after the other."""
    student = deepcopy(model).train()
    first, forget, retain = (torch.optim.SGD(student.parameters(), lr, 0.9, weight_decay=5e-4) for _ in range(3))

    def step(optimizer, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    forgotten, kept = run.batches(task.forget, recipe), run.batches(task.retain, recipe)
    for batch in forgotten.epoch(0):
        step(first, -student(batch.images).logits.log_softmax(1).mean())
    for number in range(rounds):
        others = (b for lap in range(100) for b in kept.epoch(f"{number}.{lap}"))
        for batch in forgotten.epoch(number):
            anchors = student(batch.images).logits
            constants = student(next(others).images).logits.detach()
            step(forget, -(anchors @ constants.T / 1.15).log_softmax(1).mean())
        for batch in kept.epoch(number):
            step(retain, torch.nn.functional.cross_entropy(student(batch.images).logits, batch.labels))
    return student.eval()


def test_stages_and_rounds_are_those_of_the_entry(original, toy_tasks, make_run, make_recipe):
    recipe, task = make_recipe(lr=0.01, batch_size=16), toy_tasks["sample"]
    ours = fcs(recipe).unlearn(original, task, make_run())
    expected = naive_loop(original, task, make_run(), recipe, 2, 0.01)
    for name, weight in ours.named_parameters():
        torch.testing.assert_close(weight, expected.get_parameter(name), atol=1e-5, rtol=1e-4)


def test_the_account_knows_all_stages(original, toy_tasks, make_run, make_recipe):
    task, run = toy_tasks["class"], make_run()
    fcs(make_recipe(batch_size=12)).unlearn(original, task, run)
    batches = math.ceil(len(task.forget) / 12)
    assert run.ledger.samples["forget"] == 3 * len(task.forget)
    assert run.ledger.samples["retain"] == 2 * (len(task.retain) + 12 * batches)


def test_a_round_has_both_parts(original, toy_tasks, make_run, make_recipe):
    recipe = make_recipe()
    with pytest.raises(ConfigError, match="must agree: both are the rounds"):
        fcs(recipe, contrast=replace(recipe, epochs=3)).unlearn(original, toy_tasks["class"], make_run())


def test_without_erasing_and_contrast_it_is_fine_tuning(original, toy_tasks, make_run, make_recipe):
    recipe, task = make_recipe(epochs=2), toy_tasks["class"]
    still = make_recipe(lr=0.0, weight_decay=0.0, epochs=2, batchnorm="frozen")
    ours = fcs(recipe, erase=still, contrast=still).unlearn(original, task, make_run())
    expected = FineTune(recipe=recipe).unlearn(original, task, make_run())
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), expected.parameters(), strict=True))


def test_a_class_is_forgotten(original, toy_tasks, make_run, make_recipe, hardware):
    task = toy_tasks["class"]
    model = fcs(make_recipe(lr=0.1, batch_size=16), rounds=4).unlearn(original, task, make_run())
    assert accuracy(model, task.forget, hardware) < 0.5
    assert accuracy(model, task.retain, hardware) > 0.8

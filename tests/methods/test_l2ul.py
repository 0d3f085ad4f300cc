import math

import pytest
import torch
from torch.nn import functional as F

from cu.data.batches.pairs import Pair
from cu.data.batches.shuffled import Batch
from cu.engine.numerics.importance import output_sensitivity
from cu.engine.predict import accuracy
from cu.methods.l2ul import L2ul, spread


def l2ul(recipe, **settings):
    plain = {"copies": 3, "radius": 4.0, "step": 0.3, "steps": 15, "rigidity": 0.01}
    return L2ul(**{"recipe": recipe, **plain, **settings})


def test_adversarial_images_look_like_their_wrong_class_and_stay_in_the_ball(
    original, toy_tasks, make_run, make_recipe
):
    task = toy_tasks["sample"]
    split, method = task.forget, l2ul(make_recipe())
    images, targets = method.adversarial(original, split, 4, make_run())
    own = split.labels.repeat(3)
    assert len(images) == 3 * len(split)
    assert (targets != own).all()
    assert set(targets.tolist()) == {0, 1, 2, 3}
    assert (original(images).logits.argmax(1) == targets).float().mean() > 0.7, "and none did before"
    pixels = images * 0.25 + 0.25
    assert pixels.min() >= -1e-6
    assert pixels.max() <= 1 + 1e-6
    clean = split.images[split.rows].float().repeat(3, 1, 1, 1) / 255
    assert (pixels - clean).flatten(1).norm(dim=1).max() <= 4 + 1e-4


def test_sensitivity_is_that_of_the_length_of_the_logits(original, toy_tasks, hardware):
    """One sample at a time."""
    split = toy_tasks["sample"].forget.subset(torch.arange(4))
    found = output_sensitivity(original, split, hardware)
    for name, weight in original.named_parameters():
        total = torch.zeros_like(weight)
        for k in range(4):
            length = original(split.eval_view(torch.tensor([k]))).logits.square().sum().sqrt()
            total += torch.autograd.grad(length, weight)[0].abs() / 4
        torch.testing.assert_close(found[name], total, atol=1e-5, rtol=1e-3)


def test_spreading_reaches_from_0_to_1():
    assert spread(torch.tensor([2.0, 4.0, 3.0])).tolist() == [0.0, 1.0, 0.5]
    assert spread(torch.tensor([2.0, 2.0])).tolist() == [0.0, 0.0]


def test_the_loss_is_that_of_the_paper(original, toy_tasks, make_run, make_recipe):
    task, student = toy_tasks["sample"], make_run().new_model().eval()
    pair = Pair(
        Batch(task.forget.eval_view(torch.arange(4)), task.forget.labels[:4], {"forget": 4}),
        Batch(task.retain.eval_view(torch.arange(6)), task.retain.labels[:6], {"adversarial": 6}),
    )
    start = {name: weight.detach() for name, weight in original.named_parameters()}
    fixed = {name: torch.rand_like(weight) for name, weight in start.items()}
    expected = 0.6 * F.cross_entropy(student(pair.retain.images).logits, pair.retain.labels).item()
    expected -= 0.4 * F.cross_entropy(student(pair.forget.images).logits, pair.forget.labels).item()
    for name, weight in student.named_parameters():
        rows = zip(*(t.flatten().tolist() for t in (fixed[name], weight, start[name])), strict=True)
        expected += 0.7 / 2 * sum(price * (new - old) ** 2 for price, new, old in rows)
    loss = l2ul(make_recipe(), rigidity=0.7).loss(start, fixed, student, pair)
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_it_ends_when_nothing_of_the_forget_set_is_known(original, toy_tasks, make_run, make_recipe, hardware):
    task, run = toy_tasks["class"], make_run()
    recipe = make_recipe(lr=0.03, epochs=30, batch_size=16, weight_decay=0.0)
    model = l2ul(recipe).unlearn(original, task, run)
    assert accuracy(model, task.forget, hardware) == 0
    assert accuracy(model, task.retain, hardware) > 0.6
    passes = run.ledger.steps / math.ceil(3 * len(task.forget) / 16)
    assert passes == int(passes)
    assert 0 < passes < 30
    assert set(run.ledger.samples) == {"forget"}, "images made from forgotten ones count as those"


def test_forget_images_and_those_made_from_them_are_both_counted(original, toy_tasks, make_run, make_recipe):
    task, run, seen = toy_tasks["sample"], make_run(), []

    class Watched(L2ul):
        def loss(self, start, fixed, model, pair):
            seen.append(len(pair.forget.labels) + len(pair.retain.labels))
            return super().loss(start, fixed, model, pair)

    method = Watched(recipe=make_recipe(epochs=1, batch_size=16), copies=3, radius=4.0, step=0.3, steps=2, rigidity=0.0)
    method.unlearn(original, task, run)
    # Nothing but the steps: preparation counts on an account that runs.
    assert run.ledger.samples["forget"] == sum(seen)

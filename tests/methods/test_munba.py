from copy import deepcopy

import pytest
import torch
from torch.nn import functional as F

from cu.data.batches.pairs import Pair
from cu.data.batches.shuffled import Batch
from cu.methods.munba import FALLBACK, MUNBa, PairedWhilePossible, bargain, bargained_loss
from cu.methods.random_label import random_labels


def gradients(cosine, lengths=(2.0, 0.3)):
    """Two vectors of given lengths and cosine."""
    one, other = torch.zeros(2, 10, dtype=torch.double)
    one[0], other[0], other[1] = 1, cosine, (1 - cosine**2) ** 0.5
    return lengths[0] * one, lengths[1] * other


@pytest.mark.parametrize("cosine", [-0.99, -0.5, 0.0, 0.3, 0.999])
def test_it_solves_the_bargaining_problem_and_neither_side_loses(cosine):
    g = torch.stack(gradients(cosine), 1)
    a = torch.stack([torch.as_tensor(x) for x in bargain(*g.unbind(1))])
    assert (g.T @ g @ a - 1 / a).abs().max() < 1e-5
    assert (g.T @ (g @ a) > 0).all()


@pytest.mark.parametrize("factor", [1e-4, 1e3])
def test_the_direction_does_not_depend_on_the_scale_of_either_loss(factor):
    retain, forget = gradients(0.4)

    def direction(one, other):
        a, b = bargain(one, other)
        return a * one + b * other

    torch.testing.assert_close(direction(factor * retain, forget), direction(retain, forget))
    torch.testing.assert_close(direction(retain, factor * forget), direction(retain, forget))


def test_opposed_gradients_stay_finite_and_none_at_all_falls_back():
    retain, _ = gradients(0.0)
    assert all(torch.isfinite(a) for a in bargain(retain, -retain))
    assert bargain(retain, torch.zeros_like(retain)) == FALLBACK
    assert bargain(retain, retain * torch.inf) == FALLBACK


def batch_of(split, name, count=24):
    chosen = torch.arange(count)
    return Batch(split.eval_view(chosen), split.labels[chosen], {name: count})


def test_a_bargained_step_sends_each_image_back_twice(original, toy_tasks, make_run):
    task, run = toy_tasks["class"], make_run()
    pair = Pair(batch_of(task.forget, "forget", 7), batch_of(task.retain, "retain", 11))
    with run.ledger.running():
        bargained_loss(original, pair).backward()
    assert (run.ledger.forward, run.ledger.backward) == (7 + 11, 2 * (7 + 11))


def test_the_gradient_of_the_loss_is_the_scaled_sum_of_unit_gradients(original, toy_tasks):
    task, weights = toy_tasks["class"], list(original.parameters())
    wrong = task.forget.relabelled((task.forget.labels + 1) % 4)
    pair = Pair(batch_of(wrong, "forget"), batch_of(task.retain, "retain"))

    def gradient(loss):
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])

    retain, forget = (
        gradient(F.cross_entropy(original(b.images).logits, b.labels)) for b in (pair.retain, pair.forget)
    )
    ours = gradient(bargained_loss(original, pair))
    cosine = F.cosine_similarity(retain, forget, dim=0)
    expected = (retain / retain.norm() + forget / forget.norm()) / (1 + cosine).sqrt()
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-3)
    assert ours @ retain > 0
    assert ours @ forget > 0
    assert ours.norm().item() == pytest.approx(2**0.5, rel=1e-3), "always, whatever the losses are"


def test_a_retain_batch_alone_is_a_plain_step(original, toy_tasks):
    batch = batch_of(toy_tasks["class"].retain, "retain")
    assert bargained_loss(original, batch) == F.cross_entropy(original(batch.images).logits, batch.labels)


class Fixed:
    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def epoch(self, index):
        empty = torch.empty(0)
        return iter([Batch(empty, empty, {f"{index}/{k}": 1}) for k in range(self.length)])


@pytest.mark.parametrize(("forget", "retain"), [(2, 5), (5, 2), (3, 3)])
def test_whichever_set_is_longer_both_are_gone_through(forget, retain):
    stream = PairedWhilePossible(Fixed(forget), Fixed(retain))
    batches = list(stream.epoch(0))
    assert len(batches) == len(stream) == max(forget, retain)
    assert [isinstance(b, Pair) for b in batches] == [k < forget for k in range(len(batches))]


def test_a_class_is_forgotten(original, toy_tasks, make_run, make_recipe):
    run, task = make_run(), toy_tasks["class"]
    method = MUNBa(recipe=make_recipe(lr=0.02, epochs=10), labels="wrong", bargain_clip_norm=1.0)
    model = method.unlearn(original, task, run)
    assert run.accuracy(model, task.forget) < 0.5
    assert run.accuracy(model, task.retain) > 0.6
    assert run.ledger.samples["forget"] == 10 * len(task.forget)
    assert run.ledger.samples["retain"] == 10 * len(task.retain)


def test_only_bargained_steps_are_clipped(original, toy_tasks, make_run, make_recipe):
    """By hand: plain SGD, the gradient of pairs alone cut to norm 0.1."""
    task, recipe = toy_tasks["sample"], make_recipe(lr=0.1, momentum=0.0, weight_decay=0.0, epochs=1, batch_size=16)
    method, run = MUNBa(recipe=recipe, labels="wrong", bargain_clip_norm=0.1), make_run()
    labels = random_labels(task, "wrong", run.generator("random_label/0"))
    pairs = PairedWhilePossible(run.batches(task.forget.relabelled(labels), recipe), run.batches(task.retain, recipe))
    model = deepcopy(original).train()
    for batch in pairs.epoch(0):
        model.zero_grad()
        bargained_loss(model, batch).backward()
        gradients = [p.grad for p in model.parameters()]
        norm = torch.cat([g.flatten() for g in gradients]).norm()
        factor = min(1.0, 0.1 / norm.item()) if isinstance(batch, Pair) else 1.0
        with torch.no_grad():
            for weight, gradient in zip(model.parameters(), gradients, strict=True):
                weight -= 0.1 * factor * gradient
    ours = method.unlearn(original, task, make_run())
    for own, theirs in zip(ours.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(own, theirs, atol=1e-6, rtol=1e-5)
